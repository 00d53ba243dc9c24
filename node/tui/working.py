"""How the screens read and write: a question or an action goes to its thread, what comes of it is handled here.

Not a screen and not a rule. Owns principle P8: nothing waits on the event loop. A fault of the program itself becomes a
line with a hint; its details are kept until the terminal can show them.
"""

from __future__ import annotations

import sqlite3
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from textual.app import App
from textual.message import Message
from textual.worker import Worker, WorkerState

from node.actions.keeping import open_market
from node.actions.undo import Undone
from node.clock import Moment
from node.errors import LarderError
from node.ledger.connection import storage_fault
from node.ledger.store import Transaction
from node.places import Places
from node.tui.queries import Reader
from node.tui.screens.base import FactScreen
from node.tui.status import Status, saving_words
from node.tui.writer import Declined, Job, Outcome, Saved, Writer, unexpected

FAULTS_KEPT_MAX = 20

T = TypeVar("T")


class OnLoop(Message):
    """A report of the writing thread, to be handled where drawing happens."""

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        self.call = call


class Working(App[int]):
    """The part of the app that owns the reader and the writer."""

    def __init__(self, places: Places, who: int, now: Callable[[], Moment]) -> None:
        super().__init__()
        self.places, self.who, self.now = places, who, now
        self.reader = Reader(places)
        self.writer = Writer(lambda tell: open_market(places, on_wait=tell), self._from_writer)
        self.status: Status | None = None
        self.screens_built: list[FactScreen] = []
        self.faults: list[str] = []
        self.acts = 0  # what was saved since the start; an older status says nothing about who has the last of it
        self._saved_at: Moment | None = None

    @property
    def front(self) -> FactScreen:
        """The screen that is worked on, below any dialog."""
        return next(screen for screen in reversed(self.screen_stack) if isinstance(screen, FactScreen))

    @property
    def is_showing(self) -> bool:
        """Tell whether there is a screen to draw on; while the program ends there is none."""
        return self.is_running and bool(self.screen_stack)

    def look_for_changes(self) -> None:
        """Read again what may have changed."""
        raise NotImplementedError

    def draw_frame(self) -> None:
        """Draw the rows that are the same on every screen."""
        if not self.is_showing:
            return
        moment = self.now()
        seen = self.status.sharing.seen if self.status is not None and self.status.acts == self.acts else None
        self.front.draw_frame(self.status, saving_words(self.writer.backlog(), self._saved_at, seen), moment)
        if self.status is not None and self.front.is_built:
            self.front.on_tick(self.status, moment)

    # Reading.

    async def answer_to(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask on the reading thread. Raises LarderError."""
        try:
            return await self.reader.ask(question)
        except sqlite3.Error as error:
            raise storage_fault(error, self.places) from error

    def look_up(
        self, question: Callable[[sqlite3.Connection], Any], show: Callable[[Any], None], *, group: str
    ) -> None:
        """Ask on the reading thread, show the answer here. A newer question of the same group replaces an older one."""

        async def ask() -> None:
            try:
                answer = await self.answer_to(question)
            except LarderError as error:
                self._say_error(error)
            else:
                if self.is_showing:
                    show(answer)

        self.in_background(ask, group)

    def in_background(self, work: Callable[[], Coroutine[Any, Any, None]], group: str) -> None:
        """Run work beside the event handlers; its fault becomes a line and the screen stays."""
        _worker: Worker[None] = self.run_worker(work, group=group, exclusive=True, exit_on_error=False)

    # Writing.

    def write(
        self,
        label: str,
        work: Callable[[Transaction], Any],
        saved: Callable[[Any], None],
        declined: Callable[[LarderError], None] | None = None,
        *,
        replaces: str | None = None,
    ) -> bool:
        """Queue an action: `saved` is called after its commit, `declined` where a rule said no. False: queue full."""

        def done(outcome: Outcome) -> None:
            if isinstance(outcome, Saved):
                if replaces is None:
                    self._saved_at, self.acts = self.now(), self.acts + 1
                saved(outcome.value)
            else:
                self._declined(outcome, declined)
            self.draw_frame()
            self.look_for_changes()

        try:
            self.writer.submit(Job(label, work, done, replaces))
        except LarderError as error:
            self.bell()
            self.front.say_error(error)
            return False
        self.draw_frame()
        return True

    def _declined(self, outcome: Declined, declined: Callable[[LarderError], None] | None) -> None:
        if outcome.error.__cause__ is not None:
            self.remember_fault(outcome.error.__cause__)
        (declined or self.front.say_error)(outcome.error)

    def _from_writer(self, call: Callable[[], None]) -> None:
        self.post_message(OnLoop(call))

    def on_on_loop(self, message: OnLoop) -> None:
        """Handle a report of the writing thread; once the screen is gone nobody is left to be told."""
        if self.is_showing:
            message.call()

    def _say_error(self, error: LarderError) -> None:
        if self.is_showing:
            self.front.say_error(error)

    def tell_undone(self, undone: Undone) -> None:
        """Tell every screen that was built what was taken back: the till takes it out of its lines."""
        for screen in self.screens_built:
            screen.tell_undone(undone)

    # Faults of our own: a line, the details at the end.

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        error = event.worker.error
        if event.state is WorkerState.ERROR and isinstance(error, LarderError):
            self._say_error(error)
        elif event.state is WorkerState.ERROR and isinstance(error, Exception):
            self.remember_fault(error)
            self._say_error(unexpected(error))

    def remember_fault(self, error: BaseException) -> None:
        """Keep the details of a fault for the end, when the terminal can show them."""
        if len(self.faults) < FAULTS_KEPT_MAX:
            self.faults.append("".join(traceback.format_exception(error)))
