"""A udev rule that gives one device its name below /dev/larder, whatever is plugged in first.

Not udev. Text that a device says of itself is hostile: only a plain serial number gets into a rule, anything else is
named by its place on the bus. OPS section 4; the rules are unverified on hardware.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.errors import LocalFault
from firmware_bridge.language import _

RULES_FOLDER = Path("etc/udev/rules.d")
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
GROUP = "larder-serial"  # OPS section 3
_HEX = re.compile(r"[0-9a-f]{4}")
_PLAIN = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_TTY = re.compile(r"tty[A-Za-z]+[0-9]+")


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """What tells one USB adapter from another. serial '' where it has none; place: the port of the bus, like 1-1.2.

    interface: the number of the interface, '' where the device has only one.
    """

    vendor: str
    product: str
    serial: str
    place: str
    interface: str


def usb_device(device: Path, root: Path) -> UsbDevice:
    """Look up a serial port in sysfs. root: '/' but for tests. Raises LocalFault where it is no USB device."""
    folder = (root / "sys/class/tty" / device.name / "device").resolve()
    if _TTY.fullmatch(device.name) is None or not folder.exists():
        raise _no_usb(device)
    interface = ""
    while folder != folder.parent:
        if not interface:
            interface = _attribute(folder, "bInterfaceNumber", re.compile(r"[0-9a-f]{2}"))
        vendor = _attribute(folder, "idVendor", _HEX)
        if vendor:
            several = _attribute(folder, "bNumInterfaces", re.compile(r" *[0-9]{1,2}")).strip()
            is_several = several.isdigit() and int(several) > 2  # one port of USB CDC has two interfaces
            product = _attribute(folder, "idProduct", _HEX)
            serial = _attribute(folder, "serial", _PLAIN)
            return UsbDevice(vendor, product, serial, folder.name, interface if is_several else "")
        folder = folder.parent
    raise _no_usb(device)


def rule_text(usb: UsbDevice, name: str) -> str:
    """Return the rule. Raises LocalFault for a name that cannot be one."""
    if NAME_PATTERN.fullmatch(name) is None:
        raise LocalFault(
            "ports.name",
            _("{name} cannot be the name of a port.").format(name=ascii(name)),
            _("Use up to 32 small letters, digits and dashes, like cold-room."),
        )
    matches = [
        'SUBSYSTEM=="tty"',
        f'ATTRS{{idVendor}}=="{usb.vendor}"',
        f'ATTRS{{idProduct}}=="{usb.product}"',
        f'ATTRS{{serial}}=="{usb.serial}"' if usb.serial else f'KERNELS=="{usb.place}"',
    ]
    if usb.interface:
        matches.append(f'ENV{{ID_USB_INTERFACE_NUM}}=="{usb.interface}"')
    gives = [
        f'SYMLINK+="larder/{name}"',
        f'GROUP="{GROUP}"',
        'MODE="0660"',
        'ENV{ID_MM_DEVICE_IGNORE}="1"',
        # Closing the port must not drop DTR: that resets most boards (LINK section 4).
        'RUN+="/bin/stty -F /dev/%k -hupcl"',
    ]
    return f"# Larder: the port {name}.\n{', '.join([*matches, *gives])}\n"


def rule_path(name: str, root: Path) -> Path:
    """Return where the rule of a name stands; behind 60-serial.rules, before ModemManager's 77."""
    return root / RULES_FOLDER / f"70-larder-{name}.rules"


def write_rule(path: Path, text: str) -> bool:
    """Write a rule; returns whether the file changed. Raises LocalFault."""
    try:
        if path.exists() and path.read_text("utf-8") == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text, "utf-8")
        fresh.chmod(0o644)
        fresh.replace(path)
    except OSError as error:
        raise LocalFault(
            "ports.rule_not_written",
            _("The rule {path} cannot be written: {reason}.").format(path=path, reason=error.strerror or error),
            _("On an installed computer run it as root: sudo larder ports assign."),
        ) from error
    return True


def _attribute(folder: Path, name: str, pattern: re.Pattern[str]) -> str:
    try:
        text = (folder / name).read_text("utf-8", errors="replace").rstrip("\n")
    except OSError:
        return ""
    return text if pattern.fullmatch(text) else ""


def _no_usb(device: Path) -> LocalFault:
    return LocalFault(
        "ports.no_usb",
        _("{device} is not a serial port on USB, so udev cannot tell it from others.").format(device=device),
        _("Name its path in the settings instead; ports on the board itself do not change."),
    )
