"""Ask how much: loose goods on Sell, or how much of a lot to discard."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from node.domain.quantity import parse_quantity
from node.domain.words import Unit
from node.errors import Refused
from node.language import _, decimal_mark, error_text
from node.text import safe_text
from node.tui.dialogs.base import DIALOG_CELLS, Dialog
from node.tui.widgets.words import Words

QUANTITY_CHARACTERS_MAX = 16


class AskQuantity(Dialog[int]):
    """Answers with thousandths of the unit; `empty_milli`, where given, is the answer to an empty field.

    `may_be_zero` takes a typed 0, which no sale and no delivery is.
    """

    AUTO_FOCUS = "#quantity"

    def __init__(self, question: str, unit: Unit, empty_milli: int | None = None, *, may_be_zero: bool = False) -> None:
        super().__init__()
        self._question, self._unit, self._empty_milli, self._may_be_zero = question, unit, empty_milli, may_be_zero

    def compose(self) -> ComposeResult:
        """Show the question and one field."""
        with Vertical(classes="dialog"):
            yield Words(safe_text(self._question, 3 * DIALOG_CELLS))
            with Horizontal(classes="row"):
                yield Words(_("Quantity ["))
                yield Input(id="quantity", compact=True, max_length=QUANTITY_CHARACTERS_MAX)
                yield Words("]")
            yield Words(_("Enter takes it, Esc leaves"), id="dialog-said")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer, or say what is wrong with the quantity."""
        if not event.value.strip() and self._empty_milli is not None:
            self.dismiss(self._empty_milli)
            return
        if event.value.strip() == "0" and self._may_be_zero:
            self.dismiss(0)
            return
        try:
            self.dismiss(parse_quantity(event.value, self._unit, decimal_mark()))
        except Refused as error:
            self.say(" ".join(error_text(error)))
