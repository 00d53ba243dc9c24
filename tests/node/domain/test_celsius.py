"""Typed temperatures: read exactly, or refused in one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.domain.celsius import parse_celsius
from node.errors import Refused


@pytest.mark.parametrize(
    ("text", "milli_c"),
    [("4.2", 4_200), ("4,2 C", 4_200), ("-18", -18_000), ("0", 0), (" 7c ", 7_000), ("-0.5", -500), ("3.125", 3_125)],
)
def test_a_temperature_is_read_as_people_type_it(text: str, milli_c: int) -> None:
    assert milli_c == parse_celsius(text)


@pytest.mark.parametrize("text", ["", "warm", "4.2.1", "+4", "4006381333931", "4.1234", "--4", "4 F"])
def test_anything_else_is_refused_with_what_to_type(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_celsius(text)
    assert "Type degrees Celsius" in str(refused.value)


@given(st.integers(-999_999, 999_999))
def test_every_thousandth_is_read_back(milli_c: int) -> None:
    sign = "-" if milli_c < 0 else ""

    assert milli_c == parse_celsius(f"{sign}{abs(milli_c) // 1000}.{abs(milli_c) % 1000:03d}")
