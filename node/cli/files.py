"""Files that people name: read whole within a bound, written so that a crash leaves the old one or the new one.

Not their contents. Owns the rule that only a regular file is opened: a pipe or a device would be waited for for ever.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from node.errors import N_, Refused
from node.text import safe_text

PATH_CELLS = 200
_MODE = 0o600  # a card holds a secret


def read_file(path: Path, bytes_max: int) -> bytes:
    """Return at most `bytes_max` + 1 bytes of a regular file. Raises Refused for what is none, OSError."""
    # Not waiting for a writer at the other end, and never taking a terminal for our own.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_file(path)
        return opened.read(bytes_max + 1)


def write_beside(path: Path, text: str) -> Path:
    """Write a text beside where it will stand, and return that file for `move_in`. Raises Refused, OSError."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise _no_file(path)
    beside = path.with_name(f".{path.name}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, _MODE)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        os.fchmod(descriptor, _MODE)
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)
    return beside


def move_in(beside: Path, path: Path) -> None:
    """Put a file written by `write_beside` in its place, on the disk when it returns. Raises OSError."""
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _no_file(path: Path) -> Refused:
    return Refused(
        "file.not_regular",
        N_("{path} is not an ordinary file."),
        N_("Name a file on a disk or on a stick, no pipe and no device."),
        path=safe_text(str(path), PATH_CELLS),
    )
