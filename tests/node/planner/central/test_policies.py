"""The numbers of the policies, and what a planner may ask of us."""

from __future__ import annotations

import pytest

from node.planner.central.policies import ATTEMPTS_MAX, BACKGROUND, WAITING, Deadlines, retry_after_s


def test_the_limits_are_those_agreed() -> None:
    assert Deadlines(connect_s=2, first_byte_s=10, between_bytes_s=5, total_s=30) == BACKGROUND
    assert WAITING.total_s == 8
    assert ATTEMPTS_MAX == 3


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("5", 5.0),
        ("99999", 3600.0),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("999999", None),
        ("٣", None),
        ("Wed, 21 Oct 2099 07:28:00 GMT", None),
    ],
)
def test_a_wish_to_come_later_is_read_in_seconds_alone(text: str | None, seconds: float | None) -> None:
    assert retry_after_s(text) == seconds
