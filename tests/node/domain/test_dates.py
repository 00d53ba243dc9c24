"""Dates from labels, as people type them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.domain.dates import check_label_date, parse_date
from node.errors import Refused

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("2026-11-29", date(2026, 11, 29)),
        ("29", date(2026, 11, 29)),
        ("22", date(2026, 11, 22)),
        ("21", date(2026, 12, 21)),
        ("31", date(2026, 12, 31)),
        ("2911", date(2026, 11, 29)),
        ("0101", date(2027, 1, 1)),
        ("291126", date(2026, 11, 29)),
        ("29112026", date(2026, 11, 29)),
        ("29.11.", date(2026, 11, 29)),
        ("29/11/27", date(2027, 11, 29)),
        ("+7", date(2026, 11, 29)),
        ("+0", TODAY),
    ],
)
def test_a_typed_date_is_read(typed: str, expected: date) -> None:
    assert expected == parse_date(typed, TODAY)


@pytest.mark.parametrize(
    "typed", ["", "tomorrow", "0", "32", "3113", "2026-13-01", "2026-02-30", "+99999", "1.2.3.4", "-3"]
)
def test_what_is_no_date_is_refused(typed: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_date(typed, TODAY)
    assert refused.value.error_id == "date.unreadable"


@given(day=st.dates(date(2026, 11, 22), date(2030, 1, 1)))
def test_an_iso_date_is_read_as_itself(day: date) -> None:
    assert day == parse_date(day.isoformat(), TODAY)


@given(text=st.text(max_size=12), today=st.dates(date(2024, 1, 1), date(2060, 12, 31)))
def test_any_text_is_a_date_or_refused(text: str, today: date) -> None:
    try:
        found = parse_date(text, today)
    except Refused:
        return
    assert isinstance(found, date)


def test_a_date_more_than_ten_years_away_was_misread() -> None:
    check_label_date(date(2034, 1, 1), TODAY)
    with pytest.raises(Refused):
        check_label_date(date(2075, 12, 31), TODAY)
