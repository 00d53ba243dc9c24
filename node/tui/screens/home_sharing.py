"""What Home says of the other markets and the central planner: notices for a person, and the column of peers."""

from __future__ import annotations

from dataclasses import dataclass

from node.clock import ClockQuality, Moment
from node.domain.transfers import State
from node.language import _, ngettext
from node.ledger.read import TransferRow
from node.ledger.read.transfers import WAY_IN
from node.text import safe_text
from node.tui.queries import HomeView
from node.tui.sentences import NAME_CELLS, quantity_text
from node.tui.sharing import heard_text, is_here, peer_state, retirement_text
from node.tui.status import Status
from node.tui.steps import ACCEPT, BOOK, SEND, steps_of
from node.tui.text import column, time_of_day

PEER_CELLS = 30
PEER_ROWS = 3
_NAME_CELLS = 10
_REASON_CELLS = 120
_TRANSFER_LINES = 3


@dataclass(frozen=True, slots=True)
class NowLine:
    """One thing that needs a person: its key (what Enter opens), its kind in a word, its sentence."""

    key: str
    kind: str
    words: str


def sharing_notices(view: HomeView, status: Status, moment: Moment) -> list[NowLine]:
    """Return what a person should know or answer: hand-overs, the planner, what was refused or not understood."""
    lines = [] if view.retirement is None else [NowLine("peers", _("NOTICE"), retirement_text(view.retirement))]
    lines += _waiting(view)
    planner = status.sharing.planner
    if planner.resting == "acknowledge":
        words = _("The central planner proposed what somebody here cannot eat; it is not asked. F6, k when seen.")
        lines.append(NowLine("plan", _("NOTICE"), words))
    elif planner.state == "failing":
        words = _("Central planner not answering. Plans are made here.")
        if moment.quality is not ClockQuality.NOT_SET:
            words = _("Central planner not answering since {time}. Plans are made here.").format(
                time=time_of_day(planner.since_ms, moment.quality)
            )
        lines.append(NowLine("plan", _("NOTICE"), f"{words} {safe_text(planner.reason, _REASON_CELLS)}"))
    if view.refused:
        words = ngettext(
            "{count} thing from outside was refused within a day (larder peers)",
            "{count} things from outside were refused within a day (larder peers)",
            view.refused,
        )
        lines.append(NowLine("peers", _("NOTICE"), words.format(count=view.refused)))
    if view.unknown:
        words = ngettext(
            "{count} fact from newer software is not understood here: update this market",
            "{count} facts from newer software are not understood here: update this market",
            view.unknown,
        )
        lines.append(NowLine("peers", _("NOTICE"), words.format(count=view.unknown)))
    return lines


def transfer_words(row: TransferRow, words: str) -> str:
    """Return a sentence about one hand-over: `Onion 6 kg from Canal: ...`."""
    way = _("{item} {quantity} from {peer}: {words}")
    if row.way != WAY_IN:
        way = _("{item} {quantity} to {peer}: {words}")
    return way.format(
        item=safe_text(row.item_name, NAME_CELLS),
        quantity=quantity_text(row.quantity_milli, row.unit),
        peer=safe_text(row.peer_name, PEER_CELLS),
        words=words,
    )


def peer_rows(status: Status, moment: Moment) -> list[str]:
    """Return the column of the other markets, those that are away last; empty where there is none."""
    sharing, later_s = status.sharing, status.later_s(moment)
    if not sharing.peers:
        return []
    rows = []
    for peer in sorted(sharing.peers, key=lambda peer: not is_here(peer, later_s)):
        age = heard_text(peer, moment, later_s)
        if is_here(peer, later_s):
            words = _("{age} ago").format(age=age)
        elif peer.heard_ms is None:
            words = peer_state(peer, later_s)
        else:
            words = _("away {age}").format(age=age)
        rows.append(f"{column(peer.name, _NAME_CELLS)} {words}")
    if len(rows) > PEER_ROWS:
        rows = [*rows[: PEER_ROWS - 1], _("and {count} more").format(count=len(rows) - PEER_ROWS + 1)]
    return [
        _("PEERS"),
        *rows,
        f"{column(_('Outbox'), _NAME_CELLS)} {_('{count} waiting').format(count=sharing.outbox)}",
    ]


def _waiting(view: HomeView) -> list[NowLine]:
    """Return the hand-overs that wait for us, at most three of them in words."""
    waiting = [row for row in view.transfers if _waits_for_us(row) and not row.flags]
    lines = [
        NowLine(f"transfer/{row.transfer_id}", _("NOTICE"), transfer_words(row, _(row.words)))
        for row in waiting[:_TRANSFER_LINES]
    ]
    more = len(waiting) - len(lines)
    if more > 0:
        words = ngettext("and {count} more hand-over waits", "and {count} more hand-overs wait", more)
        lines.append(NowLine("peers", _("NOTICE"), words.format(count=more)))
    return lines


def _waits_for_us(row: TransferRow) -> bool:
    steps = steps_of(row)
    is_promised = SEND in steps and row.state is State.ACCEPTED
    is_due = row.way == WAY_IN and row.state is State.SENT
    is_left = BOOK in steps and row.state in {State.REFUSED, State.RECEIVED}
    return ACCEPT in steps or is_promised or is_due or is_left
