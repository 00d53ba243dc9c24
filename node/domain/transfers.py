"""Hand-overs between two markets: what the set of a transfer's events says, whatever the order they came in.

Not a store and not an action. Owns custody between markets: who may write which step, that
`sent = good + damaged + returned + lost + on the way` holds for any set of events, and that nothing counts at the
recipient before its own receipt.

The rules, none of which knows a clock or an order of arrival:
- Accept, receive and refuse are the recipient's; cancel, withdraw, send, return and lost are the sender's. A step by
  anybody else, or with an impossible quantity, is kept by the ledger and never counts.
- Of several accepts, and of several receipts, the one with the lowest name counts; the lot of any other receipt is on
  hold. Several sends, returns and losses add up.
- An accept beats a cancel, and the reservation comes back. A withdrawal ends it, if it names an accept.
- Goods outrank words: once something was sent or received, no cancel, withdrawal or refusal undoes it.
- A receipt beats a loss: what arrived after all is not lost.
- More received or returned than was sent makes the part on the way negative and is flagged; so the sum stays true.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from node.domain.lots import Dot
from node.domain.quantity import QUANTITY_MILLI_MAX


class Step(Enum):
    """What may follow an offer."""

    ACCEPTED = "accepted"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"
    SENT = "sent"
    RECEIVED = "received"
    REFUSED = "refused"
    RETURNED = "returned"
    LOST = "lost"


RECIPIENT_STEPS = frozenset({Step.ACCEPTED, Step.RECEIVED, Step.REFUSED})
# Steps without a quantity of their own.
_BARE_STEPS = frozenset({Step.CANCELLED, Step.WITHDRAWN, Step.REFUSED})


class State(Enum):
    """Where a transfer stands."""

    UNFOUNDED = "unfounded"  # the lot is not known here yet, or not its offerer's: nothing counts
    OFFERED = "offered"
    ACCEPTED = "accepted"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    SENT = "sent"  # on the way
    RECEIVED = "received"  # with a part on the way still, or with the sending not heard of yet
    CLOSED = "closed"  # everything that was sent is accounted for


class Flag(Enum):
    """What a person should look at."""

    ACCEPTED_AFTER_CANCEL = "accepted_after_cancel"
    SECOND_RECEIPT = "second_receipt"
    OVER_RECEIVED = "over_received"
    LOST_AND_RECEIVED = "lost_and_received"
    OVERDRAWN = "overdrawn"  # the sender booked more back or lost than it had sent


class HoldReason(Enum):
    """Why a lot that was handed over is not to be used."""

    SECOND_RECEIPT = "second_receipt"
    NOT_MEASURED = "not_measured"  # chilled or frozen, without a temperature at departure or arrival
    TOO_WARM = "too_warm"


@dataclass(frozen=True, slots=True)
class Offer:
    """What began a transfer. `limit_milli_c` is the highest temperature on the way, None for food that keeps at any."""

    sender: bytes
    recipient: bytes
    quantity_milli: int
    limit_milli_c: int | None


@dataclass(frozen=True, slots=True)
class TransferStep:
    """One later event of a transfer, named by `dot` and written by `member`; quantities in thousandths.

    `quantity_milli` of a receipt is its good part. `about` is the accept that a withdrawal names. `temperature_milli_c`
    is the one at departure or arrival, None where it was not measured.
    """

    dot: Dot
    member: bytes
    step: Step
    quantity_milli: int = 0
    damaged_milli: int = 0
    temperature_milli_c: int | None = None
    about: Dot | None = None


@dataclass(frozen=True, slots=True)
class TransferState:
    """What the set of events says, quantities in thousandths of the lot's unit.

    `sent_milli` is always the sum of good, damaged, returned, lost and on the way; the last is negative where more
    came out than went in as far as is known here. `holds` are the lots of receipts and returns not to be used.
    """

    state: State
    accepted_milli: int | None
    reserved_milli: int
    sent_milli: int
    good_milli: int
    damaged_milli: int
    returned_milli: int
    lost_milli: int
    on_way_milli: int
    flags: frozenset[Flag]
    holds: frozenset[tuple[Dot, HoldReason]]


UNFOUNDED = TransferState(State.UNFOUNDED, None, 0, 0, 0, 0, 0, 0, 0, frozenset(), frozenset())


def counting(offer: Offer, steps: Iterable[TransferStep]) -> list[TransferStep]:
    """Return the steps that count, each once, sorted by name: of the right writer, with a possible quantity."""
    return sorted({step.dot: step for step in steps if _counts(offer, step)}.values(), key=lambda step: step.dot)


def makes_lot(step: TransferStep) -> bool:
    """Tell whether a step that counts makes a lot: goods came in, or came back."""
    return step.step in {Step.RECEIVED, Step.RETURNED} and step.quantity_milli > 0


def state_of(offer: Offer, steps: Iterable[TransferStep]) -> TransferState:
    """Return what an offer and the set of its steps say. Any order, and any step twice, gives the same."""
    known = counting(offer, steps)
    by_step = {kind: [step for step in known if step.step is kind] for kind in Step}
    receipts = by_step[Step.RECEIVED]
    receipt = receipts[0] if receipts else None
    offered = offered_milli(offer)
    accepted = min(by_step[Step.ACCEPTED][0].quantity_milli, offered) if by_step[Step.ACCEPTED] else None
    sent, returned, booked_lost = (_sum(by_step[kind]) for kind in (Step.SENT, Step.RETURNED, Step.LOST))
    good, damaged = (receipt.quantity_milli, receipt.damaged_milli) if receipt else (0, 0)
    unaccounted = sent - good - damaged - returned
    lost = max(0, min(booked_lost, unaccounted))
    on_way = unaccounted - lost
    if by_step[Step.SENT]:
        state = _state_of_goods(by_step, on_way)
    elif receipt:
        state = State.RECEIVED
    else:
        state = _state_of_words(by_step)
    flags = _quantity_flags(
        receipts, sent=sent, delivered=good + damaged, on_way=on_way, is_lost_cut=lost < booked_lost
    )
    if state is State.ACCEPTED and by_step[Step.CANCELLED]:
        flags |= {Flag.ACCEPTED_AFTER_CANCEL}
    return TransferState(
        state=state,
        accepted_milli=accepted,
        reserved_milli=(accepted or 0) if state is State.ACCEPTED else offered if state is State.OFFERED else 0,
        sent_milli=sent,
        good_milli=good,
        damaged_milli=damaged,
        returned_milli=returned,
        lost_milli=lost,
        on_way_milli=on_way,
        flags=flags,
        holds=frozenset(_holds(offer, by_step)),
    )


def offered_milli(offer: Offer) -> int:
    """Return what an offer promises; a quantity that no action could write promises nothing."""
    return offer.quantity_milli if 0 < offer.quantity_milli <= QUANTITY_MILLI_MAX else 0


def _counts(offer: Offer, step: TransferStep) -> bool:
    if step.member != (offer.recipient if step.step in RECIPIENT_STEPS else offer.sender):
        return False
    if step.step in _BARE_STEPS:
        return True
    if step.step is Step.RECEIVED:
        parts = (step.quantity_milli, step.damaged_milli)
        return min(parts) >= 0 and 0 < sum(parts) <= QUANTITY_MILLI_MAX
    return 0 < step.quantity_milli <= QUANTITY_MILLI_MAX


def _sum(steps: list[TransferStep]) -> int:
    return sum(step.quantity_milli for step in steps)


def _state_of_goods(by_step: dict[Step, list[TransferStep]], on_way_milli: int) -> State:
    if on_way_milli <= 0:
        return State.CLOSED
    if by_step[Step.RECEIVED]:
        return State.RECEIVED
    return State.REFUSED if by_step[Step.REFUSED] else State.SENT


def _state_of_words(by_step: dict[Step, list[TransferStep]]) -> State:
    accepts = {step.dot for step in by_step[Step.ACCEPTED]}
    if by_step[Step.REFUSED]:
        return State.REFUSED
    if any(step.about in accepts for step in by_step[Step.WITHDRAWN]):
        return State.WITHDRAWN
    if accepts:
        return State.ACCEPTED
    return State.CANCELLED if by_step[Step.CANCELLED] else State.OFFERED


def _quantity_flags(
    receipts: list[TransferStep], *, sent: int, delivered: int, on_way: int, is_lost_cut: bool
) -> frozenset[Flag]:
    flags = set()
    if len(receipts) > 1:
        flags.add(Flag.SECOND_RECEIPT)
    if receipts and is_lost_cut:
        flags.add(Flag.LOST_AND_RECEIVED)
    # Goods often arrive before the fact that they were sent: that alone is no fault.
    if 0 < sent < delivered:
        flags.add(Flag.OVER_RECEIVED)
    elif sent and (on_way < 0 or (is_lost_cut and not receipts)):
        flags.add(Flag.OVERDRAWN)
    return frozenset(flags)


def _holds(offer: Offer, by_step: dict[Step, list[TransferStep]]) -> Iterable[tuple[Dot, HoldReason]]:
    departures = [step.temperature_milli_c for step in by_step[Step.SENT]] or [None]
    for place, receipt in enumerate(by_step[Step.RECEIVED]):
        if place > 0:
            yield receipt.dot, HoldReason.SECOND_RECEIPT
        yield from _cold_holds(offer, receipt.dot, [*departures, receipt.temperature_milli_c])
    # Nobody writes down how warm it was when it came back.
    for back in by_step[Step.RETURNED]:
        yield from _cold_holds(offer, back.dot, [*departures, None])


def _cold_holds(offer: Offer, lot_id: Dot, measured: list[int | None]) -> Iterable[tuple[Dot, HoldReason]]:
    if offer.limit_milli_c is None:
        return
    if None in measured:
        yield lot_id, HoldReason.NOT_MEASURED
    if any(one is not None and one > offer.limit_milli_c for one in measured):
        yield lot_id, HoldReason.TOO_WARM
