"""Ports on real pseudo terminals: cables pulled at every moment, names that come back, lines that are stuck."""

import contextlib
import errno
import os
import pty
import random
import select
import sqlite3
import termios
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge import clock, ports
from firmware_bridge.link.framing import encode_frame
from firmware_bridge.link.messages import Data, Hello, encode
from firmware_bridge.link.states import State
from firmware_bridge.ports import Port, PortLost, find_ports, reopen_wait_ms
from firmware_bridge.store.store import Store
from firmware_bridge.supervisor import Supervisor
from firmware_bridge.worker import Worker
from firmware_bridge.writer import Writer
from tests.firmware_bridge.cables import Cable
from tests.firmware_bridge.running import until

UID = bytes.fromhex("01eeffc0420000aa")


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    plugged = Cable(tmp_path / "tty-a")
    yield plugged
    plugged.pull()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    store = Store(tmp_path / "telemetry.db", clock.now())
    thread = Writer(store, clock.now, interval_ms=1000)
    thread.start()
    yield thread
    thread.stop(10)
    store.close()


@pytest.fixture
def worker(cable: Cable, writer: Writer) -> Iterator[Worker]:
    thread = Worker(str(cable.name), writer, clock.boottime_ms, random.Random(1))
    thread.start()
    yield thread
    thread.stop()
    thread.join(10)
    assert not thread.is_alive()


def a_hello(head: int = 0) -> bytes:
    hello = Hello(9, 0, head, 1000, 0, UID, 1, 0, 1, False, 0, 256)
    return b"\0" + encode_frame(encode(hello))


def some_data(first_seq: int, count: int) -> bytes:
    return encode_frame(encode(Data(9, first_seq, 1000, [(n, 0, 0, first_seq + n) for n in range(count)])))


def stored_values(folder: Path) -> list[int]:
    conn = sqlite3.connect(f"file:{folder / 'telemetry.db'}?mode=ro", uri=True)
    try:
        return [value for (value,) in conn.execute("select value from readings order by seq")]
    finally:
        conn.close()


def wait_state(worker: Worker, state: State) -> None:
    until(lambda: worker.status().state is state, what=f"the port is {state.value}")


def test_a_pulled_cable_ends_every_call_as_port_lost(cable: Cable) -> None:
    port = Port(str(cable.name))
    cable.write(b"abc")
    assert port.read(1000)[:1] == b"a"
    cable.pull()
    with pytest.raises(PortLost):
        for _ in range(100):
            port.read(1000)
    with pytest.raises(PortLost):
        for _ in range(100):
            port.write(b"x" * 100)
    port.close()


def test_in_waiting_on_a_pulled_cable_raises_plain_os_error(cable: Cable) -> None:
    """Guards the reason for `except OSError`: pyserial does not turn this one into its own exception."""
    import serial

    port = serial.Serial(str(cable.name), timeout=0.1)
    cable.pull()
    with pytest.raises(OSError) as raised:
        for _ in range(100):
            _ = port.in_waiting
    assert raised.value.errno == errno.EIO
    assert not isinstance(raised.value, serial.SerialException)
    port.close()


def test_a_port_is_opened_for_us_alone(cable: Cable) -> None:
    port = Port(str(cable.name))
    with pytest.raises(PortLost):
        Port(str(cable.name))
    port.close()
    Port(str(cable.name)).close()


def test_closing_keeps_dtr_since_hupcl_is_cleared(cable: Cable) -> None:
    attributes = termios.tcgetattr(cable.theirs)
    attributes[2] |= termios.HUPCL
    termios.tcsetattr(cable.theirs, termios.TCSANOW, attributes)
    port = Port(str(cable.name))
    assert not termios.tcgetattr(cable.theirs)[2] & termios.HUPCL
    port.close()


def test_a_path_that_is_no_port_is_lost_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a port")
    for path in (tmp_path / "file", tmp_path / "absent", tmp_path):
        with pytest.raises(PortLost):
            Port(str(path))


def test_a_waiting_read_ends_when_it_is_woken(cable: Cable) -> None:
    port = Port(str(cable.name))
    port.wake()
    assert port.read(10_000) == b""
    answers: list[bytes] = []
    reader = threading.Thread(target=lambda: answers.append(port.read(10_000)))
    reader.start()
    port.wake()
    reader.join(5)
    assert answers == [b""]
    port.close()


def test_a_stuck_write_loses_the_port(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "WRITE_TIMEOUT_S", 0.05)
    port = Port(str(cable.name))
    with pytest.raises(PortLost):
        port.write(b"x" * 1_000_000)
    port.close()


def test_ports_are_found_once_each_and_a_new_device_under_an_old_name_is_seen(tmp_path: Path) -> None:
    cable = Cable(tmp_path / "tty-a")
    (tmp_path / "tty-b").symlink_to(os.ttyname(cable.theirs))
    (tmp_path / "tty-gone").symlink_to(tmp_path / "nothing")
    first = find_ports([f"{tmp_path}/tty-*"])
    assert list(first) == [str(tmp_path / "tty-a")]
    second_end = os.openpty()
    (tmp_path / "tty-b").unlink()
    (tmp_path / "tty-a").unlink()
    (tmp_path / "tty-a").symlink_to(os.ttyname(second_end[1]))
    assert find_ports([f"{tmp_path}/tty-*"]) != first
    for descriptor in second_end:
        os.close(descriptor)
    cable.pull()


def test_a_device_that_is_excluded_is_left_alone_under_every_name(tmp_path: Path) -> None:
    cable = Cable(tmp_path / "tty-a")
    (tmp_path / "other-name").symlink_to(os.ttyname(cable.theirs))
    assert list(find_ports([f"{tmp_path}/*"])) == [str(tmp_path / "other-name")]
    assert find_ports([f"{tmp_path}/*"], [f"{tmp_path}/tty-*"]) == {}
    cable.pull()


def test_waits_double_to_five_seconds_with_jitter() -> None:
    assert [reopen_wait_ms(failures, 0.0) for failures in range(7)] == [250, 500, 1000, 2000, 4000, 5000, 5000]
    assert reopen_wait_ms(100, 1.0) == 6000


def test_records_of_a_hand_made_board_are_stored_and_acknowledged(cable: Cable, worker: Worker, tmp_path: Path) -> None:
    wait_state(worker, State.PROBING)  # opening a port throws away what came before
    cable.write(a_hello())
    wait_state(worker, State.LINKED)
    cable.write(some_data(0, 5))
    until(lambda: stored_values(tmp_path) == [0, 1, 2, 3, 4], what="five records are stored")
    until(lambda: worker.status().records_waiting == 0, what="they are acknowledged")


def test_a_cable_pulled_in_the_middle_of_a_frame_heals_with_the_next_one(
    cable: Cable, worker: Worker, tmp_path: Path
) -> None:
    wait_state(worker, State.PROBING)
    cable.write(a_hello())
    wait_state(worker, State.LINKED)
    cable.write(some_data(0, 2))
    until(lambda: len(stored_values(tmp_path)) == 2, what="two records are stored")
    cable.write(some_data(2, 20)[:90])
    cable.pull()
    wait_state(worker, State.ABSENT)
    cable.plug()
    worker.reappeared()
    wait_state(worker, State.PROBING)
    cable.write(a_hello(head=22))
    wait_state(worker, State.LINKED)
    cable.write(some_data(2, 20))
    until(lambda: stored_values(tmp_path) == list(range(22)), what="all are stored once")


def test_a_board_that_floods_without_a_delimiter_is_held_in_a_kilobyte(cable: Cable, worker: Worker) -> None:
    wait_state(worker, State.PROBING)
    sent = 0
    os.set_blocking(cable.ours, False)

    def flood() -> bool:
        nonlocal sent
        with contextlib.suppress(BlockingIOError):
            sent += os.write(cable.ours, b"\xaa" * 4095)
        return sent >= 1 << 20

    until(flood, what="a megabyte is sent")
    until(lambda: worker.status().frames_bad == {"oversize": 1}, what="it is one error")
    assert worker._session.receiver.held_bytes <= 1024


def test_no_more_is_read_of_a_flood_than_the_fastest_line_carries(cable: Cable, worker: Worker) -> None:
    wait_state(worker, State.PROBING)
    os.set_blocking(cable.ours, False)
    began_s, sent = time.monotonic(), 0
    while (passed_s := time.monotonic() - began_s) < 1.0:
        select.select([], [cable.ours], [], 0.05)
        with contextlib.suppress(BlockingIOError):
            sent += os.write(cable.ours, b"\xaa" * 1_000 + b"\0")
    # A slow computer reads less, never more: what 3 Mbaud carry, a window more, and what lies in the terminal.
    assert sent <= 300_000 * (passed_s + 0.2) + 64 * 1024
    assert worker.status().frames_bad["oversize"] > 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_dies_is_replaced(cable: Cable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends a port's thread, the supervisor starts another one."""
    killed = threading.Event()
    serve = Worker._serve

    def dies_once(self: Worker, port: Port) -> None:
        if not killed.is_set():
            killed.set()
            raise SystemExit
        serve(self, port)

    monkeypatch.setattr(Worker, "_serve", dies_once)
    stopping = threading.Event()
    store = Store(tmp_path / "other.db", clock.now())
    other = Writer(store, clock.now)
    beat = tmp_path / "bridge.json"
    supervisor = Supervisor(other, [str(cable.name)], beat, clock.now, clock.boottime_ms, random.Random(1))
    thread = threading.Thread(target=supervisor.run, args=(stopping,))
    thread.start()
    until(killed.is_set, what="the first reader died")
    until(lambda: beat.exists() and '"state": "probing"' in beat.read_text(), what="another one probes")
    stopping.set()
    thread.join(10)
    store.close()


def test_a_fresh_terminal_echoes_until_it_is_made_raw() -> None:
    """Guards the reason for tty.setraw in every fixture and virtual board."""
    ours, theirs = pty.openpty()
    assert termios.tcgetattr(theirs)[3] & termios.ECHO
    tty.setraw(theirs)
    assert not termios.tcgetattr(theirs)[3] & termios.ECHO
    os.close(ours)
    os.close(theirs)
