"""Ask for a few words or a number in one field: an item's name, a carrier, a temperature, a reason."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from node.errors import Refused
from node.language import _, error_text
from node.text import safe_text
from node.tui.dialogs.base import DIALOG_CELLS, Dialog
from node.tui.widgets.words import Words

CHARACTERS_MAX = 60


class AskWords(Dialog[str]):
    """Answers with what was typed, empty where that may be. `check` raises Refused for what cannot be taken."""

    AUTO_FOCUS = "#words"

    def __init__(
        self, question: str, label: str, *, may_be_empty: bool, check: Callable[[str], object] | None = None
    ) -> None:
        super().__init__()
        self._question, self._label, self._may_be_empty, self._check = question, label, may_be_empty, check

    def compose(self) -> ComposeResult:
        """Show the question and one field."""
        with Vertical(classes="dialog"):
            yield Words(safe_text(self._question, 3 * DIALOG_CELLS))
            with Horizontal(classes="row"):
                yield Words(f"{self._label} [")
                yield Input(id="words", compact=True, max_length=CHARACTERS_MAX)
                yield Words("]")
            yield Words(_("Enter takes it, Esc leaves"), id="dialog-said")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer, or say what is wrong."""
        text = event.value.strip()
        if not text and not self._may_be_empty:
            self.say(_("Nothing was typed yet."))
            return
        try:
            if text and self._check is not None:
                self._check(text)
        except Refused as error:
            self.say(" ".join(error_text(error)))
        else:
            self.dismiss(text)
