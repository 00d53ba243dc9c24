"""Tell the service manager how we are, over NOTIFY_SOCKET. Does nothing where there is none."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(*assignments: str) -> None:
    """Send lines such as `READY=1` (sd_notify protocol). A manager that does not listen is no fault of ours."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    path = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.connect(path)
            sender.send("\n".join(assignments).encode("utf-8"))
        except OSError as error:
            report(f"service manager not told: {error.strerror}")


def report(sentence: str) -> None:
    """Say one line on standard error, which the journal keeps. Never anything private.

    Where nothing can be said, as into a file on a full disk, the work goes on: it is the reason why a line was due.
    """
    with contextlib.suppress(OSError):
        os.write(2, f"larder-node: {sentence}\n".encode())
