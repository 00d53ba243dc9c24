"""Calibration as a pure rule: exact, dated, refused where no sensor can need it, due in time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.domain.calibration import (
    DAY_MS,
    Correction,
    check_correction,
    corrected,
    due_state,
    in_force,
    parse_milli,
    parse_point,
)
from node.errors import NeedsYes, Refused

MILLI = st.integers(-1_000_000, 1_000_000)


@dataclass(frozen=True)
class Held:
    """One that begins at a time."""

    from_ms: int
    is_withdrawn: bool = False


@given(MILLI, MILLI)
def test_without_a_correction_a_value_is_what_it_is_and_an_offset_moves_all_alike(value: int, offset: int) -> None:
    assert value == corrected(value, None)
    assert value + offset == corrected(value, Correction(offset_milli=offset))
    assert value + offset == corrected(value, Correction(points=((500, 500 + offset),)))


@given(MILLI, MILLI, MILLI, MILLI, MILLI)
def test_two_points_are_met_exactly_and_everything_else_lies_on_their_line(
    value: int, shown: int, reference: int, shown_2: int, reference_2: int
) -> None:
    if shown == shown_2:
        return
    correction = Correction(points=((shown, reference), (shown_2, reference_2)))
    assert reference == corrected(shown, correction)
    assert reference_2 == corrected(shown_2, correction)
    exact = reference + Fraction((value - shown) * (reference_2 - reference), shown_2 - shown)
    assert round(exact - reference) + reference == corrected(value, correction)


@given(MILLI, MILLI)
def test_a_correction_that_passes_never_turns_warmer_into_colder(one: int, other: int) -> None:
    correction = Correction(points=((400, 0), (60_900, 60_000)))
    check_correction(correction, kind="temperature")
    assert (one <= other) == (corrected(one, correction) <= corrected(other, correction)) or abs(one - other) <= 1


def test_what_holds_is_the_last_to_begin_by_then_and_the_last_of_all_where_no_time_is_known() -> None:
    march, may, written_later_for_april = Held(3), Held(5), Held(4)
    found = [march, may, written_later_for_april]
    assert [None, march, written_later_for_april, may] == [in_force(found, at) for at in (2, 3, 4, 9)]
    assert may is in_force(found, None)
    assert march is in_force([march, Held(5, is_withdrawn=True)], 9)
    first, second = Held(3), Held(3)
    assert second is in_force([first, second], 3)


@pytest.mark.parametrize(
    ("days", "kind", "state"),
    [
        (0, "temperature", "ok"),
        (334, "temperature", "ok"),
        (335, "temperature", "soon"),
        (365, "temperature", "due"),
        (181, "weight", "ok"),
        (182, "weight", "soon"),
        (365, "weight", "due"),
    ],
)
def test_it_is_due_after_a_year_and_shown_a_month_before_and_for_scales_after_six(
    days: int, kind: str, state: str
) -> None:
    assert state == due_state(1_000, kind, 1_000 + days * DAY_MS)


def test_nothing_is_due_by_a_clock_that_is_not_set_and_never_is_said() -> None:
    assert due_state(1_000, "temperature", None) == "ok"
    assert due_state(None, "temperature", 5) == "never"


@pytest.mark.parametrize(
    ("correction", "error"),
    [
        (Correction(), "calibration.shape"),
        (Correction(offset_milli=1, points=((1, 2),)), "calibration.shape"),
        (Correction(points=((0, 0), (9_000, 9_000), (20_000, 20_000))), "calibration.shape"),
        (Correction(offset_milli=1_000_000_001), "calibration.number_range"),
        (Correction(points=((0, 0), (4_999, 5_000))), "calibration.near"),
        (Correction(points=((0, 0), (10_000, 0))), "calibration.slope"),
        (Correction(points=((0, 0), (10_000, -10_000))), "calibration.slope"),
        (Correction(points=((0, 0), (10_000, 21_000))), "calibration.slope"),
        (Correction(points=((0, 0), (10_000, 4_000))), "calibration.slope"),
    ],
)
def test_what_no_sensor_can_need_is_refused(correction: Correction, error: str) -> None:
    with pytest.raises(Refused) as refused:
        check_correction(correction, kind="temperature")
    assert error == refused.value.error_id


def test_a_thermometer_far_off_is_asked_about_and_a_scale_is_not() -> None:
    far = Correction(offset_milli=-2_001)
    with pytest.raises(NeedsYes) as asked:
        check_correction(far, kind="temperature")
    assert "2.0 degrees" in str(asked.value)
    check_correction(far, kind="temperature", yes=frozenset({"calibration.far"}))
    check_correction(far, kind="weight")


@pytest.mark.parametrize(
    ("text", "milli"), [("4.2", 4_200), ("-18", -18_000), ("+0,4", 400), (" 0 ", 0), ("12.345", 12_345)]
)
def test_a_number_is_read_as_people_type_it(text: str, milli: int) -> None:
    assert milli == parse_milli(text)
    assert (milli, 0) == parse_point(f"{text}=0")


@pytest.mark.parametrize("text", ["", "=", "4", "4=", "=4", "4=warm", "1=2=3", "1e3=1", "\x1b[2J=0", "4006381333931=0"])
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_point(text)
