"""A real process on a real pseudo terminal: start it, press keys, wait for words. No terminal emulation."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

WIDTH, HEIGHT = 80, 24
WAIT_S = 20.0
READ_BYTES = 65_536


class Terminal:
    """Owns the process and both ends of its terminal. `output` is everything that was written so far."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        self.output = b""
        self.began_s = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=dict(environment),
            start_new_session=True,
            close_fds=True,
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)

    def press(self, keys: bytes) -> None:
        """Send keys as a terminal does."""
        os.write(self.master, keys)

    def read(self, wait_s: float) -> bytes:
        """Return what is written within the wait, empty when nothing is or the process ended."""
        readable, _w, _x = select.select([self.master], [], [], wait_s)
        if not readable:
            return b""
        try:
            fresh = os.read(self.master, READ_BYTES)
        except OSError:  # the other end is closed
            return b""
        self.output += fresh
        return fresh

    def wait_for(self, words: bytes, *, since: int = 0, wait_s: float = WAIT_S) -> float:
        """Wait until the words were written after byte `since`; return the time. Fails with what was written."""
        deadline_s = time.monotonic() + wait_s
        while words not in self.output[since:]:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or (not self.read(left_s) and self.process.poll() is not None):
                raise AssertionError(f"{words!r} was not written; the last output was {self.output[-600:]!r}")
        return time.monotonic()

    def wait_for_quiet(self, quiet_s: float = 0.15) -> None:
        """Read until nothing is written for a while."""
        while self.read(quiet_s):
            pass

    def wait_for_end(self, wait_s: float = WAIT_S) -> int:
        """Read until the process ends and return its exit code."""
        deadline_s = time.monotonic() + wait_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline_s, f"it did not end; the last output was {self.output[-600:]!r}"
            self.read(0.05)
        return self.process.returncode

    def time_key(self, keys: bytes) -> float:
        """Press keys and return the seconds until the screen begins to change."""
        self.wait_for_quiet()
        began_s = time.monotonic()
        self.press(keys)
        if not self.read(WAIT_S):
            raise AssertionError(f"{keys!r} changed nothing")
        return time.monotonic() - began_s
