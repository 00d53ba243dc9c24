"""Our own clock was once far ahead: order goes on from there, but no fact is shown with that time as if right."""

from __future__ import annotations

from pathlib import Path

import pytest

from node import clock
from node.actions.keeping import open_market
from node.clock import ClockQuality
from node.ledger.append import AHEAD_MS_MAX, clock_of
from node.ledger.keys import load_key
from node.ledger.read import movements
from node.ledger.seal import seal
from tests.node.builders import NOON_MS, a_market_folder, a_moment, a_received_lot, a_sale, an_item

DAY_MS = 86_400_000


def test_what_is_done_after_the_clock_was_set_right_does_not_carry_the_wrong_time_as_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = a_market_folder(tmp_path / "market")
    store = open_market(places)
    try:
        item = an_item(store)
        monkeypatch.setattr(clock, "now", lambda: a_moment(later_ms=DAY_MS))
        a_received_lot(store, item)
        monkeypatch.setattr(clock, "now", lambda: a_moment(later_ms=3_600_000))
        a_sale(store, item)
        monkeypatch.setattr(clock, "now", lambda: a_moment(later_ms=2 * DAY_MS))
        a_sale(store, item)
        (late, doubtful, ahead) = movements(store.reader)
        assert [ahead.clock, doubtful.clock, late.clock] == [
            ClockQuality.TRUSTED,
            ClockQuality.NOT_SET,
            ClockQuality.TRUSTED,
        ]
        # Order is what it was: nothing goes back.
        assert ahead.wall_ms < doubtful.wall_ms < late.wall_ms
        key = load_key(places.node_key)
        store.batch("seal", lambda tx: seal(tx, key, blocks_max=100))
        assert [row.clock for row in movements(store.reader)] == [late.clock, doubtful.clock, ahead.clock]
    finally:
        store.close()


@pytest.mark.parametrize(
    ("ahead_ms", "expected"),
    [
        (0, ClockQuality.TRUSTED),
        (-DAY_MS, ClockQuality.TRUSTED),
        (AHEAD_MS_MAX, ClockQuality.TRUSTED),
        (AHEAD_MS_MAX + 1, ClockQuality.NOT_SET),
    ],
)
def test_a_time_counts_as_one_up_to_a_minute_ahead(ahead_ms: int, expected: ClockQuality) -> None:
    assert clock_of(a_moment(), NOON_MS + ahead_ms) == expected
