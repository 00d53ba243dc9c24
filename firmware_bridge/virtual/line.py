"""The virtual board's end of a pseudo terminal, and the name under which it is found.

Not a protocol. Holds one descriptor of the other end, so that a bridge that closes its port does not end ours; the link
is made and removed atomically. Facts about terminals: LINK section 9.
"""

import os
import select
import tty
from pathlib import Path

READ_BYTES = 4_095  # what a terminal gives in one read (LINK section 9)


class Line:
    """A pseudo terminal in raw mode with a link to it."""

    def __init__(self, link: Path) -> None:
        """Make the terminal, then the link to it in one step. Raises OSError."""
        self._link = link
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.device = os.ttyname(self._theirs)
        link.parent.mkdir(parents=True, exist_ok=True)
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self.device)
        fresh.replace(link)

    def wait(self, timeout_s: float) -> bytes:
        """Wait for bytes of the host; empty when none came in time."""
        ready, _, _ = select.select([self._ours], [], [], max(0.0, timeout_s))
        if not ready:
            return b""
        try:
            return os.read(self._ours, READ_BYTES)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        """Write what fits; with nobody reading the rest is lost, as on a wire."""
        try:
            os.write(self._ours, data)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Pull the cable: the link goes, unless it is another's by now, and so does the terminal."""
        if self._link.is_symlink() and str(self._link.readlink()) == self.device:
            self._link.unlink()
        os.close(self._ours)
        os.close(self._theirs)
