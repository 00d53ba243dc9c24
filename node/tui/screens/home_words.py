"""What Home says, as plain lines: what needs a person now, today's figures, the cold, the last changes.

Pure text from values; the widgets are in `home.py`. The order of NOW is food at risk, expiry, low stock, notices.
"""

from __future__ import annotations

from node.clock import ClockQuality, Moment
from node.cold.watch import ColdUnit
from node.language import _, ngettext
from node.ledger.read import StockRow, TransferRow
from node.text import safe_text
from node.tui.queries import HOME_LINES_MAX, HomeView, judged_day
from node.tui.screens.home_sharing import PEER_CELLS, NowLine, peer_rows, sharing_notices, transfer_words
from node.tui.sensor_words import due_line
from node.tui.sentences import NAME_CELLS, movement_line, quantity_text
from node.tui.shelf_words import waiting_text
from node.tui.status import WELL, Status
from node.tui.text import age_text, both_ends, column, temperature_text

COLD_ROWS = 4
LEFT_CELLS, MIDDLE_CELLS = 30, 34
THREE_COLUMNS_WIDTH, LEFT_CELLS_OF_THREE = 78, 23
_NAMED_MAX = 3


def now_lines(view: HomeView, status: Status, moment: Moment) -> list[NowLine]:
    """Return what needs a person, the most urgent first, at most 8 lines."""
    lines = [_cold_line(unit, status.later_s(moment)) for unit in status.cold.units if unit.word not in WELL]
    if status.cold.problem is not None:
        lines.append(NowLine("cold", _("COLD"), safe_text(status.cold.problem, 70)))
    lines += _expiry_lines(view, moment)
    lines += [_transfer_line(row, _("LOOK"), _(row.flag_words[0])) for row in view.transfers if row.flags]
    if view.shelf_steps:
        lines.append(NowLine("shelf", _("SHELF"), waiting_text(view.shelf_steps)))
    lines += [_low_line(row, view) for row in view.low]
    lines += sharing_notices(view, status, moment)
    lines += _notices(status, moment)
    if len(lines) > HOME_LINES_MAX:
        more = len(lines) - HOME_LINES_MAX + 1
        rest = ngettext("and {count} more", "and {count} more", more).format(count=more)
        lines = [*lines[: HOME_LINES_MAX - 1], NowLine("more", "", rest)]
    return lines or [NowLine("nothing", _("OK"), _("Nothing needs a person now."))]


def _low_line(row: StockRow, view: HomeView) -> NowLine:
    words = _("{item} {on_hand}, par {par}").format(
        item=safe_text(row.item.name, NAME_CELLS),
        on_hand=quantity_text(row.on_hand_milli, row.item.unit),
        par=quantity_text(row.item.par_milli or 0, row.item.unit),
    )
    elsewhere = view.elsewhere.get(row.item.item_id)
    if elsewhere is not None:
        words += _(" - {market} has {quantity} to spare").format(
            market=safe_text(elsewhere.market, PEER_CELLS), quantity=quantity_text(elsewhere.spare_milli, row.item.unit)
        )
    return NowLine(f"item/{row.item.item_id}", _("LOW"), words)


def _cold_line(unit: ColdUnit, later_s: float) -> NowLine:
    name = safe_text(unit.name, 20)
    if unit.word == unit.quality:
        words = _("{name} {quality}, last reading {age} ago. {reason}").format(
            name=name, quality=unit.quality, age=age_text(unit.age_s, later_s), reason=safe_text(unit.reason or "", 40)
        )
    else:
        words = _("{name} {state} {now} for {since} (limit {limit})").format(
            name=name,
            state=unit.state,
            now=temperature_text(unit.now_milli_c),
            since=age_text(unit.since_s, later_s),
            limit=temperature_text(unit.limit_milli_c),
        )
    if unit.decision_in_s is not None:
        words += _("   decide within {time}").format(time=age_text(unit.decision_in_s))
    # By its sensor: two boards may well call their probes the same.
    return NowLine(f"cold/{unit.sensor}", _("COLD"), words)


def _transfer_line(row: TransferRow, kind: str, words: str) -> NowLine:
    return NowLine(f"transfer/{row.transfer_id}", kind, transfer_words(row, words))


def _expiry_lines(view: HomeView, moment: Moment) -> list[NowLine]:
    if not view.expiring:
        return []
    today = judged_day(moment)
    past = [one for one in view.expiring if today is not None and one.lot.use_by is not None and one.lot.use_by < today]
    lines = []
    for lots, one_word, many_words in (
        (
            past,
            _("{count} lot is past its use-by date: {names}"),
            _("{count} lots are past their use-by date: {names}"),
        ),
        (
            [one for one in view.expiring if one not in past],
            _("{count} lot to use by today: {names}"),
            _("{count} lots to use by today: {names}"),
        ),
    ):
        if lots:
            names = [
                f"{safe_text(one.item_name, 24)} ({quantity_text(one.lot.on_hand_milli, one.lot.unit)})"
                for one in lots[:_NAMED_MAX]
            ]
            if len(lots) > _NAMED_MAX:
                names.append("...")
            template = one_word if len(lots) == 1 else many_words
            words = template.format(count=len(lots), names=", ".join(names))
            lines.append(NowLine("expiring" if lots is not past else "past", _("EXPIRY"), words))
    return lines


def _notices(status: Status, moment: Moment) -> list[NowLine]:
    lines = [NowLine(f"sensors/{each.sensor}", _("NOTICE"), due_line(each)) for each in status.cold.due[:_NAMED_MAX]]
    if moment.quality is ClockQuality.NOT_SET:
        words = _("The clock is not set: look at the date on each label.")
        lines.append(NowLine("clock", _("NOTICE"), words))
    if status.node.state != "here":
        words = _("The node service is away: nothing is shared. Work here goes on.")
        lines.append(NowLine("node", _("NOTICE"), words))
    return lines


def figures(view: HomeView, status: Status, moment: Moment, width: int) -> str:
    """Return the columns: today's figures, the cold, and where there is room the other markets."""
    totals = view.totals
    left = [
        _("TODAY"),
        f"{column(_('Received'), 12)}{_lines(totals.received_lines)}",
        f"{column(_('Sold/issued'), 12)}{_lines(totals.sold_lines)}",
        f"{column(_('Discarded'), 12)}{_lines(totals.discarded_lines)}",
        "",
    ]
    columns = [left, [_("COLD STORAGE"), *_cold_rows(status, status.later_s(moment))]]
    widths = [LEFT_CELLS, MIDDLE_CELLS]
    peers = peer_rows(status, moment)
    if peers and width >= THREE_COLUMNS_WIDTH:
        columns.append(peers)
        widths[0] = LEFT_CELLS_OF_THREE
    height = max(len(rows) for rows in columns)
    lines = []
    for place in range(height):
        parts = [rows[place] if place < len(rows) else "" for rows in columns]
        # One cell stays free, so that neighbours never touch.
        padded = [f"{column(part, cells - 1)} " for part, cells in zip(parts, widths, strict=False)]
        line = f" {''.join([*padded[: len(parts) - 1], parts[-1]])}"
        lines.append(safe_text(line.rstrip(), width))
    return "\n".join(lines)


def _cold_rows(status: Status, later_s: float) -> list[str]:
    units = status.cold.units
    if not units:
        return [(status.cold.problem and safe_text(status.cold.problem, 44)) or _("No sensor has reported yet.")]
    rows = [
        f"{column(unit.name, 12)}{temperature_text(unit.now_milli_c):>7}  {unit.word}"
        + (f" {age_text(unit.age_s, later_s)}" if unit.quality != "GOOD" else "")
        for unit in units
    ]
    if len(rows) <= COLD_ROWS:
        return rows
    return [*rows[: COLD_ROWS - 1], _("and {count} more").format(count=len(rows) - COLD_ROWS + 1)]


def last_changes(view: HomeView, width: int) -> str:
    """Return the last movements under their heading."""
    heading = " " + both_ends(_("LAST CHANGES"), _("[z] undo"), width - 2)
    lines = [f" {movement_line(movement, width - 2)}" for movement in view.last] or [f" {_('Nothing yet.')}"]
    return "\n".join([heading, *lines])


def advice(view: HomeView) -> str:
    """Say what to do next."""
    if not view.has_items:
        return f" {_('No items yet. Scan one, or F2 to receive.')}"
    return f" {_('Scan a barcode, or type / to search.')}"


def _lines(count: int) -> str:
    return ngettext("{count} line", "{count} lines", count).format(count=count)
