"""A long text to be read: reasons in full. Up, down, PgUp and PgDn scroll, Esc leaves."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll

from node.language import _
from node.text import safe_text
from node.tui.dialogs.base import DIALOG_CELLS, Dialog
from node.tui.widgets.words import Words

LINES_MAX = 1_000
LINE_CELLS_MAX = 400


class ReadText(Dialog[None]):
    """Answers nothing."""

    AUTO_FOCUS = "#scroll"
    CSS = "#scroll { height: auto; max-height: 65vh; scrollbar-size: 0 0; }"

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self._text = "\n".join(safe_text(line, LINE_CELLS_MAX) for line in lines[:LINES_MAX])

    def compose(self) -> ComposeResult:
        """Show the text under its title."""
        with Vertical(classes="dialog"):
            yield Words(safe_text(self._title, DIALOG_CELLS))
            with VerticalScroll(id="scroll"):
                yield Words(self._text)
            yield Words(_("Up and down, PgUp and PgDn read on, Esc leaves"), id="dialog-said")
