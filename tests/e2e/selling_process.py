"""Sells one piece after another in one process, as the screen does, and says each action's id once it was saved.

Run: selling_process.py DATA GTIN SALES [--seal]. With --seal it also does larder-node's work: blocks and checkpoints.
An id on standard output is an acknowledgement, and nothing else is written there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from node.actions.goods import sell
from node.actions.ids import new_action_id
from node.actions.keeping import open_market
from node.ledger.keys import NodeKey, load_key
from node.ledger.read import item_for_code
from node.ledger.seal import seal
from node.ledger.store import MarketStore
from node.places import Places

SEAL_EACH, CHECKPOINT_EACH = 20, 45


def one_sale(store: MarketStore, item_id: str) -> None:
    """Sell one piece and say so."""
    action_id = new_action_id()
    store.act("sell", lambda tx: sell(tx, action_id=action_id, who=0, item_id=item_id, quantity_milli=1000))
    os.write(1, f"{action_id.hex()}\n".encode("ascii"))


def keep(store: MarketStore, key: NodeKey, number: int) -> None:
    """Do what larder-node does beside the sellers."""
    if number % SEAL_EACH == 0:
        store.batch("seal", lambda tx: seal(tx, key, blocks_max=4))
    if number % CHECKPOINT_EACH == 0:
        store.checkpoint_if_due(is_idle=True)


def main(data: str, gtin: str, sales: str, *options: str) -> None:
    """Sell `sales` pieces of the item with this number."""
    places = Places(Path(data))
    store = open_market(places)
    item = item_for_code(store.reader, gtin.zfill(14))
    assert item is not None, "the delivery came before the sales"
    key = load_key(places.node_key)
    for number in range(1, int(sales) + 1):
        one_sale(store, item.item_id)
        if "--seal" in options:
            keep(store, key, number)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
