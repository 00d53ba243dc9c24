"""Name a new item: its name, what it is counted in, and which known food it is kept like.

Not a scan: what is scanned meanwhile waits. What is typed is a draft and is there again after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from node.actions.drafts import drop_draft
from node.actions.ids import new_action_id
from node.actions.items import add_item
from node.domain.words import Unit
from node.errors import N_, LarderError
from node.language import _, error_text
from node.ledger import read
from node.ledger.store import Transaction
from node.tui.dialogs.base import Dialog
from node.tui.drafting import DraftKeeper, Fields
from node.tui.widgets.choice import Choice
from node.tui.widgets.words import Words

FORM = "new_item"
NAME_CHARACTERS_MAX = 60
UNITS = {"each": Unit.EACH, "kg": Unit.GRAM, "l": Unit.MILLILITRE}
_FOUND_MAX = 50


class NewItem(Dialog[read.Item]):
    """Answers with the item once it is saved."""

    AUTO_FOCUS = "#name"
    BINDINGS = [Binding("ctrl+s", "save", show=False)]

    def __init__(self, gtin14: str | None) -> None:
        super().__init__()
        self._gtin14 = gtin14
        self._action_id = new_action_id()
        self._draft = DraftKeeper(FORM, self, self._collect)

    def compose(self) -> ComposeResult:
        """Show the three fields."""
        with Vertical(classes="dialog"):
            yield Words(id="number")
            with Horizontal(classes="row"):
                yield Words(_("Name        ["))
                yield Input(id="name", compact=True, max_length=NAME_CHARACTERS_MAX)
                yield Words("]")
            with Horizontal(classes="row"):
                yield Words(_("Counted in  "))
                yield Choice([("each", N_("pieces")), ("kg", N_("kg")), ("l", N_("l"))], id="unit")
                yield Words(_("    (Space changes it)"))
            with Horizontal(classes="row"):
                yield Words(_("Kept like   ["))
                yield Input(id="like", compact=True, max_length=NAME_CHARACTERS_MAX)
                yield Words(_("]  a food known here"))
            yield Words(_("Allergens come from the label, never from the food it is like."))
            yield Words(_("Enter next field, Ctrl+S saves, Esc leaves (kept)"), id="dialog-said")

    def on_mount(self) -> None:
        """Show the number and bring back what was typed before."""
        self._draw_number()
        self._draft.bring_back(self._show_draft)

    def on_input_changed(self) -> None:
        """Keep what is typed."""
        self._draft.touched()

    def on_choice_changed(self) -> None:
        """Keep what was chosen."""
        self._draft.touched()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the next field; the last one saves."""
        if event.input.id == "like":
            self.action_save()
        else:
            self.focus_next()

    def action_save(self) -> None:
        """Look up the food it is like, then queue the item."""
        like = self.query_one("#like", Input).value.strip()
        if not like:
            self._save(None)
            return
        self.app.look_up(
            lambda connection: read.find_items(connection, like, _FOUND_MAX), partial(self._found, like), group="like"
        )

    def _found(self, like: str, items: Sequence[read.Item]) -> None:
        starters = [item for item in items if item.is_starter]
        exact = [item for item in starters if item.name.lower() == like.lower()]
        if len(exact or starters) == 1:
            self._save((exact or starters)[0].item_id)
        elif starters:
            names = ", ".join(item.name for item in starters[:5])
            self.say(_("Like which one? {names}").format(names=names))
        else:
            self.say(_("No food here is named '{like}'. Leave it empty if none fits.").format(like=like))

    def _save(self, like_id: str | None) -> None:
        name, unit = self.query_one("#name", Input).value, UNITS[self.query_one("#unit", Choice).value]

        def work(tx: Transaction) -> read.Item:
            added = add_item(
                tx,
                action_id=self._action_id,
                who=self.app.who,
                name=name,
                unit=unit,
                gtin14=self._gtin14,
                like=like_id,
            )
            drop_draft(tx, FORM)
            return added

        self._draft.forget()
        if self.app.write(_("new item {name}").format(name=name.strip()), work, self._saved, self._declined):
            self.say(_("saving"))

    def _saved(self, item: read.Item) -> None:
        self.dismiss(item)

    def _declined(self, error: LarderError) -> None:
        self.app.bell()
        self.say(" ".join(error_text(error)))

    def _collect(self) -> Fields:
        name, like = self.query_one("#name", Input).value.strip(), self.query_one("#like", Input).value.strip()
        if not name and not like:
            return {}
        unit = self.query_one("#unit", Choice).value
        return {
            "name": name,
            "like": like,
            "unit": unit,
            "gtin": self._gtin14 or "",
            "action": self._action_id.hex(),
        }

    def _show_draft(self, fields: Fields) -> None:
        if fields.get("gtin", "") != (self._gtin14 or "") and self._gtin14 is not None:
            return  # a draft about another number: this one begins empty
        self._gtin14 = fields.get("gtin") or None
        self._action_id = bytes.fromhex(fields.get("action", "")) or self._action_id
        self.query_one("#name", Input).value = fields.get("name", "")
        self.query_one("#like", Input).value = fields.get("like", "")
        self.query_one("#unit", Choice).value = fields.get("unit", "")
        self._draw_number()
        self.say(_("Here is what was typed before."))

    def _draw_number(self) -> None:
        number = self._gtin14.lstrip("0") if self._gtin14 else _("none: it is named only")
        self.query_one("#number", Words).show(_("NEW ITEM    number {number}").format(number=number))
