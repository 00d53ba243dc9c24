"""What Peers says, as rows and plain lines: the other markets, the hand-overs, what could be spared.

Pure text from values; the widgets are in `peers.py`. Never says that two markets have the same facts.
"""

from __future__ import annotations

from node.clock import Moment
from node.errors import N_
from node.language import _, ngettext
from node.ledger.read import TransferRow
from node.ledger.read.peers import PeerRow
from node.ledger.read.transfers import WAY_IN
from node.sync.health import SyncHealth
from node.text import safe_text
from node.tui.handing import PEER_CELLS
from node.tui.peer_queries import PeersView, SpareView
from node.tui.sentences import NAME_CELLS, quantity_text
from node.tui.sharing import blocks_text, clock_text, heard_text, peer_state, refusal_texts, retirement_text
from node.tui.text import age_text, both_ends, temperature_text
from node.tui.widgets.marked_table import Row

OWN_BROKER = "own"
NARROW_WIDTH = 76  # of the heading; below it there is room for the outbox alone
NO_PEER = N_("No other market yet. Pair one with: larder pair card")


def peer_row(peer: PeerRow, live: SyncHealth | None, moment: Moment, later_s: float) -> Row:
    """Return the line of one market: how it is, heard when, what it lacks, what we lack, its broker, its clock."""
    cells = (
        peer.name,
        peer_state(peer, later_s),
        heard_text(peer, moment, later_s),
        blocks_text(peer.missing_there),
        blocks_text(peer.missing_here),
        _link_text(peer, live),
        clock_text(peer),
    )
    return Row(peer.node_id, cells)


def _link_text(peer: PeerRow, live: SyncHealth | None) -> str:
    """Say whether its broker is reached from here: `up`, `down`, `-` where nobody tries, `?` where nobody says."""
    if live is None:
        return "?" if peer.is_paired else "-"
    links = [link for link in live.links if link.name == peer.node_id]
    if not links:
        return "-"
    return _("up") if any(link.is_up for link in links) else _("down")


def transfer_row(row: TransferRow) -> Row:
    """Return the line of one hand-over."""
    cells = (
        row.number,
        _("in") if row.way == WAY_IN else _("out"),
        row.peer_name,
        f"{safe_text(row.item_name, NAME_CELLS)} {quantity_text(row.quantity_milli, row.unit)}",
        ("! " if row.flags else "") + _(row.words),
    )
    return Row(str(row.transfer_id), cells)


def transfers_heading(view: PeersView, width: int) -> str:
    """Return the line above the hand-overs: their number, and how many of our facts nobody has confirmed."""
    waiting = ngettext("{count} event in outbox", "{count} events in outbox", view.outbox).format(count=view.outbox)
    if view.seen.of and width >= NARROW_WIDTH:
        waiting += _(", signed ones seen by {have} of {all}").format(have=view.seen.have, all=view.seen.of)
    return " " + both_ends(_("TRANSFERS   [Tab] other list"), waiting, max(1, width - 2))


def transfer_lines(row: TransferRow) -> list[str]:
    """Return everything about the selected hand-over."""
    way = _("{number} in from {peer}") if row.way == WAY_IN else _("{number} out to {peer}")
    lines = [
        _("{way}: {item} {quantity}, lot {lot}").format(
            way=way.format(number=row.number, peer=safe_text(row.peer_name, PEER_CELLS)),
            item=safe_text(row.item_name, NAME_CELLS),
            quantity=quantity_text(row.quantity_milli, row.unit),
            lot=safe_text(row.lot_label, 20),
        ),
        _(row.words),
    ]
    lines += [f"! {_(words)}" for words in row.flag_words]
    more = []
    if row.limit_milli_c is not None and row.is_open:
        more.append(_("keep at or below {limit}").format(limit=temperature_text(row.limit_milli_c)))
    if row.carrier:
        more.append(_("carried by {name}").format(name=safe_text(row.carrier, PEER_CELLS)))
    if row.reason:
        more.append(_("they say: {reason}").format(reason=safe_text(row.reason, 60)))
    return [*lines, ", ".join(more)] if more else lines


def spare_lines(view: SpareView, name: str, later_s: float, width: int) -> list[str]:
    """Return what a market could spare, with the age of that knowledge."""
    market = safe_text(name, PEER_CELLS)
    if view.heard is None:
        return [_("SPARE AT {market}: nothing was ever heard from it.").format(market=market)]
    age = age_text(view.heard.age_s, later_s if view.heard.is_live else 0.0)
    heading = _("SPARE AT {market}, as heard {age} ago").format(market=market, age=age)
    if not view.rows:
        return [heading, _("  nothing")]
    if not all(row.is_date_checked for row in view.rows):
        heading += _(", dates not checked")
    parts = [f"{safe_text(row.item_name, 24)} {quantity_text(row.spare_milli, row.unit)}" for row in view.rows]
    if view.count > len(view.rows):
        parts.append(_("and {count} more").format(count=view.count - len(view.rows)))
    return [heading, *_wrapped(parts, width)]


def trouble_lines(view: PeersView) -> list[str]:
    """Return what a person should know about what came from outside, empty where there is nothing."""
    if view.retirement is not None:
        lines = [f"! {retirement_text(view.retirement)}"]
    else:
        lines = [f"! {words}" for words in refusal_texts(view.peers, view.live)]
    for link in view.live.links if view.live is not None else []:
        if not link.is_up and link.name == OWN_BROKER:
            words = _("! the broker of this market ({address}) is away: {reason}")
            lines.append(words.format(address=link.address, reason=link.reason or "?"))
    if view.live is not None and view.live.is_rolled_back:
        lines.append(_("! this market's log was set back to an earlier state; what follows begins a new stream"))
    if view.refused:
        lines.append(
            ngettext(
                "{count} thing from outside was refused; see larder peers",
                "{count} things from outside were refused; see larder peers",
                view.refused,
            ).format(count=view.refused)
        )
    if view.unknown:
        lines.append(
            ngettext(
                "{count} fact from newer software is not understood: update this market",
                "{count} facts from newer software are not understood: update this market",
                view.unknown,
            ).format(count=view.unknown)
        )
    return lines


def _wrapped(parts: list[str], width: int) -> list[str]:
    """Put parts side by side, in as many lines as they take."""
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]} | {part}" if lines[-1] else f"  {part}"
        if len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(f"  {part}")
    return lines
