"""Plain text on the screen. Not markup: what is given is drawn, character by character."""

from __future__ import annotations

from textual.widgets import Static


class Words(Static):
    """A Static that never interprets markup and repaints only when its text changed."""

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(text, markup=False, id=id, classes=classes)
        self.text = text

    def show(self, text: str) -> None:
        """Draw this text. It must be safe already (`text.column`, `node.text.safe_text`)."""
        if text != self.text:
            self.text = text
            self.update(text)
