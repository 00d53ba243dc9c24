"""Read a small file that somebody else puts there: bounded, and never waiting.

Not a parser. A pipe or a device in the place of the file would hold its reader for ever, so only a plain one is read.
"""

import errno
import os
import stat
from pathlib import Path


def read_plain_file(path: Path, bytes_max: int) -> bytes:
    """Return what a plain file holds, at most bytes_max. Raises OSError for none, a link, or anything else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(path))
        return file.read(bytes_max)
