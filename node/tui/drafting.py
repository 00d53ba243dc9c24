"""Keep what is typed: a form's text goes into the drafts a second after the last key, and comes back after a crash.

Not a form. The draft is local to this market's database, never in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from textual.timer import Timer

from node.actions.drafts import drop_draft, load_draft, save_draft
from node.language import _

if TYPE_CHECKING:
    from node.tui.dialogs.base import Dialog
    from node.tui.screens.base import FactScreen

DRAFT_PAUSE_S = 1.0  # after the last key: one commit for a word, not one for each letter

Fields = dict[str, str]


class DraftKeeper:
    """Save and bring back the fields of one form. `collect` returns what is typed, empty where there is nothing."""

    def __init__(self, form: str, owner: FactScreen | Dialog[Any], collect: Callable[[], Fields]) -> None:
        self.form = form
        self._owner = owner
        self._collect = collect
        self._pause: Timer | None = None
        self._kept: Fields = {}

    def touched(self) -> None:
        """Say that something was typed; it is kept once the keys pause."""
        if self._pause is not None:
            self._pause.stop()
        self._pause = self._owner.set_timer(DRAFT_PAUSE_S, self.keep_now)

    def keep_now(self) -> None:
        """Queue the draft. Where the queue is full the entries before it come first; the next key tries again."""
        fields = self._collect()
        if fields == self._kept:
            return
        body = msgspec.json.encode(fields)
        form = self.form
        if self._owner.app.write(
            _("draft"),
            lambda tx: save_draft(tx, form, body) if fields else drop_draft(tx, form),
            lambda _nothing: None,
            replaces=form,
        ):
            self._kept = fields

    def forget(self) -> None:
        """Say that the form was handed over: its action drops the draft in its own transaction."""
        if self._pause is not None:
            self._pause.stop()
        self._kept = {}

    def bring_back(self, show: Callable[[Fields], None]) -> None:
        """Read the draft, if any, and show it."""

        def have(body: bytes | None) -> None:
            fields = read_fields(body)
            if fields:
                self._kept = fields
                show(fields)

        self._owner.app.look_up(lambda connection: load_draft(connection, self.form), have, group=f"draft-{self.form}")


def read_fields(body: bytes | None) -> Fields:
    """Read a stored draft; one that cannot be read (another version wrote it) is no draft."""
    if body is None:
        return {}
    try:
        return msgspec.json.decode(body, type=Fields)
    except msgspec.DecodeError:
        return {}
