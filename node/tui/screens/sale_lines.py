"""The lines of one sale as the till shows them. Not the ledger: each part of a line is an action that was queued.

Pure state without widgets. Owns the rule that a line reads `saved` only once every part of it is committed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from node.actions.goods import Sold
from node.ledger.read import Item

LINES_MAX = 200  # more lines than any basket; the oldest saved line leaves the list (never the ledger)


class PartState(Enum):
    """Whether one addition is in the ledger."""

    SAVING = "saving"
    ASKED = "asked"  # a person has to say yes first
    SAVED = "saved"


@dataclass(slots=True)
class Part:
    """One addition to a line: an action with its id."""

    action_id: bytes
    quantity_milli: int
    state: PartState = PartState.SAVING
    sold: Sold | None = None


@dataclass(slots=True)
class Line:
    """Additions of the same item. `label` is the code until the item is known."""

    item_id: str
    label: str
    item: Item | None = None
    parts: list[Part] = field(default_factory=list)

    @property
    def quantity_milli(self) -> int:
        """Return the sum of the parts, in thousandths of the item's unit."""
        return sum(part.quantity_milli for part in self.parts)

    @property
    def is_saved(self) -> bool:
        """Tell whether every part is committed."""
        return all(part.state is PartState.SAVED for part in self.parts)

    @property
    def waits_for_a_yes(self) -> bool:
        """Tell whether a part waits for a person."""
        return any(part.state is PartState.ASKED for part in self.parts)

    @property
    def last_sold(self) -> Sold | None:
        """Return what the last committed addition took."""
        return next((part.sold for part in reversed(self.parts) if part.sold is not None), None)


class SaleLines:
    """The lines in the order in which they were begun."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def add(self, item_id: str, label: str, part: Part) -> Line:
        """Add a part to the line of this item, or begin one."""
        line = self.of_item(item_id)
        if line is None:
            line = Line(item_id, label)
            self.lines.append(line)
            self._forget_oldest()
        line.parts.append(part)
        return line

    def of_item(self, item_id: str) -> Line | None:
        """Return the line of this item."""
        return next((line for line in self.lines if line.item_id == item_id), None)

    def mark(self, action_id: bytes, state: PartState) -> None:
        """Say where a part stands: being saved, or waiting for a yes."""
        for line in self.lines:
            for part in line.parts:
                if part.action_id == action_id:
                    part.state = state

    def saved(self, action_id: bytes, sold: Sold) -> None:
        """Mark a part as committed."""
        line = self._of(action_id)
        if line is None:
            return
        line.item, line.label = sold.item, sold.item.name
        for part in line.parts:
            if part.action_id == action_id:
                part.state, part.sold, part.quantity_milli = PartState.SAVED, sold, sold.quantity_milli

    def gone(self, action_id: bytes) -> bool:
        """Take a part out: refused, or undone. Tells whether it was here."""
        line = self._of(action_id)
        if line is None:
            return False
        line.parts = [part for part in line.parts if part.action_id != action_id]
        if not line.parts:
            self.lines.remove(line)
        return True

    def clear_saved(self) -> None:
        """Begin a new sale; what is not saved yet stays."""
        self.lines = [line for line in self.lines if not line.is_saved]

    def _of(self, action_id: bytes) -> Line | None:
        return next((line for line in self.lines for part in line.parts if part.action_id == action_id), None)

    def _forget_oldest(self) -> None:
        if len(self.lines) > LINES_MAX:
            oldest = next((line for line in self.lines if line.is_saved), None)
            if oldest is not None:
                self.lines.remove(oldest)
