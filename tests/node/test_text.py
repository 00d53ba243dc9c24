"""What comes from outside can always be drawn: any text, and the time of any clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.cli.sentences import when_text
from node.clock import ClockQuality
from node.ledger.columns import INTEGER_MAX
from node.ledger.understood import HLC_MAX
from node.text import local_time_text
from node.tui.text import time_of_day
from tests.node.builders import NOON_MS

DAY_MS = 86_400_000


def test_a_time_that_no_calendar_has_is_a_question_mark() -> None:
    assert local_time_text(HLC_MAX + DAY_MS, "%Y-%m-%d") == "?"
    assert local_time_text(INTEGER_MAX, "%Y-%m-%d") == "?"
    assert local_time_text(NOON_MS, "%Y") == "2026"


@given(st.integers(-(2**63), 2**64))
def test_no_clock_of_another_market_stops_a_screen(wall_ms: int) -> None:
    assert when_text(wall_ms, ClockQuality.TRUSTED)
    assert time_of_day(wall_ms, ClockQuality.RTC, seconds=True)
