"""`larder shelf`: shelves on scales, the steps that wait for a person, and deciding about them; setting one up.

Not the rule of a step and not the reading of a scale: those are the domain's and `node.cold`'s. Before it shows or
decides anything it reads every scale on, so that it is right also while larder-node is stopped.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from node import clock
from node.actions.ids import new_action_id
from node.actions.shelves import Shelf, forget_shelf, parse_grams, set_shelf, shelf_named, shelves
from node.actions.shelves_decided import Confirmed, confirm_step, dismiss_step
from node.actions.shelves_kept import (
    KeptStep,
    begin_mark,
    decided_steps,
    open_steps,
    suspicions,
)
from node.cli.asking import act_after_questions, ask
from node.cli.choosing import known_item
from node.cli.desk import Desk, Writing, reading, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.shelf_answers import (
    ShelfSavedAnswer,
    ShelvesAnswer,
    decided_answer,
    shelf_answer,
    step_answer,
    suspicion_answer,
)
from node.cold.shelf_now import ShelfNow
from node.cold.shelf_scales import ShelfScales, start_of
from node.cold.shelf_tare import HERE, tare
from node.cold.stored import channel_called, telemetry_open
from node.domain.shelf import ShelfItem
from node.errors import N_, NeedsYes, NotSavedNow, Refused
from node.language import _, error_text
from node.ledger import read
from node.ledger.store import Transaction
from node.tui.shelf_words import (
    QUESTION,
    STATE_WORDS,
    candidates_text,
    confirmed_text,
    count_text,
    kg_text,
    shelf_word,
    step_text,
    suspicion_text,
    time_text,
)

DECIDED_SHOWN = 20
SPREAD_PART = 50  # units of packed goods differ by about a fiftieth: an engineering choice
NOTHING_WAITS = N_("nothing waits to be confirmed")
NO_SHELF = N_("no shelf is on a scale; see: larder shelf set --help")


@dataclass(frozen=True, slots=True)
class View:
    """All that the verb shows, as of one look."""

    shelves: list[ShelfNow]
    steps: list[KeptStep]
    names: dict[str, str]
    is_kept: bool


@click.group(
    "shelf",
    invoke_without_command=True,
    help=_("Show every shelf on a scale and what waits to be confirmed; set shelves up."),
)
@click.option("--decided", is_flag=True, help=_("The last steps that were decided, with the ids to undo them by."))
@as_json
@click.pass_context
def shelf_verb(context: click.Context, decided: bool) -> None:
    """Print shelves and steps."""
    if context.invoked_subcommand is not None:
        return
    desk: Desk = context.obj
    with reading(desk) as connection:
        view = _view(desk, connection)
        doubts = suspicions(connection)
        steps = decided_steps(connection, DECIDED_SHOWN) if decided else view.steps
        names = {**view.names, **_names(connection, [each.item_id for each in doubts])}
    wall_ms = clock.now().wall_ms
    value = ShelvesAnswer(
        shelves=[shelf_answer(each, wall_ms) for each in view.shelves],
        steps=[step_answer(each) for each in steps],
        suspicions=[suspicion_answer(each) for each in doubts],
        is_kept=view.is_kept,
    )
    lines = [_shelf_line(each, wall_ms) for each in view.shelves] or [_(NO_SHELF)]
    lines += [_step_line(each, names) for each in steps]
    if view.shelves and not steps:
        lines.append(_(NOTHING_WAITS))
    lines += [_("SUSPICION {what}").format(what=suspicion_text(each, names)) for each in doubts]
    if not view.is_kept:
        lines.append(_("note: new steps could not be kept now; another program writes, or the card takes nothing"))
    answer(desk, value, lines)


@shelf_verb.command(
    "set",
    help=_(
        "Say which scale carries a shelf and what a unit of each item weighs; for several items repeat the options."
    ),
)
@click.argument("shelf")
@click.option("--channel", required=True, metavar="CHANNEL", help=_("The scale: DEVICE/NUMBER or its name."))
@click.option("--item", "items", multiple=True, required=True, metavar="ITEM", help=_("A name, a code or an id."))
@click.option("--unit-weight", "weights", multiple=True, required=True, metavar="GRAMS", help=_("Of one unit."))
@click.option(
    "--spread", "spreads", multiple=True, metavar="GRAMS", help=_("By how much units differ; else a fiftieth.")
)
@click.option("--trust", is_flag=True, help=_("Book probable steps without asking; undo takes them back."))
@repeatable
@as_json
@click.pass_obj
def set_verb(
    desk: Desk,
    shelf: str,
    channel: str,
    items: tuple[str, ...],
    weights: tuple[str, ...],
    spreads: tuple[str, ...],
    trust: bool,
    action_id: bytes,
) -> None:
    """Set a shelf up."""
    if len(weights) != len(items) or len(spreads) not in (0, len(items)):
        raise click.UsageError(_("give --unit-weight, and --spread if at all, once for each --item"))
    with telemetry_open(desk.places) as connection:
        found = channel_called(connection, channel.strip())
    sensor = f"{found.device_uid}/{found.channel}"
    start = start_of(desk.places, sensor)
    unit_mg = [parse_grams(text) for text in weights]
    spread_mg = [parse_grams(text) for text in spreads] or [each // SPREAD_PART for each in unit_mg]
    with writing(desk) as market:
        known = [known_item(market.reader, text).item_id for text in items]
        on_it = tuple(ShelfItem(*each) for each in zip(known, unit_mg, spread_mg, strict=True))

        _catch_up(desk, market)  # by the weights that held until now

        def work(tx: Transaction, who: int) -> Shelf:
            before = {each.name.lower(): each for each in shelves(tx.connection)}
            made = set_shelf(tx, action_id=action_id, who=who, name=shelf, sensor=sensor, items=on_it, is_trusted=trust)
            made = shelf_named(tx.connection, made.name)
            begin_mark(tx, made, start, before=before.get(made.name.lower()))
            return made

        made = market.act("shelf", work)
    said = _("saved: the shelf {shelf} is weighed by {sensor}; probable steps are booked by themselves")
    if not trust:
        said = _("saved: the shelf {shelf} is weighed by {sensor}; each step waits to be confirmed")
    answer(desk, ShelfSavedAnswer(shelf=made.name), [said.format(shelf=made.name, sensor=sensor)])


@shelf_verb.command("tare", help=_("Make the empty shelf its zero. Asks: only you see that it is empty."))
@click.argument("shelf")
@confirmed
@as_json
@click.pass_obj
def tare_verb(desk: Desk, shelf: str, yes: bool) -> None:
    """Tare a shelf."""
    with writing(desk) as market:
        found = shelf_named(market.reader, shelf)
        question = NeedsYes(
            "shelf.tare",
            N_("Taring makes what lies on {shelf} now its zero."),
            N_("Say yes only if the shelf is empty."),
            shelf=found.name,
        )
        ask(question, is_yes=yes)
        kept = tare(desk.places, market.reader, _act_of(market), found, ask_id=new_action_id().hex(), sleep=time.sleep)
    said = _("saved: {shelf} was tared by its board")
    if kept == HERE:
        said = _("saved: {shelf} was tared here, since its scale takes no tare")
    answer(desk, ShelfSavedAnswer(shelf=found.name, zero=kept), [said.format(shelf=found.name)])


@shelf_verb.command("forget", help=_("Stop weighing a shelf; what waits to be confirmed becomes a suspicion."))
@click.argument("shelf")
@repeatable
@as_json
@click.pass_obj
def forget_verb(desk: Desk, shelf: str, action_id: bytes) -> None:
    """End a shelf."""
    with writing(desk) as market:
        market.act("shelf", lambda tx, who: forget_shelf(tx, action_id=action_id, who=who, name=shelf))
    answer(desk, ShelfSavedAnswer(shelf=shelf), [_("saved: {shelf} is weighed no more").format(shelf=shelf)])


@shelf_verb.command(
    "confirm",
    help=_("Confirm a step by its number, as it is proposed or as you say; or all proposals of --shelf."),
)
@click.argument("step", type=click.IntRange(1), required=False)
@click.option("--shelf", metavar="SHELF", help=_("All proposals of this shelf; questions wait on."))
@click.option("--units", type=int, metavar="N", help=_("It was so many: -2 for two taken, 2 for two put."))
@click.option("--item", "item_named", metavar="ITEM", help=_("It was this item."))
@confirmed
@repeatable
@as_json
@click.pass_obj
def confirm_verb(
    desk: Desk,
    step: int | None,
    shelf: str | None,
    units: int | None,
    item_named: str | None,
    yes: bool,
    action_id: bytes,
) -> None:
    """Confirm one step or all of a shelf."""
    if (step is None) == (shelf is None) or (shelf is not None and (units is not None or item_named)):
        raise click.UsageError(_("give the number of a step, or --shelf alone"))
    with writing(desk) as market:
        _catch_up(desk, market)
        if step is not None:
            item_id = known_item(market.reader, item_named).item_id if item_named else None
            done = [_confirm(market, step, action_id, is_yes=yes, units=units, item_id=item_id)]
            left: list[str] = []
        else:
            assert shelf is not None
            name = shelf_named(market.reader, shelf).name
            done, left = _confirm_all(market, name, is_yes=yes)
        names = _names(market.reader, [each.item_id for each in done])
    lines = [
        _("saved: step {number} {what}").format(number=each.step.step_id, what=confirmed_text(each, names))
        for each in done
    ]
    lines += left or ([] if done else [_(NOTHING_WAITS)])
    answer(desk, decided_answer(done, left), lines)


@shelf_verb.command("dismiss", help=_("Say that a step was no movement of goods; or all steps of --shelf."))
@click.argument("step", type=click.IntRange(1), required=False)
@click.option("--shelf", metavar="SHELF", help=_("All that waits of this shelf, questions too."))
@as_json
@click.pass_obj
def dismiss_verb(desk: Desk, step: int | None, shelf: str | None) -> None:
    """Dismiss one step or all of a shelf."""
    if (step is None) == (shelf is None):
        raise click.UsageError(_("give the number of a step, or --shelf alone"))
    with writing(desk) as market:
        _catch_up(desk, market)
        numbers = [step] if step is not None else []
        if shelf is not None:
            numbers = [each.step_id for each in open_steps(market.reader, shelf_named(market.reader, shelf).name)]
        done = [_dismiss(market, number) for number in numbers]
    lines = [_("saved: step {number} of {shelf} dismissed").format(number=s.step_id, shelf=s.shelf) for s in done]
    answer(desk, decided_answer(done, []), lines or [_(NOTHING_WAITS)])


def _confirm(
    market: Writing, step: int, action_id: bytes, *, is_yes: bool, units: int | None, item_id: str | None
) -> Confirmed:
    return act_after_questions(
        market,
        "shelf",
        lambda tx, who, said: confirm_step(
            tx, action_id=action_id, who=who, step_id=step, units=units, item_id=item_id, yes=said
        ),
        is_yes=is_yes,
    )


def _dismiss(market: Writing, step: int) -> KeptStep:
    return market.act("shelf", lambda tx, _who: dismiss_step(tx, step_id=step))


def _confirm_all(market: Writing, shelf: str, *, is_yes: bool) -> tuple[list[Confirmed], list[str]]:
    """Confirm every proposal of a shelf, each in a transaction of its own; say of each that is left why."""
    done: list[Confirmed] = []
    left: list[str] = []
    for step in open_steps(market.reader, shelf):
        if step.reason:
            left.append(_("left: step {number} is a question").format(number=step.step_id))
            continue
        try:
            done.append(_confirm(market, step.step_id, new_action_id(), is_yes=is_yes, units=None, item_id=None))
        except Refused as error:
            message, _hint = error_text(error)
            left.append(_("left: step {number}: {reason}").format(number=step.step_id, reason=message))
    return done, left


def _act_of(market: Writing) -> Callable[[str, Callable[[Transaction], Any]], Any]:
    return lambda purpose, work: market.act(purpose, lambda tx, _who: work(tx))


def _catch_up(desk: Desk, market: Writing) -> None:
    ShelfScales(desk.places, _act_of(market)).catch_up(market.reader, clock.now())


def _view(desk: Desk, connection: sqlite3.Connection) -> View:
    """Read every scale on; the market is opened for writing only where a step settled that is not kept yet."""
    failed: list[NotSavedNow] = []

    def act(purpose: str, work: Callable[[Transaction], Any]) -> Any:
        try:
            with writing(desk) as market:
                return market.act(purpose, lambda tx, _who: work(tx))
        except NotSavedNow as fault:
            failed.append(fault)  # said in the answer; what is kept is shown all the same
            return None

    found = ShelfScales(desk.places, act).catch_up(connection, clock.now())
    steps = open_steps(connection)
    ids = [item.item_id for each in found for item in each.shelf.items]
    ids += [candidate.item_id for step in decided_steps(connection, DECIDED_SHOWN) for candidate in step.candidates]
    ids += [step.item_id for step in decided_steps(connection, DECIDED_SHOWN) if step.item_id]
    ids += [candidate.item_id for step in steps for candidate in step.candidates]
    return View(found, steps, _names(connection, ids), not failed)


def _names(connection: sqlite3.Connection, item_ids: list[str]) -> dict[str, str]:
    found = {item_id: read.item(connection, item_id) for item_id in dict.fromkeys(item_ids) if item_id}
    return {item_id: item.name for item_id, item in found.items() if item is not None}


def _shelf_line(now: ShelfNow, wall_ms: int) -> str:
    how = _("books by itself") if now.shelf.is_trusted else _("asks")
    return _("{phase} {shelf}: {count}, {how}, sensor {sensor}").format(
        phase=shelf_word(now),
        shelf=now.shelf.name,
        count=count_text(now, wall_ms),
        how=how,
        sensor=now.shelf.sensor,
    )


def _step_line(step: KeptStep, names: dict[str, str]) -> str:
    change = kg_text(step.after_mg - step.before_mg, with_sign=True)
    parts = [f"{step.shelf}: {step_text(step, names)}", change, time_text(step.at_ms)]
    if step.state == "open":
        parts.append(_("likely: {candidates}").format(candidates=candidates_text(step.candidates, names)))
        word = _(QUESTION) if step.reason else _("proposed")
    else:
        word = _("taken back") if step.is_undone else _(STATE_WORDS[step.state])
        parts += [_("action {action_id}").format(action_id=step.action_id.hex())] if step.action_id else []
    return f"{word} {step.step_id} " + ", ".join(parts)
