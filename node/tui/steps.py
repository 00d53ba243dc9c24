"""Which steps of a hand-over are ours to take now, as the keys name them. Pure; whether one may be, the action says."""

from __future__ import annotations

from node.domain.transfers import State
from node.ledger.read import TransferRow
from node.ledger.read.transfers import WAY_IN, WAY_OUT

ACCEPT, SEND, RECEIVE, CANCEL, WITHDRAW, REFUSE, BOOK = (
    "accept",
    "send",
    "receive",
    "cancel",
    "withdraw",
    "refuse",
    "book",
)


def steps_of(row: TransferRow) -> frozenset[str]:
    """Return the steps that are ours to take now; whether one is allowed is said by the action."""
    steps = set()
    is_received = bool(row.good_milli or row.damaged_milli)
    if row.way == WAY_IN:
        if row.state is State.OFFERED:
            steps.add(ACCEPT)
        # Goods that arrived are taken in whatever was said before.
        if not is_received and row.item_id is not None and row.state is not State.CLOSED:
            steps.add(RECEIVE)
        if not is_received and row.state in {State.UNFOUNDED, State.OFFERED, State.ACCEPTED, State.SENT}:
            steps.add(REFUSE)
    elif row.way == WAY_OUT:
        if row.state in {State.OFFERED, State.ACCEPTED}:
            steps |= {SEND, CANCEL if row.state is State.OFFERED else WITHDRAW}
        if row.on_way_milli > 0:
            steps.add(BOOK)
    return frozenset(steps)
