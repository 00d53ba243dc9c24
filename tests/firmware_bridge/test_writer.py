"""The writer's thread: urgency, refusal, owners, and an end that is never silent."""

import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge import clock
from firmware_bridge.decimals import milli_from_text
from firmware_bridge.exchange import Committed, Rejected, Reply
from firmware_bridge.link.events import DescriptionsHeard, HelloHeard, RecordsArrived
from firmware_bridge.link.messages import Desc, Hello, Kind
from firmware_bridge.store.store import Linked, Store
from firmware_bridge.supervisor import Supervisor
from firmware_bridge.urgency import AlarmBounds
from firmware_bridge.writer import QUEUE_EVENTS_MAX, Writer
from tests.firmware_bridge.running import until

UID = bytes.fromhex("01eeffc042000001")
DESC = Desc(0, Kind.TEMPERATURE, -3, 0, -55_000, 125_000, 100, 62, "Cel", "fridge-1")


class Port:
    """A port that only remembers what the writer told it."""

    def __init__(self, path: str = "/dev/a") -> None:
        self.path = path
        self.replies: list[Reply] = []

    def deliver(self, reply: Reply) -> None:
        self.replies.append(reply)

    def wait(self, kind: type) -> Reply:
        until(lambda: any(isinstance(reply, kind) for reply in self.replies), what=f"{kind.__name__} is told")
        return next(reply for reply in self.replies if isinstance(reply, kind))


def a_hello(uid: bytes = UID) -> HelloHeard:
    return HelloHeard(Hello(9, 0, 0, 1000, 0, uid, 1, 1, 1, False, 7, 256), clock.boottime_ms())


def a_record(seq: int, value: int, status: int = 0) -> RecordsArrived:
    return RecordsArrived(9, False, seq, 1000, [(0, 0, status, value)], clock.boottime_ms())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "telemetry.db", clock.now())
    yield opened
    opened.conn.close()


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    bounds = AlarmBounds({"fridge-1": 8_000}, {"fridge-1": -1_000})
    thread = Writer(store, clock.now, interval_ms=60_000, bounds=bounds)
    thread.start()
    yield thread
    thread.stop(10)


def a_linked_port(writer: Writer) -> Port:
    port = Port()
    writer.submit(port, a_hello())
    port.wait(Linked)
    writer.submit(port, DescriptionsHeard(7, (DESC,)))
    return port


@pytest.mark.parametrize(("value", "status"), [(8_001, 0), (-1_001, 0), (0, 1)])
def test_an_alarm_or_a_fault_is_acknowledged_long_before_the_interval(writer: Writer, value: int, status: int) -> None:
    port = a_linked_port(writer)
    writer.submit(port, a_record(0, value, status))
    assert port.wait(Committed) == Committed(1)


def test_an_ordinary_record_waits_for_the_interval_or_a_flush(writer: Writer) -> None:
    port = a_linked_port(writer)
    writer.submit(port, a_record(0, 4_000))
    until(lambda: writer.records_waiting == 1, what="the record waits")
    assert not any(isinstance(reply, Committed) for reply in port.replies)
    assert writer.flush(10)
    assert port.wait(Committed) == Committed(1)


def test_a_board_on_two_ports_is_refused_on_the_second_until_the_first_lets_go(writer: Writer) -> None:
    first, second = a_linked_port(writer), Port("/dev/b")
    writer.submit(second, a_hello())
    refused = second.wait(Rejected)
    assert isinstance(refused, Rejected) and refused.reason == "The same board is in use on /dev/a."
    writer.release(first)
    writer.submit(second, a_hello())
    second.wait(Linked)


def test_records_of_a_port_that_lost_its_board_are_dropped_since_the_board_still_has_them(
    writer: Writer, store: Store
) -> None:
    port = a_linked_port(writer)
    writer.release(port)
    writer.submit(port, a_record(0, 9_000))
    assert writer.flush(10)
    assert store.conn.execute("select count(*) from readings").fetchone() == (0,)


def test_what_a_port_heard_before_it_lost_its_board_is_kept(writer: Writer, store: Store) -> None:
    port = a_linked_port(writer)
    writer.submit(port, a_record(0, 4_000))
    writer.release(port)
    assert writer.flush(10)
    assert store.conn.execute("select value from readings").fetchall() == [(4_000,)]


def test_a_board_moved_to_another_port_while_the_disk_refused_is_not_refused_for_ever(
    writer: Writer, tmp_path: Path
) -> None:
    first, second = Port(), Port("/dev/b")
    blocker = sqlite3.connect(tmp_path / "telemetry.db", isolation_level=None)
    blocker.execute("begin immediate")
    writer.submit(first, a_hello())
    until(lambda: writer.refusal, what="the disk refuses the HELLO")
    writer.release(first)
    writer.submit(second, a_hello())
    blocker.execute("rollback")
    blocker.close()
    second.wait(Linked)
    assert not any(isinstance(reply, Rejected) for reply in second.replies)


def test_a_loose_plug_while_the_disk_refuses_fills_no_memory(writer: Writer, tmp_path: Path) -> None:
    port = Port()
    blocker = sqlite3.connect(tmp_path / "telemetry.db", isolation_level=None)
    blocker.execute("begin immediate")
    writer.submit(port, a_hello())
    until(lambda: writer.refusal, what="the disk refuses the HELLO")
    for _number in range(QUEUE_EVENTS_MAX):
        writer.release(port)
        writer.submit(port, a_hello())
    assert len(writer._queue) <= QUEUE_EVENTS_MAX + 1
    assert any(isinstance(reply, Rejected) for reply in port.replies)
    blocker.execute("rollback")
    blocker.close()


def test_while_the_disk_refuses_nothing_is_taken_and_afterwards_all_goes_on(
    writer: Writer, store: Store, tmp_path: Path
) -> None:
    port = a_linked_port(writer)
    blocker = sqlite3.connect(tmp_path / "telemetry.db", isolation_level=None)
    blocker.execute("begin immediate")
    writer.submit(port, a_record(0, 9_000))
    until(lambda: writer.refusal, what="the refusal shows")
    assert not writer.is_accepting
    blocker.execute("rollback")
    blocker.close()
    assert port.wait(Committed) == Committed(1)
    until(lambda: writer.is_accepting, what="records are taken again")
    assert store.conn.execute("select value from readings").fetchall() == [(9_000,)]


def test_a_writer_that_cannot_go_on_ends_the_bridge_and_says_why(store: Store, tmp_path: Path) -> None:
    writer = Writer(store, clock.now)
    store.conn.close()
    supervisor = Supervisor(writer, [], tmp_path / "bridge.json", clock.now, clock.boottime_ms, random.Random(1))
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        supervisor.run(threading.Event())
    assert not writer.is_accepting


def test_a_bound_is_for_the_channel_of_its_name() -> None:
    bounds = AlarmBounds({"fridge-1": 8_000}, {})
    fridge = Desc(0, Kind.TEMPERATURE, -3, 0, 0, 1, 100, 0, "Cel", "fridge-1")
    other = Desc(0, Kind.TEMPERATURE, -3, 0, 0, 1, 100, 0, "Cel", "fridge-2")
    assert bounds.is_beyond(fridge, 8_001)
    assert not bounds.is_beyond(fridge, 8_000)
    assert not bounds.is_beyond(other, 9_000)


def test_numbers_are_read_as_people_type_them() -> None:
    assert [milli_from_text(text) for text in ("8", "-18,5", "0.062")] == [8_000, -18_500, 62]
    for text in ("warm", "", "1e999999999", "nan", "0.0625"):
        with pytest.raises(ValueError, match=text or "^$"):
            milli_from_text(text)
