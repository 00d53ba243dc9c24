"""What staff say about an item on its card: what its label declares, and that a lot on hold may be used after all.

Not the rules (`node.actions.declaring`, `node.actions.holds`). Weakening takes a reason, a `y`, and the name of whoever
is at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from node.actions.declaring import declare_allergens
from node.actions.holds import lift_hold
from node.actions.items import check_allergens
from node.domain.allergens import ALLERGENS, Declaration
from node.domain.lots import Lot
from node.language import _
from node.ledger import read
from node.text import safe_text
from node.tui.deciding import Decisions
from node.tui.dialogs.ask_words import AskWords
from node.tui.dialogs.choose import choose_lot
from node.tui.queries import judged_day
from node.tui.sentences import NAME_CELLS, lot_name

if TYPE_CHECKING:
    from node.tui.app import LarderApp

NONE = "none"


async def ask_and_declare(app: LarderApp, decisions: Decisions, item: read.Item) -> None:
    """Ask what the label says, and why where an allergen is taken off. Leaving any step changes nothing."""
    name = safe_text(item.name, NAME_CELLS)
    typed = await app.push_screen_wait(
        AskWords(
            _("Allergens on the label of {item}, such as milk,nuts, or none. Known: {known}").format(
                item=name, known=", ".join(ALLERGENS)
            ),
            _("Allergens"),
            may_be_empty=False,
            check=_check,
        )
    )
    if typed is None:
        return
    said = _declaration(typed)
    reason = ""
    if item.allergens is not None and set(item.allergens) - set(said or ()):
        asked = await _reason(app, _("Why are allergens taken off {item}? It is kept in the log.").format(item=name))
        if asked is None:
            return
        reason = asked
    decisions.write(
        _("allergens of {item}").format(item=name),
        lambda tx, action_id, yes: declare_allergens(
            tx, action_id=action_id, who=app.who, item_id=item.item_id, allergens=said, reason=reason, yes=yes
        ),
        lambda _changed: app.front.say(_("Declared for {item}.").format(item=name)),
    )


async def ask_and_lift(app: LarderApp, decisions: Decisions, item: read.Item, held: Sequence[Lot]) -> None:
    """Ask which lot on hold and why it may be used; then the question of the rule itself."""
    name = safe_text(item.name, NAME_CELLS)
    place: int | None = 0
    if len(held) > 1:
        question = _("Which lot of {item} may be used again?").format(item=name)
        place = await app.push_screen_wait(choose_lot(question, held, judged_day(app.now())))
    if place is None:
        return
    lot = held[place]
    question = _("Why may lot {lot} of {item} be used after all? It is kept in the log.").format(
        lot=lot_name(lot), item=name
    )
    reason = await _reason(app, question)
    if reason is None:
        return
    decisions.write(
        _("lift the hold of {item}").format(item=name),
        lambda tx, action_id, yes: lift_hold(
            tx, action_id=action_id, who=app.who, lot_id=lot.lot_id, reason=reason, yes=yes
        ),
        lambda decided: app.front.say(
            _("Lot {lot} of {item} may be used again.").format(lot=lot_name(decided.lot), item=name)
        ),
    )


async def _reason(app: LarderApp, question: str) -> str | None:
    return await app.push_screen_wait(AskWords(question, _("Reason"), may_be_empty=False))


def _declaration(typed: str) -> Declaration:
    words = typed.strip().lower()
    return () if words == NONE else tuple(dict.fromkeys(word.strip() for word in words.split(",")))


def _check(typed: str) -> None:
    check_allergens(_declaration(typed))
