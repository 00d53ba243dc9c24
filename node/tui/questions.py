"""Ask for a yes, one question after another, however many sales come back with one at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from node.errors import NeedsYes
from node.tui.dialogs.ask_yes import AskYes
from node.tui.writer import QUEUE_ACTIONS_MAX

if TYPE_CHECKING:
    from node.tui.app import LarderApp


class Questions:
    """The questions that wait, oldest first. There are never more than entries in the writer's queue."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[NeedsYes, Callable[[bool], None]]] = deque(maxlen=QUEUE_ACTIONS_MAX)
        self._is_asking = False

    def ask(self, app: LarderApp, error: NeedsYes, answered: Callable[[bool], None]) -> None:
        """Ask once those before it are answered; `answered` gets True for yes and False for anything else."""
        self._waiting.append((error, answered))
        self._ask_next(app)

    def _ask_next(self, app: LarderApp) -> None:
        if self._is_asking or not self._waiting:
            return
        self._is_asking = True
        error, answered = self._waiting.popleft()

        def done(is_yes: bool | None) -> None:
            self._is_asking = False
            answered(bool(is_yes))
            self._ask_next(app)

        app.push_screen(AskYes(error), done)
