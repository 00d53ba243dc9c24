"""The steps of a hand-over as tests take them: each one action of one market, under a fresh id."""

from __future__ import annotations

from typing import Any

from node.actions import handing, transfers
from node.actions.ids import new_action_id
from node.domain.lots import Dot
from node.ledger.read import Item, TransferRow
from tests.node.group import Market

STEPS = {
    "accept": transfers.accept,
    "cancel": transfers.cancel,
    "withdraw": transfers.withdraw,
    "refuse": transfers.refuse,
    "send": handing.send,
    "receive": handing.receive,
    "return": handing.give_back,
    "lost": handing.lose,
}


def offer(sender: Market, recipient: Market | bytes, item: Item, quantity_milli: int, **more: Any) -> TransferRow:
    """An offer to a market."""
    origin = recipient if isinstance(recipient, bytes) else recipient.origin
    given = {"action_id": new_action_id(), "who": 0, **more}
    return sender.store.act(
        "offer",
        lambda tx: transfers.offer(tx, recipient=origin, item_id=item.item_id, quantity_milli=quantity_milli, **given),
    )


def step(market: Market, name: str, transfer_id: Dot, **more: Any) -> TransferRow:
    """One later step."""
    given = {"action_id": new_action_id(), "who": 0, **more}
    return market.store.act(name, lambda tx: STEPS[name](tx, transfer_id=transfer_id, **given))  # type: ignore[operator]
