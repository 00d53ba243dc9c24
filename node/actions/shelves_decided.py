"""Decide about a step of a shelf: confirm it, say what it was instead, or dismiss it; a trusted shelf does so itself.

Not the keeping of steps (`shelves_kept`) and not a sale of its own: what was taken goes out as `sell` writes it. Owns
the rule that a step is booked once: its row and its movements are one transaction.

Taken units are sold, first expired first. Put units were received long ago and stand on the books, so that filling a
shelf moves nothing. Only no more units than the shelf gave out last, put within five minutes of that, come back into
stock: somebody thought better of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from node.actions.goods import Sold, sell
from node.actions.once import done_before, find_action, finish
from node.actions.people import PERSON_CHARACTERS_MAX, person_named
from node.actions.shelves import Shelf, shelves
from node.actions.shelves_kept import CONFIRMED, DISMISSED, KeptStep, find_step
from node.domain.lots import Dot
from node.domain.shelf import NOTHING, UNITS_MAX
from node.domain.words import Basis, DiscardReason, MoveKind
from node.errors import N_, Refused
from node.ledger.append import Appender
from node.ledger.events import Moved
from node.ledger.read import Movement, movements_of_action
from node.ledger.store import Transaction

PUT_BACK_WITHIN_MS = 5 * 60 * 1000  # how long one holds what one does not take: an engineering choice
_MILLI = 1_000


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A step that was decided: so many units of an item, out is negative.

    `sold` is what went out; `back_milli` what came back into stock of units that were put, the rest of which was a
    refill from what is on the books.
    """

    step: KeptStep
    item_id: str
    units: int
    sold: Sold | None
    back_milli: int


def confirm_step(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    step_id: int,
    item_id: str | None = None,
    units: int | None = None,
    yes: frozenset[str] = frozenset(),
) -> Confirmed:
    """Say that a step was what it proposes, or `units` of `item_id` (out is negative). Raises like `sell`, and Refused.

    A question has no answer of its own: what it was must be said.
    """
    step = _known(tx, step_id)
    done = done_before(tx, action_id)
    if done is not None or (step.state == CONFIRMED and step.action_id == action_id):
        return Confirmed(step, step.item_id or "", step.units or 0, None, step.back_milli)
    if step.state == CONFIRMED and not step.is_undone:
        raise Refused(
            "shelf.already",
            N_("Step {number} of {shelf} was confirmed already."),
            N_("Nothing was changed. Take it back with: larder undo --action ID"),
            number=step.step_id,
            shelf=step.shelf,
        )
    item, count = _what(tx, step, item_id, units)
    sold, back_milli = _book(tx, step, item, count, action_id=action_id, who=who, yes=yes)
    tx.connection.execute(
        "UPDATE shelf_step SET state = ?, item_id = ?, units = ?, back_milli = ?, action_id = ?, decided_ms = ?"
        " WHERE id = ?",
        (CONFIRMED, item, count, back_milli, action_id, tx.moment.wall_ms, step_id),
    )
    return Confirmed(_known(tx, step_id), item, count, sold, back_milli)


def dismiss_step(tx: Transaction, *, step_id: int) -> KeptStep:
    """Say that a step was no movement of goods. It may still be confirmed later. Raises Refused for a booked one."""
    step = _known(tx, step_id)
    if step.state == CONFIRMED and not step.is_undone:
        raise Refused(
            "shelf.booked",
            N_("Step {number} of {shelf} is booked."),
            N_("Take it back first with: larder undo --action ID"),
            number=step.step_id,
            shelf=step.shelf,
        )
    tx.connection.execute(
        "UPDATE shelf_step SET state = ?, action_id = NULL, item_id = NULL, units = NULL, back_milli = 0,"
        " decided_ms = ? WHERE id = ?",
        (DISMISSED, tx.moment.wall_ms, step_id),
    )
    return _known(tx, step_id)


def book_trusted(tx: Transaction, shelf: Shelf, step_ids: list[int], new_action_id: Iterator[bytes]) -> int:
    """Book the proposals among new steps of a trusted shelf in its own name; return how many were.

    What needs a person (more than the books have, a promise, an unjudged date) waits for one as any proposal does.
    """
    booked = 0
    if not shelf.is_trusted:
        return booked
    who = person_named(tx, _source(shelf)).number
    for step_id in step_ids:
        if _known(tx, step_id).reason:
            continue
        with suppress(Refused), tx.savepoint():
            confirm_step(tx, action_id=next(new_action_id), who=who, step_id=step_id)
            booked += 1
    return booked


def _source(shelf: Shelf) -> str:
    """Name who acts where a shelf does: what it books can be told apart from what people did."""
    return f"shelf {shelf.name}"[:PERSON_CHARACTERS_MAX]


def _known(tx: Transaction, step_id: int) -> KeptStep:
    step = find_step(tx.connection, step_id)
    if step is None:
        raise Refused(
            "shelf.no_step",
            N_("There is no step {number}."),
            N_("See what waits with: larder shelf"),
            number=step_id,
        )
    return step


def _what(tx: Transaction, step: KeptStep, item_id: str | None, units: int | None) -> tuple[str, int]:
    """Return what a step is booked as: what was said, else what it proposes."""
    first = step.candidates[0]
    if units is None and item_id is None:
        if step.reason or first.item_id == NOTHING:
            raise Refused(
                "shelf.question",
                N_("Step {number} of {shelf} is a question: nobody knows what it was."),
                N_("Look at the shelf and say how many units: --units -2 for taken, 2 for put; or dismiss it."),
                number=step.step_id,
                shelf=step.shelf,
            )
        return first.item_id, first.units
    found = item_id or _only_item(tx, step)
    count = units if units is not None else _likeliest_units(step, found)
    if count == 0 or abs(count) > UNITS_MAX:
        raise Refused(
            "shelf.units",
            N_("A step is at least one unit and at most {most}."),
            N_("Where nothing was moved, dismiss it."),
            most=UNITS_MAX,
        )
    return found, count


def _only_item(tx: Transaction, step: KeptStep) -> str:
    items = [item for shelf in shelves(tx.connection) if shelf.name == step.shelf for item in shelf.items]
    if len(items) == 1:
        return items[0].item_id
    first = step.candidates[0]
    if not step.reason and first.item_id != NOTHING:
        return first.item_id
    raise Refused(
        "shelf.which_item",
        N_("The shelf {shelf} has several items."),
        N_("Say which one it was: --item ITEM"),
        shelf=step.shelf,
    )


def _likeliest_units(step: KeptStep, item_id: str) -> int:
    return next((candidate.units for candidate in step.candidates if candidate.item_id == item_id), 0)


def _book(
    tx: Transaction, step: KeptStep, item_id: str, units: int, *, action_id: bytes, who: int, yes: frozenset[str]
) -> tuple[Sold | None, int]:
    if units < 0:
        return (
            sell(tx, action_id=action_id, who=who, item_id=item_id, quantity_milli=-units * _MILLI, yes=yes),
            0,
        )
    back = _put_back(tx, step, item_id, units * _MILLI)
    if not back:
        return None, 0
    appender = Appender(tx)
    basis, reason = int(Basis.ASSUMED), int(DiscardReason.NONE)
    events = [appender.append(Moved(lot, int(MoveKind.ADJUST), milli, None, basis, reason), who) for lot, milli in back]
    finish(tx, events, action_id=action_id, verb="adjust", who=who)
    return None, sum(milli for _lot, milli in back)


def _put_back(tx: Transaction, step: KeptStep, item_id: str, put_milli: int) -> list[tuple[Dot, int]]:
    """Return which lots the units that were put come back into, none where they are a refill."""
    at = "coalesce(at_ms, noticed_ms)"
    last = tx.connection.execute(
        f"SELECT s.id, s.action_id FROM shelf_step s JOIN action a USING (action_id) WHERE shelf = ? AND item_id = ?"
        f" AND state = ? AND units < 0 AND id < ? AND a.undone_by IS NULL"
        f" AND abs({at} - (SELECT {at} FROM shelf_step WHERE id = ?)) <= ? ORDER BY id DESC LIMIT 1",
        (step.shelf, item_id, CONFIRMED, step.step_id, step.step_id, PUT_BACK_WITHIN_MS),
    ).fetchone()
    action = find_action(tx.connection, bytes(last[1])) if last is not None else None
    if action is None:
        return []
    (came_back_milli,) = tx.connection.execute(
        "SELECT coalesce(sum(back_milli), 0) FROM shelf_step LEFT JOIN action a USING (action_id)"
        " WHERE shelf = ? AND item_id = ? AND state = ? AND id > ? AND a.undone_by IS NULL",
        (step.shelf, item_id, CONFIRMED, last[0]),
    ).fetchone()
    gone = [each for each in movements_of_action(tx.connection, action) if each.quantity_milli < 0]
    if put_milli + came_back_milli > -sum(movement.quantity_milli for movement in gone):
        return []
    return _from_last(gone, came_back_milli, put_milli)


def _from_last(gone: list[Movement], came_back_milli: int, put_milli: int) -> list[tuple[Dot, int]]:
    """Return from which lots so much comes back, the one taken from last first, behind what came back already."""
    back: list[tuple[Dot, int]] = []
    for movement in reversed(gone):
        skipped = min(came_back_milli, -movement.quantity_milli)
        came_back_milli -= skipped
        milli = min(-movement.quantity_milli - skipped, put_milli)
        put_milli -= milli
        if milli > 0:
            back.append((movement.lot_id, milli))
    return back
