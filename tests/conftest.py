"""What holds for every test: English, no data folder of this computer, nothing reached but this computer.

Fixtures of one part belong beside that part's tests, not here.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from typing import Any

import hypothesis
import pytest

# Generated cases are found again by their seed in the report; no case may fail for being slow on a small computer.
hypothesis.settings.register_profile("larder", deadline=None, print_blob=True)
hypothesis.settings.load_profile("larder")

# Set before any test module is imported, and so inherited by every process a test starts.
os.environ["LANGUAGE"] = "en"
os.environ["LC_ALL"] = "C.UTF-8"
os.environ.pop("LARDER_DATA", None)

# A run in the background of a shell ignores Ctrl-C, and every process it starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the demo, then the other slow tests: begun last, one of them would keep one worker for minutes."""
    items.sort(key=lambda item: (item.path.name != "test_demo.py", item.get_closest_marker("slow") is None))


@pytest.fixture(autouse=True)
def _only_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that connects to anything but loopback or a local socket."""
    connect = socket.socket.connect

    def connect_to_loopback(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            pytest.fail(f"a test tried to reach {address[0]}; tests stay on this computer")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_to_loopback)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
