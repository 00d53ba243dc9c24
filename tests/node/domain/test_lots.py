"""First expired, first out, and what a date allows."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from node.domain.lots import (
    DateState,
    Lot,
    date_state,
    first_expired_first,
    sellable,
    take_first_expired,
    take_free_first,
)
from tests.node.builders import TODAY, a_lot

DAYS = st.one_of(st.none(), st.integers(-5, 5).map(lambda days: TODAY + timedelta(days=days)))


@st.composite
def some_lots(draw: st.DrawFn) -> list[Lot]:
    return [
        a_lot(
            seq,
            on_hand_milli=draw(st.integers(-3, 9)) * 1000,
            use_by=draw(DAYS),
            best_before=draw(DAYS),
            received_hlc=draw(st.integers(0, 3)),
        )
        for seq in range(draw(st.integers(0, 8)))
    ]


def test_selling_picks_the_lot_that_expires_first() -> None:
    late = a_lot(1, use_by=date(2026, 11, 29))
    soon = a_lot(2, use_by=date(2026, 11, 24))
    undated = a_lot(3)
    takes, missing = take_first_expired(sellable([undated, late, soon], TODAY), 12_000)
    assert [(soon, 5_000), (late, 5_000), (undated, 2_000)] == [(take.lot, take.quantity_milli) for take in takes]
    assert missing == 0


def test_of_two_lots_with_one_date_the_one_that_came_first_goes_first() -> None:
    came_last = a_lot(1, use_by=TODAY, received_hlc=2)
    came_first = a_lot(2, use_by=TODAY, received_hlc=1)
    assert [came_first, came_last] == first_expired_first([came_last, came_first])


def test_a_lot_that_is_overdrawn_has_nothing_to_give() -> None:
    overdrawn, full = a_lot(1, on_hand_milli=-2_000), a_lot(2)
    takes, missing = take_first_expired([overdrawn, full], 6_000)
    assert [(overdrawn, 0), (full, 5_000)] == [(take.lot, take.quantity_milli) for take in takes]
    assert missing == 1_000


def test_the_day_of_the_use_by_date_still_counts() -> None:
    assert date_state(a_lot(use_by=TODAY), TODAY) is DateState.USE_BY_TODAY
    assert date_state(a_lot(use_by=TODAY - timedelta(days=1)), TODAY) is DateState.PAST_USE_BY


def test_an_unset_clock_judges_no_use_by_date() -> None:
    assert date_state(a_lot(use_by=TODAY - timedelta(days=400)), None) is DateState.NOT_JUDGED
    assert date_state(a_lot(best_before=TODAY - timedelta(days=400)), None) is DateState.OPEN


def test_past_best_before_may_still_be_sold() -> None:
    lot = a_lot(best_before=TODAY - timedelta(days=1))
    assert date_state(lot, TODAY) is DateState.PAST_BEST_BEFORE
    assert sellable([lot], TODAY) == [lot]


@given(lots=some_lots(), quantity=st.integers(1, 60))
def test_no_choice_ever_takes_an_expired_lot_or_more_than_there_is(lots: list[Lot], quantity: int) -> None:
    choice = sellable(lots, TODAY)
    takes, missing = take_first_expired(choice, quantity * 1000)
    assert quantity * 1000 == sum(take.quantity_milli for take in takes) + missing
    for take in takes:
        assert 0 < take.quantity_milli <= take.lot.on_hand_milli
        assert take.lot.use_by is None or take.lot.use_by >= TODAY
    if missing:
        assert sum(take.quantity_milli for take in takes) == sum(lot.on_hand_milli for lot in choice)


@given(lots=some_lots())
def test_the_order_depends_on_the_lots_alone(lots: list[Lot]) -> None:
    assert first_expired_first(lots) == first_expired_first(list(reversed(lots)))


@given(lots=some_lots(), quantity=st.integers(1, 60), promised=st.lists(st.integers(0, 9), min_size=8, max_size=8))
def test_what_is_promised_goes_last_and_only_as_far_as_needed(
    lots: list[Lot], quantity: int, promised: list[int]
) -> None:
    choice = sellable(lots, TODAY)
    reserved = {lot.lot_id: milli * 1000 for lot, milli in zip(lots, promised, strict=False) if milli}
    takes, missing, from_promised = take_free_first(choice, quantity * 1000, reserved)
    assert quantity * 1000 == sum(take.quantity_milli for take in takes) + missing
    free = sum(max(0, lot.on_hand_milli - reserved.get(lot.lot_id, 0)) for lot in choice)
    on_hand = sum(lot.on_hand_milli for lot in choice)
    assert missing == max(0, quantity * 1000 - on_hand)
    assert from_promised == max(0, min(quantity * 1000, on_hand) - free)
    for take in takes:
        assert 0 < take.quantity_milli <= take.lot.on_hand_milli
