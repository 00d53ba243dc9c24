"""A pseudo terminal under a name, as a cable with a board at its far end. A builder, no fixture.

Facts about terminals: LINK section 9.
"""

import os
import tty
from pathlib import Path

READ_BYTES = 4_095  # what a terminal gives in one read (LINK section 9)


class Cable:
    """A pseudo terminal under a name; pulling it closes the board's end, plugging makes a new one."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self.ours = self.theirs = -1
        self.plug()

    def plug(self) -> None:
        self.ours, self.theirs = os.openpty()
        tty.setraw(self.theirs)
        fresh = self.name.with_name(f".{self.name.name}")
        fresh.symlink_to(os.ttyname(self.theirs))
        fresh.replace(self.name)

    def pull(self, *, does_name_stay: bool = False) -> None:
        if not does_name_stay:
            self.name.unlink(missing_ok=True)
        for descriptor in (self.ours, self.theirs):
            if descriptor >= 0:
                os.close(descriptor)
        self.ours = self.theirs = -1

    def write(self, data: bytes) -> None:
        os.write(self.ours, data)

    def read(self) -> bytes:
        """Return what the host wrote; waits when there is nothing."""
        return os.read(self.ours, READ_BYTES)
