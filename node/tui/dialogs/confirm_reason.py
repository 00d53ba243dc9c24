"""Ask before something hard to reverse: a reason by letter, then `y`. No Enter, no Space, no digit, no button."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from node.clock import monotonic_s
from node.domain.words import DiscardReason
from node.language import N_, _
from node.text import safe_text
from node.tui.dialogs.base import DIALOG_CELLS, Dialog
from node.tui.dialogs.letters import Letters, Step
from node.tui.widgets.words import Words

REASONS = {
    "m": (DiscardReason.QUALITY, N_("m mouldy or bad")),
    "u": (DiscardReason.USE_BY, N_("u past use by")),
    "b": (DiscardReason.DAMAGED, N_("b broken")),
    "t": (DiscardReason.COLD_CHAIN, N_("t too warm")),
    "r": (DiscardReason.RECALL, N_("r recalled")),
    "p": (DiscardReason.PREPARATION, N_("p preparation")),
    "s": (DiscardReason.SPILL, N_("s spilt")),
    "k": (DiscardReason.RETURNED, N_("k brought back")),
    "g": (DiscardReason.DONATED, N_("g given away")),
    "o": (DiscardReason.OTHER, N_("o other")),
}


class ConfirmReason(Dialog[DiscardReason]):
    """Answers with the reason once `y` stood alone for 200 ms, at least 200 ms after the reason's letter."""

    is_destructive = True

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self._letters = Letters(REASONS, monotonic_s())

    def compose(self) -> ComposeResult:
        """Show what is about to be thrown away and the letters."""
        words = [_(words) for _reason, words in REASONS.values()]
        with Vertical(classes="dialog"):
            yield Words(safe_text(self._what, 3 * DIALOG_CELLS))
            yield Words(_("Why? Press one letter:"))
            for start in range(0, len(words), 4):
                yield Words("   ".join(f"{word:<15}" for word in words[start : start + 4]).rstrip())
            yield Words(_("Esc keeps it"), id="dialog-said")

    def on_key(self, event: events.Key) -> None:
        """Take a letter; any other key puts the question back to its beginning."""
        if event.key == "escape":
            return
        event.stop()
        step = self._letters.key(event.character if event.is_printable else None, event.time)
        if step is Step.SURE and self._letters.reason is not None:
            reason = _(REASONS[self._letters.reason][1])[2:]
            self.say(_("Reason: {reason}. Now press y alone to discard, Esc to keep it.").format(reason=reason))
        elif step is Step.PENDING:
            self.set_timer(max(0.001, (self._letters.deadline_s or 0) - monotonic_s() + 0.001), self._look)
        else:
            self.say(_("Why? Press one letter; Esc keeps it."))

    def _look(self) -> None:
        if self._letters.tick(monotonic_s()) is Step.CONFIRMED and self._letters.reason is not None:
            self.dismiss(REASONS[self._letters.reason][0])
