"""What every dialog shares. A dialog is laid over a screen for one question; scans wait until it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Optional, TypeVar

from textual.binding import Binding
from textual.screen import ModalScreen

from node.text import safe_text
from node.tui.widgets.words import Words

if TYPE_CHECKING:
    from node.tui.app import LarderApp

DIALOG_CELLS = 70

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Optional[Answer]]):  # noqa: UP045 - `|` with None is no type parameter before 3.12
    """One question. Esc leaves it without an answer, which is None."""

    is_destructive: ClassVar[bool] = False
    BINDINGS = [Binding("escape", "leave", show=False), Binding("f1", "noop", show=False)]
    AUTO_FOCUS = ""

    app: LarderApp

    def action_leave(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)

    def action_noop(self) -> None:
        """Do nothing: help is on the screen below."""

    def say(self, text: str) -> None:
        """Put words into the dialog's own message line, where it has one."""
        for words in self.query("#dialog-said").results(Words):
            words.show(safe_text(text, 2 * DIALOG_CELLS))
