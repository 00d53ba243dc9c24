"""Quantities: what a person may type, what is refused, and that nothing is lost between typing and showing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.domain.quantity import QUANTITY_MILLI_MAX, format_quantity, parse_quantity
from node.domain.words import Unit
from node.errors import Refused


@pytest.mark.parametrize(
    ("typed", "unit", "expected_milli"),
    [
        ("24", Unit.EACH, 24_000),
        (" 1 ", Unit.EACH, 1_000),
        ("3 each", Unit.EACH, 3_000),
        ("1.2", Unit.GRAM, 1_200_000),
        ("1,2", Unit.GRAM, 1_200_000),
        ("1.250 kg", Unit.GRAM, 1_250_000),
        ("500g", Unit.GRAM, 500_000),
        ("0.5 g", Unit.GRAM, 500),
        ("2 L", Unit.MILLILITRE, 2_000_000),
        ("33 cl", Unit.MILLILITRE, 330_000),
        ("99999", Unit.EACH, 99_999_000),
    ],
)
def test_a_typed_quantity_is_read_in_thousandths(typed: str, unit: Unit, expected_milli: int) -> None:
    assert expected_milli == parse_quantity(typed, unit)


@pytest.mark.parametrize(
    ("typed", "unit", "error_id"),
    [
        ("4006381333931", Unit.EACH, "quantity.too_many_digits"),
        ("4006381333931 kg", Unit.GRAM, "quantity.too_many_digits"),
        ("100000", Unit.EACH, "quantity.too_many_digits"),
        ("1.2345", Unit.GRAM, "quantity.too_exact"),
        ("1,000", Unit.GRAM, "quantity.ambiguous"),
        ("1,250 kg", Unit.GRAM, "quantity.ambiguous"),
        ("  ", Unit.EACH, "quantity.empty"),
        ("-3", Unit.EACH, "quantity.unreadable"),
        ("1.000,5", Unit.GRAM, "quantity.unreadable"),
        ("1e5", Unit.EACH, "quantity.unreadable"),
        ("٣", Unit.EACH, "quantity.unreadable"),
        ("nan", Unit.GRAM, "quantity.unreadable"),
        ("3 kg", Unit.EACH, "quantity.wrong_unit"),
        ("3 l", Unit.GRAM, "quantity.wrong_unit"),
        ("3 stone", Unit.GRAM, "quantity.wrong_unit"),
        ("0", Unit.EACH, "quantity.not_possible"),
        ("0.000 kg", Unit.GRAM, "quantity.not_possible"),
        ("1.5", Unit.EACH, "quantity.not_possible"),
    ],
)
def test_what_is_no_quantity_is_refused_with_a_reason(typed: str, unit: Unit, error_id: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_quantity(typed, unit)
    assert error_id == refused.value.error_id
    assert str(refused.value)


@given(
    thousandths=st.integers(min_value=1, max_value=99_999_999), unit=st.sampled_from(Unit), mark=st.sampled_from(".,")
)
def test_what_is_shown_can_be_typed_again(thousandths: int, unit: Unit, mark: str) -> None:
    milli = thousandths // 1000 * 1000 + 1000 if unit is Unit.EACH else thousandths * 1000
    milli = min(milli, 99_999_000)
    assert milli == parse_quantity(format_quantity(milli, unit, mark), unit, mark)


@given(text=st.text(max_size=30), unit=st.sampled_from(Unit))
def test_any_text_is_a_bounded_quantity_or_refused(text: str, unit: Unit) -> None:
    try:
        milli = parse_quantity(text, unit)
    except Refused:
        return
    assert 0 < milli <= QUANTITY_MILLI_MAX


def test_quantities_are_shown_as_people_write_them() -> None:
    assert format_quantity(24_000, Unit.EACH) == "24"
    assert format_quantity(1_200_000, Unit.GRAM) == "1.2 kg"
    assert format_quantity(1_200_000, Unit.GRAM, ",") == "1,2 kg"
    assert format_quantity(-750_000, Unit.MILLILITRE) == "-0.75 l"
    assert format_quantity(0, Unit.GRAM) == "0 kg"
