"""Serial ports: finding, opening, reading and writing them. The only file that imports pyserial.

Not a protocol: bytes in, bytes out. Owns the promise that an unplugged cable always ends as `PortLost`, and that
opening a port does not reset the board behind it. LINK section 4.
"""

import os
import termios
from collections.abc import Sequence
from glob import glob
from pathlib import Path

import serial

BAUD = 115_200  # LINK section 2
READ_TIMEOUT_S = 0.5  # LINK section 4
READ_TIMEOUT_PROBING_S = 0.1  # while HELLO is asked for every 200 ms
WRITE_TIMEOUT_S = 1.0  # a write that is stuck for longer has lost its port (LINK section 4)
READ_BYTES_MAX = 4_095  # what a terminal line gives in one read (LINK section 9)
PORTS_MAX = 64  # LINK section 4
REOPEN_FIRST_MS, REOPEN_MAX_MS = 250, 5_000  # LINK section 4
REOPEN_JITTER = 0.2  # of the wait, so that many ports do not try in step


class PortLost(Exception):
    """The port is gone, refuses, or is stuck; the text says why."""


class Port:
    """One open serial port. Every call may raise PortLost; after that the port is only closed.

    After an unplug pyserial raises plain OSError (EIO) from in_waiting; its own SerialException is a subclass, and
    termios.error is not. So each call here stands in one `except` for both.
    """

    def __init__(self, path: str) -> None:
        """Open the port without touching DTR or RTS, for us alone."""
        try:
            self._serial = serial.Serial()
            self._serial.port = path
            self._serial.baudrate = BAUD
            self._serial.timeout = READ_TIMEOUT_PROBING_S
            self._serial.write_timeout = WRITE_TIMEOUT_S
            self._serial.exclusive = True
            self._serial.dtr = False
            self._serial.rts = False
            self._serial.open()
        except (OSError, termios.error, ValueError) as error:
            raise PortLost(_reason(error)) from error
        self._has_wake = False
        try:
            self._keep_dtr_on_close()
        except (OSError, termios.error) as error:
            self.close()
            raise PortLost(_reason(error)) from error

    def read(self) -> bytes:
        """Wait up to the read timeout and return what came; empty when nothing did or `wake` was called."""
        try:
            data: bytes = self._serial.read(max(1, min(self._serial.in_waiting, READ_BYTES_MAX)))
            if len(data) == 1 and (more := self._serial.in_waiting):
                data += self._serial.read(min(more, READ_BYTES_MAX))  # the frame behind the byte we waited for
        except (OSError, termios.error) as error:
            raise PortLost(_reason(error)) from error
        self._has_wake = False  # only now: a wake from here on must end the next read
        return data

    def write(self, data: bytes) -> None:
        """Write all bytes or lose the port."""
        try:
            self._serial.write(data)
        except (OSError, termios.error) as error:
            raise PortLost(_reason(error)) from error

    def set_patient(self, *, is_patient: bool) -> None:
        """Wait long in `read` when nothing but the board can have news."""
        timeout_s = READ_TIMEOUT_S if is_patient else READ_TIMEOUT_PROBING_S
        try:
            if self._serial.timeout != timeout_s:
                self._serial.timeout = timeout_s
        except (OSError, termios.error) as error:
            raise PortLost(_reason(error)) from error

    def wake(self) -> None:
        """End a `read` that waits in another thread. A port that is gone needs no waking."""
        if self._has_wake:
            return
        self._has_wake = True
        try:
            self._serial.cancel_read()
        except (OSError, TypeError, AttributeError):
            return  # closed between the question and the call: its thread is awake already

    def close(self) -> None:
        """Close the port, whatever state it is in."""
        try:
            self._serial.close()
        except (OSError, termios.error):
            return  # the descriptor of an unplugged device: the kernel has let go of it

    def _keep_dtr_on_close(self) -> None:
        """Clear HUPCL, so that closing the port does not drop DTR and reset the board."""
        attributes = termios.tcgetattr(self._serial.fd)
        attributes[2] &= ~termios.HUPCL
        termios.tcsetattr(self._serial.fd, termios.TCSANOW, attributes)


def find_ports(patterns: Sequence[str]) -> dict[str, str]:
    """Return the ports that match now: path to what it stands for, one path for each device, at most 64.

    What it stands for changes when a port is plugged in again, even under the same name.
    """
    found: dict[str, str] = {}
    devices: set[str] = set()
    for pattern in patterns:
        for path in sorted(glob(pattern)):  # noqa: PTH207 - Path.glob refuses absolute patterns
            device = os.path.realpath(path)
            if device in devices or len(found) >= PORTS_MAX:
                continue
            try:
                status = Path(device).stat()
            except OSError:
                continue  # gone between the listing and the look
            devices.add(device)
            found[path] = f"{device} {status.st_rdev} {status.st_ino}"
    return found


def reopen_wait_ms(failures: int, chance: float) -> int:
    """Return the wait before the next try: 250 ms doubled to 5 s, each up to a fifth longer by chance (0 to 1)."""
    wait_ms = min(REOPEN_MAX_MS, REOPEN_FIRST_MS << min(failures, 10))
    return int(wait_ms * (1 + REOPEN_JITTER * chance))


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return text or type(error).__name__
