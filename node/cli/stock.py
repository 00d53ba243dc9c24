"""`larder stock`, `items`, `lots` and `par`: what is here, what could be, and up to how much to refill."""

from __future__ import annotations

import sqlite3
from datetime import date

import click
import msgspec

from node import clock
from node.actions.checks import judged_day
from node.cli.answers import ItemAnswer, LotAnswer, item_answer, lot_answer
from node.cli.choosing import known_item
from node.cli.desk import Desk, reading, writing
from node.cli.options import as_json, repeatable
from node.cli.output import answer
from node.cli.sentences import allergens_text, lot_line, lot_state, name_text
from node.domain.lots import Lot, date_state
from node.domain.quantity import parse_quantity
from node.domain.words import UNIT_WORDS
from node.language import N_, _, decimal_mark, ngettext
from node.ledger import read
from node.ledger.read.goods import ROWS_MAX
from node.ledger.read.members import Member
from node.tui.sentences import quantity_text
from node.tui.text import age_text

ITEMS_MAX = 50
LOTS_MAX = 100
NO_ITEMS = N_("No items yet. Receive one with: larder receive CODE_OR_NAME QUANTITY")
NO_PAR = "0"
HOLD = N_("HOLD")


class StockRowAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the stock list, quantities in thousandths of `item.unit`. `lots` is null without --lots."""

    item: ItemAnswer
    state: str
    on_hand_milli: int
    available_milli: int
    lot_count: int
    next_use_by: date | None
    next_best_before: date | None
    lots: list[LotAnswer] | None


class StockAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder stock --json` prints. `count` is how many lines there are, `rows` at most 500 of them."""

    format: str = "larder-stock/1"
    count: int
    rows: list[StockRowAnswer]


class ItemAtAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What another market has of an item, in thousandths of `unit`. Usable is neither past its date nor on hold."""

    item_id: str
    name: str
    unit: str
    on_hand_milli: int
    usable_milli: int
    reserved_milli: int
    par_milli: int | None
    spare_milli: int
    lot_count: int
    next_use_by: date | None
    next_best_before: date | None
    is_date_checked: bool


class StockAtAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder stock --at --json` prints. `heard_age_s` is null where nobody can say how old this is."""

    format: str = "larder-stock-at/1"
    market: str
    node_id: str
    is_retired: bool
    heard_ms: int | None
    heard_age_s: int | None
    rows: list[ItemAtAnswer]


class ItemsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder items --json` prints. `is_cut` says that there are more."""

    format: str = "larder-items/1"
    items: list[ItemAnswer]
    is_cut: bool


class LotsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder lots --json` prints: the lots of an item, first expired first."""

    format: str = "larder-lots/1"
    item: ItemAnswer
    lots: list[LotAnswer]
    is_cut: bool


class ParAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder par --json` prints."""

    format: str = "larder-par/1"
    saved: bool = True
    action_id: str
    item: ItemAnswer


@click.command("stock", help=_("Show what is on hand. TEXT narrows by words of the name."))
@click.argument("text", nargs=-1)
@click.option("--show", type=click.Choice(("all", "low", "expiring")), default="all", help=_("Only some of it."))
@click.option("--lots", "with_lots", is_flag=True, help=_("Show the lots of each item, too."))
@click.option("--at", "market_named", metavar="MARKET", help=_("What another market had when it was last heard."))
@as_json
@click.pass_obj
def stock_verb(desk: Desk, text: tuple[str, ...], show: str, with_lots: bool, market_named: str | None) -> None:
    """Print the stock list, at most 500 lines of it."""
    words, today = " ".join(text), judged_day(clock.now())
    if market_named is not None:
        if show != "all" or with_lots:
            raise click.UsageError(_("--at goes with words of the name alone"))
        _stock_at(desk, market_named, words)
        return
    with reading(desk) as connection:
        rows = read.stock(connection, words, show, today=today)
        count = len(rows)
        if count >= ROWS_MAX:
            count = read.stock_count(connection, words, show, today=today)
        lots = {row.item.item_id: _lots(connection, row.item, today) for row in rows} if with_lots else {}
    value = StockAnswer(count=count, rows=[_row_answer(row, lots.get(row.item.item_id)) for row in rows])
    answer(desk, value, _stock_lines(rows, lots, count, is_narrowed=bool(words) or show != "all"))


@click.command("items", help=_("Find items by words of their name or by their number, starter foods included."))
@click.argument("text", nargs=-1)
@as_json
@click.pass_obj
def items_verb(desk: Desk, text: tuple[str, ...]) -> None:
    """Print the items that match, at most 50."""
    with reading(desk) as connection:
        # One more than is shown, to know whether there are more.
        found = read.find_items(connection, " ".join(text), ITEMS_MAX + 1)
    shown, is_cut = found[:ITEMS_MAX], len(found) > ITEMS_MAX
    lines = [item_line(item) for item in shown] or [_("Nothing is known by that. Look for fewer or shorter words.")]
    if is_cut:
        lines.append(_("{count} shown and there are more, add words to narrow").format(count=len(shown)))
    answer(desk, ItemsAnswer(items=[item_answer(item) for item in shown], is_cut=is_cut), lines)


@click.command("lots", help=_("Show the lots of an item, first expired first."))
@click.argument("code_or_name")
@as_json
@click.pass_obj
def lots_verb(desk: Desk, code_or_name: str) -> None:
    """Print the lots of one item, at most 100."""
    today = judged_day(clock.now())
    with reading(desk) as connection:
        item = known_item(connection, code_or_name)
        found = _lots(connection, item, today, LOTS_MAX + 1)
    shown, is_cut = found[:LOTS_MAX], len(found) > LOTS_MAX
    lines = [lot_line(lot, state) for lot, state in shown]
    if not lines:
        lines = [_("out {name}: no lot with anything on hand").format(name=name_text(item.name))]
    if is_cut:
        lines.append(_("the first {count}; there are more").format(count=len(shown)))
    value = LotsAnswer(item=item_answer(item), lots=[lot_answer(lot, state) for lot, state in shown], is_cut=is_cut)
    answer(desk, value, lines)


@click.command("par", help=_("Set up to how much this market refills an item; 0 for not at all."))
@click.argument("code_or_name")
@click.argument("quantity")
@repeatable
@as_json
@click.pass_obj
def par_verb(desk: Desk, code_or_name: str, quantity: str, action_id: bytes) -> None:
    """Set a par level and print it."""
    from node.actions.items import set_par

    with writing(desk) as market:
        item = known_item(market.reader, code_or_name)
        par_milli = 0 if quantity.strip() == NO_PAR else parse_quantity(quantity, item.unit, decimal_mark())
        changed = market.act(
            "par", lambda tx, who: set_par(tx, action_id=action_id, who=who, item_id=item.item_id, par_milli=par_milli)
        )
        line = _("saved: par level of {name} is {quantity}").format(
            name=name_text(changed.name), quantity=quantity_text(par_milli, changed.unit)
        )
        answer(desk, ParAnswer(action_id=action_id.hex(), item=item_answer(changed)), [line])


def _stock_at(desk: Desk, market_named: str, words: str) -> None:
    # Loaded only here: our own stock needs nothing of other markets.
    from node.cli.transfer_words import known_market

    moment = clock.now()
    with reading(desk) as connection:
        member = known_market(connection, market_named)
        heard = read.last_heard(connection, member.origin, moment)
        rows = read.stock_at(connection, member.origin, today=judged_day(moment), text=words)
    value = StockAtAnswer(
        market=member.name,
        node_id=member.node_id,
        is_retired=member.is_retired,
        heard_ms=heard.wall_ms if heard else None,
        heard_age_s=heard.age_s if heard else None,
        rows=[_at_answer(row) for row in rows],
    )
    answer(desk, value, [_heard_line(member, heard), *(_at_line(row) for row in rows)])


def _heard_line(member: Member, heard: read.LastHeard | None) -> str:
    if member.is_us:
        return _("{market} is this market").format(market=name_text(member.name))
    if heard is None:
        return _("{market}: nothing has been heard of it yet").format(market=name_text(member.name))
    if heard.age_s is None:
        words = _("{market}, as last heard; nobody can say when, the clock is not set")
        return words.format(market=name_text(member.name))
    words = _("RETIRED {market}, as heard {age} ago") if member.is_retired else _("{market}, as heard {age} ago")
    return words.format(market=name_text(member.name), age=age_text(heard.age_s))


def _at_line(row: read.SpareRow) -> str:
    """Return one line about what another market has: `Rice 40 kg, to spare 20 kg, par 20 kg, use by 2026-11-27`."""
    parts = [
        f"{name_text(row.item_name)} {quantity_text(row.on_hand_milli, row.unit)}",
        _("to spare {quantity}").format(quantity=quantity_text(row.spare_milli, row.unit)),
    ]
    if row.usable_milli != max(0, row.on_hand_milli):
        parts.append(_("usable {quantity}").format(quantity=quantity_text(row.usable_milli, row.unit)))
    if row.reserved_milli:
        parts.append(_("reserved {quantity}").format(quantity=quantity_text(row.reserved_milli, row.unit)))
    if row.par_milli is not None:
        parts.append(_("par {quantity}").format(quantity=quantity_text(row.par_milli, row.unit)))
    if row.next_use_by is not None:
        parts.append(_("use by {day}").format(day=row.next_use_by.isoformat()))
    elif row.next_best_before is not None:
        parts.append(_("best before {day}").format(day=row.next_best_before.isoformat()))
    if not row.is_date_checked:
        parts.append(_("dates not checked"))
    return ", ".join(parts)


def _at_answer(row: read.SpareRow) -> ItemAtAnswer:
    return ItemAtAnswer(
        item_id=row.item_id,
        name=row.item_name,
        unit=UNIT_WORDS[row.unit],
        on_hand_milli=row.on_hand_milli,
        usable_milli=row.usable_milli,
        reserved_milli=row.reserved_milli,
        par_milli=row.par_milli,
        spare_milli=row.spare_milli,
        lot_count=row.lots,
        next_use_by=row.next_use_by,
        next_best_before=row.next_best_before,
        is_date_checked=row.is_date_checked,
    )


def item_line(item: read.Item) -> str:
    """Return one line about an item: `starter Milk (whole), in ml, fridge, allergens: milk, id food/milk-whole`."""
    parts = [name_text(item.name), _("in {unit}").format(unit=UNIT_WORDS[item.unit])]
    if item.storage:
        parts.append(name_text(item.storage))
    parts += [name_text(allergens_text(item)), _("id {item_id}").format(item_id=item.item_id)]
    return f"{_('starter') if item.is_starter else _('item')} {', '.join(parts)}"


def stock_line(row: read.StockRow) -> str:
    """Return one line of the stock list: `LOW Tomato 16.8 kg, par 20 kg, use by 2026-11-27, 2 lots`."""
    unit = row.item.unit
    parts = [f"{_(row.state)} {name_text(row.item.name)} {quantity_text(row.on_hand_milli, unit)}"]
    if row.available_milli != max(0, row.on_hand_milli):
        parts.append(_("available {quantity}").format(quantity=quantity_text(row.available_milli, unit)))
    if row.item.par_milli is not None:
        parts.append(_("par {quantity}").format(quantity=quantity_text(row.item.par_milli, unit)))
    if row.next_use_by is not None:
        parts.append(_("use by {day}").format(day=row.next_use_by.isoformat()))
    elif row.next_best_before is not None:
        parts.append(_("best before {day}").format(day=row.next_best_before.isoformat()))
    parts.append(ngettext("{count} lot", "{count} lots", row.lots).format(count=row.lots))
    return ", ".join(parts)


def _stock_lines(
    rows: list[read.StockRow], lots: dict[str, list[tuple[Lot, str]]], count: int, *, is_narrowed: bool
) -> list[str]:
    if not rows:
        return [_("Nothing in stock matches that.") if is_narrowed else _(NO_ITEMS)]
    lines = []
    for row in rows:
        lines.append(stock_line(row))
        lines += [lot_line(lot, state) for lot, state in lots.get(row.item.item_id, [])]
    if count > len(rows):
        lines.append(_("{shown} of {count}, add words to narrow").format(shown=len(rows), count=count))
    else:
        lines.append(ngettext("{count} item", "{count} items", count).format(count=count))
    return lines


def _lots(
    connection: sqlite3.Connection, item: read.Item, today: date | None, limit: int = LOTS_MAX
) -> list[tuple[Lot, str]]:
    """Return the lots of an item, each with its state word."""
    held = read.held_lots(connection, item.item_id)
    return [
        (lot, HOLD if lot.lot_id in held else lot_state(lot, date_state(lot, today)))
        for lot in read.lots(connection, item.item_id, limit)
    ]


def _row_answer(row: read.StockRow, lots: list[tuple[Lot, str]] | None) -> StockRowAnswer:
    return StockRowAnswer(
        item=item_answer(row.item),
        state=row.state,
        on_hand_milli=row.on_hand_milli,
        available_milli=row.available_milli,
        lot_count=row.lots,
        next_use_by=row.next_use_by,
        next_best_before=row.next_best_before,
        lots=None if lots is None else [lot_answer(lot, state) for lot, state in lots],
    )
