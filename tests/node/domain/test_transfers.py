"""A transfer is a function of the set of its events, and no set, however hostile, makes or loses goods."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.domain.lots import Dot
from node.domain.quantity import QUANTITY_MILLI_MAX
from node.domain.transfers import (
    RECIPIENT_STEPS,
    Flag,
    HoldReason,
    Offer,
    State,
    Step,
    TransferState,
    TransferStep,
    counting,
    state_of,
)

SENDER, RECIPIENT, STRANGER = b"sender", b"recipient", b"stranger"
OFFER = Offer(SENDER, RECIPIENT, 10_000, None)
CHILLED = Offer(SENDER, RECIPIENT, 10_000, 5_000)


def a_step(
    step: Step,
    quantity_milli: int = 0,
    *,
    seq: int | None = None,
    damaged_milli: int = 0,
    milli_c: int | None = None,
    about: Dot | None = None,
    member: bytes | None = None,
) -> TransferStep:
    """A step of the one whose step it is, named by its place in the order of steps unless said otherwise."""
    writer = member or (RECIPIENT if step in RECIPIENT_STEPS else SENDER)
    dot = Dot(b"stream-" + writer[:1], seq if seq is not None else list(Step).index(step))
    return TransferStep(dot, writer, step, quantity_milli, damaged_milli, milli_c, about)


ACCEPTED = a_step(Step.ACCEPTED, 8_000)
CANCELLED = a_step(Step.CANCELLED)
WITHDRAWN = a_step(Step.WITHDRAWN, about=ACCEPTED.dot)
SENT = a_step(Step.SENT, 8_000)
RECEIVED = a_step(Step.RECEIVED, 7_000, damaged_milli=1_000)
REFUSED = a_step(Step.REFUSED)


@pytest.mark.parametrize(
    ("steps", "state", "reserved_milli"),
    [
        ([], State.OFFERED, 10_000),
        ([ACCEPTED], State.ACCEPTED, 8_000),
        ([CANCELLED], State.CANCELLED, 0),
        ([ACCEPTED, CANCELLED], State.ACCEPTED, 8_000),
        ([ACCEPTED, WITHDRAWN], State.WITHDRAWN, 0),
        ([WITHDRAWN], State.OFFERED, 10_000),
        ([REFUSED], State.REFUSED, 0),
        ([ACCEPTED, REFUSED], State.REFUSED, 0),
        ([SENT], State.SENT, 0),
        ([ACCEPTED, WITHDRAWN, SENT], State.SENT, 0),
        ([CANCELLED, SENT], State.SENT, 0),
        ([SENT, REFUSED], State.REFUSED, 0),
        ([SENT, REFUSED, RECEIVED], State.CLOSED, 0),
        ([RECEIVED], State.RECEIVED, 0),
        ([SENT, RECEIVED], State.CLOSED, 0),
        ([SENT, a_step(Step.RECEIVED, 5_000)], State.RECEIVED, 0),
        ([SENT, a_step(Step.RETURNED, 8_000)], State.CLOSED, 0),
        ([SENT, a_step(Step.LOST, 8_000)], State.CLOSED, 0),
        ([SENT, a_step(Step.LOST, 3_000)], State.SENT, 0),
    ],
)
def test_each_set_of_steps_has_its_state_and_what_it_reserves(
    steps: list[TransferStep], state: State, reserved_milli: int
) -> None:
    found = state_of(OFFER, steps)
    assert (state, reserved_milli) == (found.state, found.reserved_milli)


def test_a_cancel_that_met_an_accept_is_shown_to_a_person() -> None:
    assert state_of(OFFER, [ACCEPTED, CANCELLED]).flags == {Flag.ACCEPTED_AFTER_CANCEL}
    assert not state_of(OFFER, [CANCELLED]).flags
    assert not state_of(OFFER, [ACCEPTED, CANCELLED, WITHDRAWN]).flags


def test_of_several_accepts_the_lowest_name_counts_and_none_passes_the_offer() -> None:
    later = a_step(Step.ACCEPTED, 3_000, seq=90)
    assert state_of(OFFER, [later, ACCEPTED]).accepted_milli == 8_000
    assert state_of(OFFER, [a_step(Step.ACCEPTED, 11_000)]).accepted_milli == 10_000


def test_what_arrived_after_all_is_not_lost() -> None:
    found = state_of(OFFER, [SENT, a_step(Step.LOST, 8_000), RECEIVED])
    assert (found.good_milli, found.damaged_milli, found.lost_milli, found.on_way_milli) == (7_000, 1_000, 0, 0)
    assert found.flags == {Flag.LOST_AND_RECEIVED}
    part = state_of(OFFER, [SENT, a_step(Step.LOST, 3_000), a_step(Step.RECEIVED, 5_000)])
    assert (part.lost_milli, part.on_way_milli, part.flags) == (3_000, 0, frozenset())


def test_of_two_receipts_the_lower_name_counts_and_the_lot_of_the_other_is_on_hold() -> None:
    second = a_step(Step.RECEIVED, 8_000, seq=90)
    found = state_of(OFFER, [second, SENT, RECEIVED])
    assert (found.good_milli, found.flags) == (7_000, {Flag.SECOND_RECEIPT})
    assert found.holds == {(second.dot, HoldReason.SECOND_RECEIPT)}


def test_more_received_than_sent_is_flagged_but_a_sending_not_heard_of_is_no_fault() -> None:
    found = state_of(OFFER, [SENT, a_step(Step.RECEIVED, 9_000)])
    assert (found.on_way_milli, found.flags, found.state) == (-1_000, {Flag.OVER_RECEIVED}, State.CLOSED)
    assert not state_of(OFFER, [RECEIVED]).flags


def test_more_booked_back_or_lost_than_was_sent_is_flagged() -> None:
    assert state_of(OFFER, [SENT, a_step(Step.LOST, 9_000)]).flags == {Flag.OVERDRAWN}
    assert state_of(OFFER, [SENT, a_step(Step.RETURNED, 9_000)]).flags == {Flag.OVERDRAWN}
    assert state_of(OFFER, [SENT, RECEIVED, a_step(Step.RETURNED, 1_000)]).flags == {Flag.OVERDRAWN}


@pytest.mark.parametrize(
    ("departure_milli_c", "arrival_milli_c", "reasons"),
    [
        (3_000, 5_000, set()),
        (None, 4_000, {HoldReason.NOT_MEASURED}),
        (3_000, None, {HoldReason.NOT_MEASURED}),
        (3_000, 5_001, {HoldReason.TOO_WARM}),
        (7_000, None, {HoldReason.TOO_WARM, HoldReason.NOT_MEASURED}),
    ],
)
def test_chilled_goods_without_both_temperatures_or_above_the_limit_are_on_hold(
    departure_milli_c: int | None, arrival_milli_c: int | None, reasons: set[HoldReason]
) -> None:
    steps = [a_step(Step.SENT, 8_000, milli_c=departure_milli_c), a_step(Step.RECEIVED, 8_000, milli_c=arrival_milli_c)]
    assert {reason for _lot, reason in state_of(CHILLED, steps).holds} == reasons
    assert not state_of(OFFER, steps).holds


def test_chilled_goods_that_came_back_are_on_hold() -> None:
    steps = [a_step(Step.SENT, 8_000, milli_c=2_000), a_step(Step.RETURNED, 8_000)]
    assert {reason for _lot, reason in state_of(CHILLED, steps).holds} == {HoldReason.NOT_MEASURED}


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("wrong", [SENDER, RECIPIENT, STRANGER])
def test_a_step_by_anybody_but_the_one_whose_it_is_never_counts(step: Step, wrong: bytes) -> None:
    if wrong == (RECIPIENT if step in RECIPIENT_STEPS else SENDER):
        assert counting(OFFER, [a_step(step, 1_000, member=wrong)])
    else:
        before = [ACCEPTED, SENT]
        foreign = a_step(step, 1_000, seq=0, member=wrong, about=ACCEPTED.dot)
        assert state_of(OFFER, [*before, foreign]) == state_of(OFFER, before)


@pytest.mark.parametrize("quantity_milli", [0, -1, QUANTITY_MILLI_MAX + 1, 2**62])
@pytest.mark.parametrize("step", [Step.ACCEPTED, Step.SENT, Step.RECEIVED, Step.RETURNED, Step.LOST])
def test_a_quantity_that_no_action_could_write_never_counts(step: Step, quantity_milli: int) -> None:
    assert counting(OFFER, [a_step(step, quantity_milli)]) == []
    assert state_of(Offer(SENDER, RECIPIENT, quantity_milli, None), []).reserved_milli == 0


QUANTITIES = st.one_of(st.integers(-2, 12).map(lambda pieces: pieces * 1_000), st.integers(-(2**62), 2**62))
TEMPERATURES = st.one_of(st.none(), st.integers(-20_000, 20_000))
DOTS = st.builds(Dot, st.sampled_from([b"stream-r", b"stream-s", b"stream-x"]), st.integers(0, 12))
HOSTILE_STEPS = st.lists(
    st.builds(
        TransferStep,
        DOTS,
        st.sampled_from([SENDER, RECIPIENT, STRANGER]),
        st.sampled_from(Step),
        QUANTITIES,
        QUANTITIES,
        TEMPERATURES,
        st.one_of(st.none(), DOTS),
    ),
    max_size=14,
    unique_by=lambda step: step.dot,
)
OFFERS = st.builds(Offer, st.just(SENDER), st.sampled_from([RECIPIENT, SENDER]), QUANTITIES, TEMPERATURES)


@given(offer=OFFERS, steps=HOSTILE_STEPS, seed=st.integers(0, 2**32))
def test_any_order_and_any_repetition_give_the_same(offer: Offer, steps: list[TransferStep], seed: int) -> None:
    rng = random.Random(seed)
    again = [*steps, *rng.choices(steps, k=5)] if steps else []
    rng.shuffle(again)
    assert state_of(offer, steps) == state_of(offer, again)


@given(offer=OFFERS, steps=HOSTILE_STEPS)
def test_what_was_sent_is_always_the_sum_of_where_it_is(offer: Offer, steps: list[TransferStep]) -> None:
    found: TransferState = state_of(offer, steps)
    parts = (found.good_milli, found.damaged_milli, found.returned_milli, found.lost_milli)
    assert found.sent_milli == sum(parts) + found.on_way_milli
    assert min(parts) >= 0
    assert 0 <= found.reserved_milli <= max(0, offer.quantity_milli)
    if found.sent_milli and found.on_way_milli < 0:
        assert found.flags & {Flag.OVER_RECEIVED, Flag.OVERDRAWN}
    if found.sent_milli or found.good_milli or found.damaged_milli:
        assert found.reserved_milli == 0
