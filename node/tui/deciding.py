"""Ask for a `y` before something another market or the kitchen hears of, then queue it; ask again what it asks back.

Not the action. Actions come back with a question of their own (`NeedsYes`); the same action is queued again under the
same id once it is answered, so that nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from node.actions.ids import new_action_id
from node.errors import LarderError, NeedsYes
from node.language import _
from node.ledger.store import Transaction
from node.tui.dialogs.ask_yes import AskYes
from node.tui.questions import Questions

if TYPE_CHECKING:
    from node.tui.app import LarderApp

Act = Callable[[Transaction, bytes, frozenset[str]], Any]


class Decisions:
    """The decisions of one screen. One question is open at a time, however many actions ask back."""

    def __init__(self, app: LarderApp) -> None:
        self._app = app
        self._questions = Questions()

    async def sure(self, message: str, hint: str, **values: object) -> bool:
        """Ask for a `y`; the texts are English templates."""
        question = AskYes(NeedsYes("screen.sure", message, hint, **values))
        return await self._app.push_screen_wait(question) is True

    def write(self, label: str, act: Act, saved: Callable[[Any], None]) -> None:
        """Queue an action under a new id. `act` gets the transaction, the id and what was answered with yes."""
        action_id = new_action_id()

        def submit(yes: frozenset[str]) -> None:
            self._app.write(label, lambda tx: act(tx, action_id, yes), saved, partial(declined, yes))

        def declined(yes: frozenset[str], error: LarderError) -> None:
            if isinstance(error, NeedsYes):
                self._questions.ask(self._app, error, partial(answered, yes | {error.error_id}), partial(submit, yes))
            else:
                self._app.bell()
                self._app.front.say_error(error)

        def answered(yes: frozenset[str], is_yes: bool) -> None:
            if is_yes:
                submit(yes)
            else:
                self._app.front.say(_("Nothing was changed."))

        submit(frozenset())
