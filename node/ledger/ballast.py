"""A file of real bytes that is given up when the disk is full, so that staff can still write.

Not a quota. At a full disk even deleting rows fails, since SQLite must write first; a file can always be unlinked.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from node.places import Places

# At least 4 times the largest WAL (1 MiB kept); a ballast of 256 KiB beside a large WAL was measured not to be enough.
BALLAST_BYTES = 16 * 1024 * 1024
# Made again only when this share of the disk is free, so that it never causes what it is for.
FREE_SHARE_TO_MAKE = 0.10


def make_ballast(places: Places) -> bool:
    """Make the ballast file where it is absent and a tenth of the disk is free; return whether it is there."""
    path = _path(places)
    if path.exists():
        return True
    usage = shutil.disk_usage(path.parent)
    if usage.free - BALLAST_BYTES < usage.total * FREE_SHARE_TO_MAKE:
        return False
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o660)
    try:
        os.fchmod(descriptor, 0o660)
        os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
    except OSError:
        temporary.unlink()
        return False
    finally:
        os.close(descriptor)
    temporary.rename(path)
    return True


def release_ballast(places: Places) -> bool:
    """Give up the ballast file; return False where there was none to give."""
    try:
        _path(places).unlink()
    except FileNotFoundError:
        return False
    return True


def _path(places: Places) -> Path:
    return places.market_db.parent / "ballast"
