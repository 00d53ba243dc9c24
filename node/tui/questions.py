"""Ask for a yes, one question at a time, however many sales come back with one at the same moment.

What comes back while a question is open is tried again after the answer: often the answer settles it (a label that was
looked at is looked at for every piece of the lot), and what is not settled comes back and is asked then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from node.errors import NeedsYes
from node.tui.dialogs.ask_yes import AskYes

if TYPE_CHECKING:
    from node.tui.app import LarderApp


class Questions:
    """The open question and what waits for it. There are never more than entries in the writer's queue."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], object]] = []
        self._is_asking = False

    def ask(
        self, app: LarderApp, error: NeedsYes, answered: Callable[[bool], None], again: Callable[[], object]
    ) -> None:
        """Ask now, or call `again` once the open question is answered. `answered` gets True for yes, else False."""
        if self._is_asking:
            self._waiting.append(again)
            return
        self._is_asking = True

        def done(is_yes: bool | None) -> None:
            self._is_asking = False
            answered(bool(is_yes))
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                one()

        app.push_screen(AskYes(error), done)
