"""The `[[bridge.adapter]]` block for what was found, and how it gets into larder.toml.

A block is appended as text, so that comments and order stay; the file is checked as a whole before it replaces the old
one, atomically. Nothing that is there is ever changed.
"""

import os
import re
import tempfile
from collections.abc import Collection
from pathlib import Path

from firmware_bridge.errors import LocalFault
from firmware_bridge.language import _
from firmware_bridge.port_verbs.looking import Found
from firmware_bridge.settings import MODBUS, parse_settings, read_text

FILE_MODE = 0o640  # OPS section 3
LABELS = {"modbus": "mb", "mysensors": "ms", "senml": "sl", "mt-sics": "scale"}
_NOT_LABEL = re.compile(r"[^a-z0-9.-]+")


def free_uid(found: Found, used: Collection[str]) -> str:
    """Return a label that nobody has: the protocol's letters, and the serial number or the next number."""
    start = LABELS[found.protocol]
    serial = _NOT_LABEL.sub("-", found.serial.lower()).strip("-.")[:20]
    if serial and f"{start}-{serial}" not in used:
        return f"{start}-{serial}"
    return next(uid for number in range(1, len(used) + 2) if (uid := f"{start}-{number}") not in used)


def block_text(found: Found, port: str, uid: str) -> str:
    """Return the block as text, ready to be appended."""
    lines = ["[[bridge.adapter]]", f"port = {_quoted(port)}", f'protocol = "{found.protocol}"', f'uid = "{uid}"']
    if found.protocol == MODBUS:
        lines.append(f"profile = {_quoted(found.profile)}")
        lines.append(f"units = [{', '.join(map(str, found.units))}]")
    if found.serial:
        lines.append(f"serial = {_quoted(found.serial)}")
    if found.baud:
        lines.append(f"baud = {found.baud}")
    return "\n".join(lines) + "\n"


def append_block(path: Path, block: str) -> None:
    """Append a block to the settings. Raises LocalFault when the result could not be used or not be written."""
    before = read_text(path) or ""
    separator = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    text = before + separator + block
    parse_settings(text, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _keep_owner(path, fresh)
        fresh.replace(path)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        fresh.unlink(missing_ok=True)


def _keep_owner(path: Path, fresh: Path) -> None:
    """Give the new file the owner and mode of the old one, or the usual mode and the group of its folder."""
    try:
        status = path.stat()
    except FileNotFoundError:
        fresh.chmod(FILE_MODE)
        if os.geteuid() == 0:  # root writes it, but the bridge has to read it
            os.chown(fresh, -1, path.parent.stat().st_gid)
        return
    fresh.chmod(status.st_mode & 0o777)
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(fresh, status.st_uid, status.st_gid)


def _refused(path: Path, error: OSError) -> LocalFault:
    return LocalFault(
        "settings.not_written",
        _("The settings in {path} cannot be written: {reason}.").format(path=path, reason=error.strerror or error),
        _("On an installed computer run it as root: sudo larder ports probe."),
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
