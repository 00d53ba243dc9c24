"""While the clock is not set no use-by date is judged: somebody looks at the label and says yes, once a lot and shift.

The table it writes is local: who looked at which label is no fact of the ledger, the sale is.
"""

from __future__ import annotations

from node.domain.lots import Lot
from node.errors import N_, NeedsYes
from node.ledger.store import Transaction

# Uptime after which a label must be looked at again: the day may have changed since.
LABEL_CHECK_HOLDS_MS = 6 * 3600 * 1000


def ask_for_labels(tx: Transaction, lots: list[Lot], yes: frozenset[str]) -> None:
    """Raise NeedsYes `sale.date_not_judged` for the first lot whose label nobody looked at; keep the yes given now."""
    for lot in lots:
        row = tx.connection.execute(
            "SELECT 1 FROM label_check WHERE lot_stream = ? AND lot_seq = ? AND boot_id = ? AND boottime_ms > ?",
            (*lot.lot_id, tx.moment.boot_id, tx.moment.boottime_ms - LABEL_CHECK_HOLDS_MS),
        ).fetchone()
        if row is not None:
            continue
        if "sale.date_not_judged" not in yes:
            assert lot.use_by is not None
            raise NeedsYes(
                "sale.date_not_judged",
                N_("The clock is not set, so the use-by date of lot {lot} ({date}) cannot be judged."),
                N_("Look at the label and say yes if the date is still good."),
                lot=lot.label,
                date=lot.use_by.isoformat(),
            )
        tx.connection.execute(
            "INSERT OR REPLACE INTO label_check (lot_stream, lot_seq, boot_id, boottime_ms) VALUES (?, ?, ?, ?)",
            (*lot.lot_id, tx.moment.boot_id, tx.moment.boottime_ms),
        )
