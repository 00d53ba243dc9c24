"""Calibrating a sensor: one transaction, kept for ever, answered for by a person, taken back by appending."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from node import clock
from node.actions.calibrations import calibrate, withdraw_calibration
from node.actions.ids import new_action_id
from node.actions.joining import what_is_here
from node.actions.keeping import rebuild
from node.actions.people import person_named
from node.actions.undo import preview
from node.clock import ClockQuality
from node.domain.calibration import DAY_MS, Correction, in_force
from node.errors import NeedsYes, Refused
from node.ledger.append import Appender
from node.ledger.calibrations import calibration_key
from node.ledger.events import RegisterSet
from node.ledger.read.calibrations import Calibration, calibrations
from node.ledger.read.decisions import decisions
from node.ledger.store import MarketStore
from tests.node.builders import NOON_MS, a_moment, a_received_lot, an_item, an_open_market

SENSOR = "01eeffc042000001/0"
OFFSET = Correction(offset_milli=-400)


def calibrated(store: MarketStore, *, sensor: str = SENSOR, who: str = "Ana", **more: Any) -> Calibration:
    """A calibration by a person, of an offset unless said otherwise."""
    values: dict[str, Any] = {"kind": "temperature", "correction": OFFSET, "action_id": new_action_id(), **more}
    return store.act(
        "calibrate",
        lambda tx: calibrate(tx, who=person_named(tx, who).number if who else 0, sensor=sensor, **values),
    )


def withdrawn(store: MarketStore, **more: Any) -> Calibration:
    """The last calibration taken back."""
    values: dict[str, Any] = {"reason": "wrong probe", "action_id": new_action_id(), "sensor": SENSOR, **more}
    return store.act("withdraw", lambda tx: withdraw_calibration(tx, who=person_named(tx, "Musa").number, **values))


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An open market at noon."""
    with patch.object(clock, "now", a_moment), an_open_market(tmp_path) as opened:
        yield opened


def test_a_calibration_says_who_when_against_what_and_how_far_off_it_was(store: MarketStore) -> None:
    points = Correction(points=((400, 0), (60_900, 60_000)))
    calibrated(store)
    second = calibrated(store, correction=points, reference="Fluke 1523", certificate="C-118")
    assert [second] == calibrations(store.reader, SENSOR)[1:]
    value = second.value
    # As found: by the offset of -0.4 that held before.
    assert (value.found_milli, value.left_milli) == ([0, 500], [0, 0])
    assert (second.who_name, value.reference, value.certificate) == ("Ana", "Fluke 1523", "C-118")
    assert value.from_ms == NOON_MS + 1  # two in the same millisecond keep their order
    assert second == in_force(calibrations(store.reader, SENSOR), None)
    assert calibrations(store.reader, "01eeffc042000001/1") == []


def test_the_same_action_sent_twice_is_one_calibration(store: MarketStore) -> None:
    action_id = new_action_id()
    first, again = calibrated(store, action_id=action_id), calibrated(store, action_id=action_id)
    assert first == again
    assert len(calibrations(store.reader, SENSOR)) == 1


def test_taken_back_it_stays_in_the_history_with_the_reason_and_the_one_before_holds(store: MarketStore) -> None:
    first = calibrated(store)
    calibrated(store, correction=Correction(offset_milli=900))
    action_id = new_action_id()
    taken = withdrawn(store, action_id=action_id)
    assert taken == withdrawn(store, action_id=action_id)
    found = calibrations(store.reader, SENSOR)
    assert [each.is_withdrawn for each in found] == [False, True]
    assert (taken.withdrawn_by_name, taken.value.withdrawn_reason) == ("Musa", "wrong probe")
    assert (taken.value.offset_milli, taken.who_name) == (900, "Ana")
    assert first == in_force(found, None)
    assert [RegisterSet] * 3 == [type(each.fact) for each in decisions(store.reader)]


def test_a_calibration_that_reaches_back_holds_from_then_and_a_later_one_from_its_own_day(store: MarketStore) -> None:
    now = calibrated(store)
    back = calibrated(store, correction=Correction(offset_milli=100), from_ms=NOON_MS - 30 * DAY_MS)
    found = calibrations(store.reader, SENSOR)
    assert now == in_force(found, NOON_MS + 5)
    assert back == in_force(found, NOON_MS - DAY_MS)
    assert in_force(found, NOON_MS - 31 * DAY_MS) is None


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"who": ""}, "calibration.person"),
        ({"sensor": "fridge"}, "unit.bad_sensor"),
        ({"sensor": "01eeffc042000001/0\x1b[2J"}, "unit.bad_sensor"),
        ({"correction": Correction()}, "calibration.shape"),
        ({"from_ms": NOON_MS + 2 * DAY_MS}, "calibration.future"),
        ({"reference": "Fluke\x1b[2J"}, "text.control"),
        ({"certificate": "C" * 41}, "text.too_long"),
        ({"correction": Correction(offset_milli=9_000)}, "calibration.far"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(store: MarketStore, more: dict[str, Any], error: str) -> None:
    with pytest.raises(Refused) as refused:
        calibrated(store, **more)
    assert error == refused.value.error_id
    assert calibrations(store.reader, SENSOR) == []
    assert isinstance(refused.value, NeedsYes) == (error == "calibration.far")


def test_nothing_is_taken_back_that_is_not_there(store: MarketStore) -> None:
    for _time in range(2):
        with pytest.raises(Refused) as refused:
            withdrawn(store)
        assert refused.value.error_id == "calibration.none"
        if not calibrations(store.reader, SENSOR):
            calibrated(store)
            withdrawn(store)


def test_with_an_unset_clock_it_comes_after_what_was_written_before(tmp_path: Path) -> None:
    with patch.object(clock, "now", a_moment), an_open_market(tmp_path) as store:
        before = calibrated(store)
        long_ago = a_moment(quality=ClockQuality.NOT_SET, later_ms=-50 * 365 * DAY_MS)
        with patch.object(clock, "now", lambda: long_ago):
            after = calibrated(store, correction=Correction(offset_milli=100))
        assert after.from_ms > before.from_ms
        assert after == in_force(calibrations(store.reader, SENSOR), None)


def test_undo_passes_over_a_calibration_and_says_how_it_is_taken_back(store: MarketStore) -> None:
    a_received_lot(store, an_item(store), who=1)
    assert calibrated(store).value.by == 1
    undone = preview(store.reader, who=1)
    assert undone.verb == "receive"
    assert "larder sensors withdraw" in undone.kept


def test_other_devices_than_boards_are_calibrated_by_their_label(store: MarketStore) -> None:
    assert calibrated(store, sensor="mb-cold-room/3", kind="humidity").sensor == "mb-cold-room/3"


def test_what_is_no_calibration_is_passed_over(store: MarketStore) -> None:
    good = calibrated(store)
    values = ["{}", "not json", '{"from_ms":1,"clock":2,"by":1}', 7, ["x"], None, '{"from_ms":"x"}']
    store.act(
        "hostile",
        lambda tx: [
            Appender(tx).append(RegisterSet(calibration_key(SENSOR, f"x{number}"), value, []), 0)
            for number, value in enumerate(values)
        ],
    )
    assert [good] == calibrations(store.reader, SENSOR)


def test_a_rebuild_gives_the_same_calibrations_and_joining_a_group_takes_them_along(store: MarketStore) -> None:
    calibrated(store)
    taken = withdrawn(store)
    before = calibrations(store.reader, SENSOR), decisions(store.reader)
    rebuild(store)
    assert before == (calibrations(store.reader, SENSOR), decisions(store.reader))
    (us,) = store.reader.execute("SELECT origin FROM writer").fetchone()
    key = calibration_key(SENSOR, taken.calibration_id)
    assert [key] == [fact.key for fact in what_is_here(store.reader, us) if isinstance(fact, RegisterSet)]
