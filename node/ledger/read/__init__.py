"""What screens and verbs read from `market.db`: bounded queries, frozen values, nothing written.

Every SELECT has a LIMIT and is fetched at once: an open cursor would hold back checkpoints and let the WAL grow.
"""

from node.ledger.read.goods import (
    Item,
    StockRow,
    find_items,
    find_lot,
    item,
    item_for_code,
    lots,
    stock,
    stock_count,
)
from node.ledger.read.market import (
    MarketFacts,
    Person,
    data_version,
    digest,
    market,
    open_reader,
    pending_count,
    people,
    sealed_count,
    unknown_count,
)
from node.ledger.read.movements import (
    DoneAction,
    ExpiringLot,
    Movement,
    TodayTotals,
    expiring,
    last_actions,
    movements,
    movements_of_action,
    today_totals,
)

__all__ = [
    "DoneAction",
    "ExpiringLot",
    "Item",
    "MarketFacts",
    "Movement",
    "Person",
    "StockRow",
    "TodayTotals",
    "data_version",
    "digest",
    "expiring",
    "find_items",
    "find_lot",
    "item",
    "item_for_code",
    "last_actions",
    "lots",
    "market",
    "movements",
    "movements_of_action",
    "open_reader",
    "pending_count",
    "people",
    "sealed_count",
    "stock",
    "stock_count",
    "today_totals",
    "unknown_count",
]
