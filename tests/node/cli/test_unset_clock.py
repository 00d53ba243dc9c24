"""While the clock is not set: order goes on, dates are not judged, and nothing is counted from a day nobody knows."""

from __future__ import annotations

from datetime import datetime

import pytest

from firmware_bridge import clock as bridge_clock
from firmware_bridge.store.clock_map import ClockHint
from firmware_bridge.store.notes import hint_rows
from firmware_bridge.store.store import Store
from node.places import Places
from tests.node.cli.verbs import answer, lines, refusal

pytestmark = pytest.mark.usefixtures("unset_clock")


def test_while_the_clock_is_not_set_a_sale_asks_for_the_label_and_yes_answers_every_question(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "2", "--use-by", "2099-01-01", "--batch", "M-1")
    assert refusal(harbour, "sell", "food/milk-whole", "5")["error"] == "sale.date_not_judged"
    assert answer(harbour, "sell", "food/milk-whole", "5", "--yes")["oversold_milli"] == 3_000_000


@pytest.mark.parametrize("typed", ["+7", "29", "2911", "29.11."])
def test_while_the_clock_is_not_set_no_date_is_counted_from_today(harbour: Places, typed: str) -> None:
    assert refusal(harbour, "receive", "food/milk-whole", "1", "--use-by", typed)["error"] == "date.clock_not_set"
    assert answer(harbour, "receive", "food/milk-whole", "1", "--use-by", "2099-01-02")["use_by"] == "2099-01-02"


def test_a_lot_with_a_date_says_that_the_date_was_not_checked(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "2", "--use-by", "2026-11-29", "--batch", "M-1")
    assert lines(harbour, "lots", "food/milk-whole")[0].startswith("DATE NOT CHECKED lot M-1 2 l, use by 2026-11-29")
    assert lines(harbour, "stock")[0].startswith("DATE NOT CHECKED Milk (whole) 2 l")


def test_the_status_and_the_history_say_so_instead_of_a_time(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "2")
    assert "clock not set: no use-by date is judged, selling asks for the label" in lines(harbour, "status")
    assert lines(harbour, "history") == ["received Milk (whole) 2 l, lot #1, by nobody named, clock not set"]
    assert answer(harbour, "status")["clock"] == "not_set"


def test_a_sensor_board_that_kept_its_power_tells_about_what_time_it_is(harbour: Places) -> None:
    harbour.telemetry_db.parent.mkdir(parents=True, exist_ok=True)
    now = bridge_clock.now()
    store = Store(harbour.telemetry_db, now)
    at_us = int(datetime(2026, 11, 22, 14, 5).timestamp()) * 1_000_000
    store.note(hint_rows(1, "01eeffc042000001", ClockHint(at_us, 2_500_000, now.boottime_ms), now.host_boot_id))
    store.commit()
    store.close()
    assert "about 2026-11-22 14:05 by the sensor board, give or take 3 seconds" in lines(harbour, "status")
