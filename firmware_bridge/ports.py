"""Serial ports: finding, opening, reading and writing them. The only file that imports pyserial.

Not a protocol: bytes in, bytes out. Owns the promise that an unplugged cable always ends as `PortLost`, and that
opening a port does not reset the board behind it. LINK section 4.
"""

import errno
import os
import select
import termios
import threading
from collections.abc import Sequence
from fnmatch import fnmatch
from glob import glob

import serial

BAUD = 115_200  # LINK section 2
WRITE_TIMEOUT_S = 1.0  # a write that is stuck for longer has lost its port (LINK section 4)
READ_BYTES_MAX = 4_095  # what a terminal line gives in one read (LINK section 9)
PORTS_MAX = 64  # LINK section 4
REOPEN_FIRST_MS, REOPEN_MAX_MS = 250, 5_000  # LINK section 4
REOPEN_JITTER = 0.2  # of the wait, so that many ports do not try in step


class PortLost(Exception):
    """The port is gone, refuses, or is stuck; the text says why."""


class Port:
    """One open serial port. Every call may raise PortLost; after that the port is only closed.

    pyserial opens and sets the line. Reading and writing go to its descriptor, which never blocks: one poll and one
    read for all that came, where pyserial's read asks for the first byte, for how many follow and for these. After an
    unplug its in_waiting raises plain OSError (EIO), its own SerialException is a subclass, and termios.error is not:
    so each call here stands in one `except` for both.
    """

    def __init__(self, path: str, *, baud: int = BAUD, parity: str = serial.PARITY_NONE) -> None:
        """Open the port without touching DTR or RTS, for us alone. parity: N, E or O."""
        try:
            self._serial = serial.Serial()
            self._serial.port = path
            self._serial.baudrate = baud
            self._serial.parity = parity
            self._serial.exclusive = True
            self._serial.dtr = False
            self._serial.rts = False
            self._serial.open()
        except (OSError, termios.error, ValueError) as error:
            raise PortLost(_reason(error)) from error
        try:
            self._descriptor = self._serial.fileno()
            os.set_blocking(self._descriptor, False)
            self._keep_dtr_on_close()
            self._wake: int | None = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except (OSError, termios.error) as error:
            self._serial.close()
            raise PortLost(_reason(error)) from error
        self._waking = threading.Lock()  # a descriptor that is closed may be another file's the next moment
        self._ears = select.poll()
        self._ears.register(self._descriptor, select.POLLIN)
        self._ears.register(self._wake, select.POLLIN)

    def read(self, timeout_ms: int) -> bytes:
        """Wait so long at most and return what came; empty when nothing did or `wake` was called."""
        try:
            ready = [descriptor for descriptor, _events in self._ears.poll(timeout_ms)]
            if self._wake in ready:
                os.eventfd_read(self._wake)  # a wake from here on ends the next read
            if self._descriptor not in ready:
                return b""
            data = os.read(self._descriptor, READ_BYTES_MAX)
        except BlockingIOError:
            return b""
        except (OSError, termios.error) as error:
            raise PortLost(_reason(error)) from error
        if not data:
            raise PortLost(os.strerror(errno.EIO))  # ready and empty: hung up
        return data

    def write(self, data: bytes) -> None:
        """Write all bytes or lose the port; one that takes no byte for a second is stuck."""
        left = memoryview(data)
        try:
            while left:
                try:
                    left = left[os.write(self._descriptor, left) :]
                except BlockingIOError:
                    self._wait_for_room()
        except (OSError, termios.error) as error:
            raise PortLost(_reason(error)) from error

    def wake(self) -> None:
        """End a `read` that waits in another thread, or the next one. A port that is gone needs no waking."""
        with self._waking:
            if self._wake is not None:
                os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Close the port, whatever state it is in."""
        with self._waking:
            if self._wake is not None:
                os.close(self._wake)
                self._wake = None
        try:
            self._serial.close()
        except (OSError, termios.error):
            return  # the descriptor of an unplugged device: the kernel has let go of it

    def _wait_for_room(self) -> None:
        room = select.poll()
        room.register(self._descriptor, select.POLLOUT)
        if not room.poll(int(WRITE_TIMEOUT_S * 1000)):
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    def _keep_dtr_on_close(self) -> None:
        """Clear HUPCL, so that closing the port does not drop DTR and reset the board."""
        attributes = termios.tcgetattr(self._descriptor)
        attributes[2] &= ~termios.HUPCL
        termios.tcsetattr(self._descriptor, termios.TCSANOW, attributes)


def find_ports(patterns: Sequence[str], exclude: Sequence[str] = ()) -> dict[str, str]:
    """Return the ports that match now: path to what it stands for, one path for each device, at most 64.

    What it stands for changes when a port is plugged in again, even under the same name. exclude: patterns of paths
    that are nobody's business here; their devices are left alone under every other name, too.
    """
    found: dict[str, str] = {}
    devices = _devices(exclude)
    for pattern in patterns:
        for path in sorted(glob(pattern)):  # noqa: PTH207 - Path.glob refuses absolute patterns
            if any(fnmatch(path, refused) for refused in exclude):
                continue
            try:
                status = os.stat(path)  # noqa: PTH116 - twice a second for each port: a Path costs more than the look
            except OSError:
                continue  # gone between the listing and the look, or a name that leads nowhere
            device = (status.st_dev, status.st_ino)
            if device in devices or len(found) >= PORTS_MAX:
                continue
            devices.add(device)
            found[path] = f"{status.st_dev} {status.st_ino} {status.st_rdev} {status.st_ctime_ns}"
    return found


def _devices(patterns: Sequence[str]) -> set[tuple[int, int]]:
    devices = set()
    for pattern in patterns:
        for path in glob(pattern):  # noqa: PTH207 - as above
            try:
                status = os.stat(path)  # noqa: PTH116 - as above
            except OSError:
                continue  # as above
            devices.add((status.st_dev, status.st_ino))
    return devices


def is_same_device(path: str, other: str) -> bool:
    """Say whether two names stand for one device now; a name that leads nowhere is nobody's."""
    try:
        return os.path.samefile(path, other)  # noqa: PTH121 - as above
    except OSError:
        return False


def reopen_wait_ms(failures: int, chance: float) -> int:
    """Return the wait before the next try: 250 ms doubled to 5 s, each up to a fifth longer by chance (0 to 1)."""
    wait_ms = min(REOPEN_MAX_MS, REOPEN_FIRST_MS << min(failures, 10))
    return int(wait_ms * (1 + REOPEN_JITTER * chance))


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return text or type(error).__name__
