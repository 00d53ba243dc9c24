"""Ask for a yes where something can be done but a person must say so: a sale beyond what is on hand, an unset clock."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from node.clock import monotonic_s
from node.errors import NeedsYes
from node.language import _, error_text
from node.text import safe_text
from node.tui.dialogs.base import DIALOG_CELLS, Dialog
from node.tui.dialogs.letters import Letters, Step
from node.tui.widgets.words import Words


class AskYes(Dialog[bool]):
    """Answers True after a `y` with a pause before and after it; Esc is no. Enter and digits are nothing."""

    def __init__(self, error: NeedsYes) -> None:
        super().__init__()
        self._error = error
        self._letters = Letters((), monotonic_s())

    def compose(self) -> ComposeResult:
        """Show what happened, what to look at, and the two answers."""
        message, hint = error_text(self._error)
        with Vertical(classes="dialog"):
            yield Words(safe_text(message, 3 * DIALOG_CELLS))
            yield Words(safe_text(hint, 3 * DIALOG_CELLS))
            yield Words(_("y yes    Esc no"), id="dialog-keys")
            yield Words(id="dialog-said")

    def on_key(self, event: events.Key) -> None:
        """Take a letter; everything else puts the question back to its beginning."""
        if event.key == "escape":
            return
        event.stop()
        step = self._letters.key(event.character if event.is_printable else None, event.time)
        if step is Step.PENDING:
            self.set_timer(max(0.001, (self._letters.deadline_s or 0) - monotonic_s() + 0.001), self._look)
        else:
            self.say(_("Press y alone, or Esc."))

    def _look(self) -> None:
        if self._letters.tick(monotonic_s()) is Step.CONFIRMED:
            self.dismiss(True)
