"""Take back the last action of the person at work: at once, without a question, by an opposite entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.actions.ids import new_action_id
from node.actions.undo import Undone, undo
from node.language import N_, _
from node.text import safe_text
from node.tui.sentences import NAME_CELLS, batch_text, quantity_text

if TYPE_CHECKING:
    from node.tui.app import LarderApp

_VERB_WORDS = {
    "receive": N_("received"),
    "sell": N_("sold"),
    "issue": N_("issued"),
    "discard": N_("discarded"),
    "adjust": N_("adjusted"),
}
_NAMED_MAX = 2  # movements named in the line; a sale over many lots says how many more there were


def undo_last(app: LarderApp, target: bytes | None = None) -> None:
    """Take back `target`, or the last action of this person that can be, and say what was appended."""
    action_id = new_action_id()

    def saved(undone: Undone) -> None:
        app.tell_undone(undone)
        app.front.say(undone_sentence(undone))

    app.write(_("undo"), lambda tx: undo(tx, action_id=action_id, who=app.who, target=target), saved)


def undone_sentence(undone: Undone) -> str:
    """Say what was taken back: `Undone: sold Bread 2, lot B-1122. The opposite entry was added.`"""
    named = [
        _("{item} {quantity}, lot {lot}").format(
            item=safe_text(movement.item_name, NAME_CELLS),
            quantity=quantity_text(abs(movement.quantity_milli), movement.unit),
            lot=batch_text(movement.batch, movement.lot_id.seq),
        )
        for movement in undone.movements[:_NAMED_MAX]
    ]
    more = len(undone.movements) - len(named)
    if more > 0:
        named.append(_("{count} more").format(count=more))
    verb = _(_VERB_WORDS.get(undone.verb, undone.verb))
    return _("Undone: {verb} {what}. The opposite entry was added.").format(verb=verb, what="; ".join(named))
