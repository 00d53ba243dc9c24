"""udev rules from sysfs: by serial number, by place, and what a hostile device cannot do."""

from pathlib import Path

import pytest

from firmware_bridge.errors import LocalFault
from firmware_bridge.port_verbs.naming import rule_path, rule_text, usb_device, write_rule

SHIPPED = Path(__file__).parents[3] / "deploy" / "udev" / "69-larder.rules"


def a_usb_port(root: Path, *, serial: str | None = "A50285BI", interfaces: str = " 1") -> Path:
    """Make the part of sysfs that a USB serial adapter has; returns its device path."""
    usb = root / "sys/devices/platform/usb1/1-1/1-1.2"
    tty = usb / "1-1.2:1.0/ttyUSB0"
    tty.mkdir(parents=True)
    (usb / "idVendor").write_text("0403\n")
    (usb / "idProduct").write_text("6001\n")
    (usb / "bNumInterfaces").write_text(interfaces + "\n")
    (usb / "1-1.2:1.0/bInterfaceNumber").write_text("00\n")
    if serial is not None:
        (usb / "serial").write_text(serial + "\n")
    klass = root / "sys/class/tty/ttyUSB0"
    klass.mkdir(parents=True)
    (klass / "device").symlink_to(tty)
    return Path("/dev/ttyUSB0")


def test_a_device_with_a_serial_number_is_named_by_it(tmp_path: Path) -> None:
    usb = usb_device(a_usb_port(tmp_path), tmp_path)
    rule = rule_text(usb, "cold-room").splitlines()[1]
    assert f"# {rule}" in SHIPPED.read_text("utf-8").splitlines()
    assert 'ATTRS{serial}=="A50285BI"' in rule
    assert "KERNELS" not in rule


def test_a_device_without_one_is_named_by_its_place(tmp_path: Path) -> None:
    usb = usb_device(a_usb_port(tmp_path, serial=None), tmp_path)
    assert 'KERNELS=="1-1.2"' in rule_text(usb, "shed")


def test_a_device_with_several_ports_is_named_with_its_interface(tmp_path: Path) -> None:
    usb = usb_device(a_usb_port(tmp_path, interfaces=" 4"), tmp_path)
    assert 'ENV{ID_USB_INTERFACE_NUM}=="00"' in rule_text(usb, "shed")


@pytest.mark.parametrize("serial", ['x", RUN+="/bin/sh', "a\nRUN", "*", "é", "\x1b[2J"])
def test_what_a_device_says_of_itself_cannot_become_a_rule(tmp_path: Path, serial: str) -> None:
    usb = usb_device(a_usb_port(tmp_path, serial=serial), tmp_path)
    assert usb.serial == ""
    rule = rule_text(usb, "shed")
    assert rule.count("RUN+=") == 1
    assert len(rule.splitlines()) == 2


@pytest.mark.parametrize("name", ["", "Cold", "a b", "../x", "-a", "x" * 33, 'a"'])
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    usb = usb_device(a_usb_port(tmp_path), tmp_path)
    with pytest.raises(LocalFault):
        rule_text(usb, name)


def test_a_port_that_is_not_on_usb_is_refused(tmp_path: Path) -> None:
    for device in ("/dev/ttyAMA0", "/dev/../etc/passwd", "/dev/ttyUSB7"):
        with pytest.raises(LocalFault, match="not a serial port on USB"):
            usb_device(Path(device), tmp_path)


def test_writing_a_rule_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    usb = usb_device(a_usb_port(tmp_path), tmp_path)
    path, text = rule_path("cold-room", tmp_path), rule_text(usb, "cold-room")
    assert [write_rule(path, text), write_rule(path, text)] == [True, False]
    assert path == tmp_path / "etc/udev/rules.d/70-larder-cold-room.rules"
    assert path.read_text("utf-8") == text
