"""Peers (F8): the other markets, the hand-overs with them, what they could spare. What is shown has its age."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical

from node.actions.requests import ask
from node.clock import Moment
from node.errors import N_
from node.language import _
from node.ledger.read import TransferRow
from node.ledger.read.peers import PeerRow
from node.text import safe_text
from node.tui import peer_queries
from node.tui.deciding import Decisions
from node.tui.handing import Steps
from node.tui.keys import PEERS, Facts, bindings_of
from node.tui.offering import ask_and_offer
from node.tui.peer_queries import PeersView, SpareView
from node.tui.screens.base import FactScreen
from node.tui.screens.peers_words import (
    NO_PEER,
    peer_row,
    spare_lines,
    transfer_lines,
    transfer_row,
    transfers_heading,
    trouble_lines,
)
from node.tui.status import Status
from node.tui.steps import steps_of
from node.tui.widgets.marked_table import Column, MarkedTable, Row
from node.tui.widgets.words import Words

SYNC_REQUEST = "sync"
LINE_CELLS = 200


class PeersScreen(FactScreen):
    """The other markets."""

    name_of_keys = PEERS
    title_words = N_("Peers and transfers")
    BINDINGS = bindings_of(PEERS)
    AUTO_FOCUS = "#transfers"
    # Here and not in the style sheet of all screens: read with the first visit, not with the first paint of Home.
    CSS = """
    #peers-lists { height: 1fr; }
    #peers { height: auto; max-height: 6; min-height: 2; }
    #transfers-heading { height: 1; text-wrap: nowrap; }
    #transfers { min-height: 3; }
    PeersScreen #detail { max-height: 8; }
    PeersScreen.-low #detail { max-height: 4; }
    PeersScreen.-wide #peers-body { layout: horizontal; }
    PeersScreen.-wide #peers-lists { width: 80; }
    PeersScreen.-wide #detail { height: 1fr; max-height: 100%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._view: PeersView | None = None
        self._spare: SpareView | None = None
        self._wanted = ""
        self._asked: int | None = None
        self._drawn: Status | None = None
        self._decisions = Decisions(self.app)
        self._steps = Steps(self.app, self._decisions)

    def compose_body(self) -> ComposeResult:
        """Yield the two lists and the detail of what is selected in them."""
        with Vertical(id="peers-body"):
            with Vertical(id="peers-lists"):
                yield MarkedTable(
                    [
                        Column(_("Peer"), 18),
                        Column(_("State"), 13),
                        Column(_("Last seen"), 11),
                        Column(_("Behind"), 8, drops=4),
                        Column(_("We lack"), 8, drops=3),
                        Column(_("Link"), 6, drops=2),
                        Column(_("Clock"), 12, drops=1),
                    ],
                    id="peers",
                )
                yield Words(id="transfers-heading")
                yield MarkedTable(
                    [
                        Column(_("No"), 11),
                        Column(_("Way"), 5, drops=1),
                        Column(_("Peer"), 13, drops=2),
                        Column(_("What"), 20),
                        Column(_("State"), 26),
                    ],
                    id="transfers",
                )
            yield Words(id="detail")

    def facts(self) -> Facts:
        """Say what the keys depend on."""
        row = self._transfer()
        has_peers = self._view is not None and any(not peer.is_retired for peer in self._view.peers)
        steps = steps_of(row) if row is not None else frozenset()
        return Facts(has_selection=row is not None, can_go_back=True, has_peers=has_peers, steps=steps)

    def show_transfer(self, transfer_id: str) -> None:
        """Select this hand-over, once it is there to be selected."""
        self._wanted = transfer_id
        if self._view is not None:
            self._draw(self.app.now())

    def ask_again(self) -> None:
        """Read the markets and the hand-overs again."""
        asked = self._asked
        self.app.look_up(
            lambda connection: peer_queries.peers_view(connection, self.app.places, self.app.now(), asked),
            self._have,
            group="peers",
        )

    def on_tick(self, status: Status, moment: Moment) -> None:
        """Let the ages grow; larder-node's word about its connections comes in a file, with the status."""
        self._draw(moment)
        if status is not self._drawn:
            self._drawn = status
            self.ask_again()

    # Keys.

    def do_offer(self) -> None:
        """Offer a part of a lot of ours."""
        self.app.in_background(partial(ask_and_offer, self.app, self._decisions), "dialog")

    def do_accept(self) -> None:
        """Take up the selected offer."""
        self._take(self._steps.accept)

    def do_send(self) -> None:
        """Let the selected goods leave."""
        self._take(self._steps.send)

    def do_acknowledge(self) -> None:
        """Confirm what came."""
        self._take(self._steps.receive)

    def do_take_back(self) -> None:
        """Cancel, withdraw or refuse the selected hand-over."""
        self._take(self._steps.take_back)

    def do_book(self) -> None:
        """Book what is still on the way."""
        self._take(self._steps.book)

    def do_sync(self) -> None:
        """Ask larder-node to exchange facts now."""
        self.app.write(_("ask for sync"), lambda tx: ask(tx, SYNC_REQUEST, {}), self._is_asked)

    def _take(self, step: Callable[[TransferRow], Coroutine[Any, Any, None]]) -> None:
        row = self._transfer()
        if row is not None:
            self.app.in_background(partial(step, row), "dialog")

    def _is_asked(self, number: int) -> None:
        self._asked = number
        if self.app.status is not None and self.app.status.node.state == "here":
            self.say(_("Asked. The answer comes here."))
        else:
            self.say(_("Asked; larder-node is away, and nothing is lost: it exchanges facts when it is back."))

    # Drawing.

    def _have(self, view: PeersView) -> None:
        self._view = view
        self._draw(self.app.now())
        self._look_up_spare()
        if view.answer is not None:
            self._asked = None
            self.say(_("larder-node says: {answer}").format(answer=safe_text(view.answer, 120)))

    def _draw(self, moment: Moment) -> None:
        view = self._view
        if view is None:
            return
        later_s = self._later_s(moment)
        peer_rows = [peer_row(peer, view.live, moment, later_s) for peer in view.peers]
        self.query_one("#peers", MarkedTable).set_rows(peer_rows or [Row("", (_("none"), "", "", "", "", "", ""))])
        transfers = self.query_one("#transfers", MarkedTable)
        transfers.set_rows([transfer_row(row) for row in view.transfers])
        if self._wanted:
            transfers.select(self._wanted)
            self._wanted = ""
        heading = self.query_one("#transfers-heading", Words)
        heading.show(transfers_heading(view, heading.size.width or self.size.width))
        self._draw_detail(moment)

    def _draw_detail(self, moment: Moment) -> None:
        view = self._view
        if view is None:
            return
        detail = self.query_one("#detail", Words)
        width = max(20, (detail.size.width or self.size.width) - 2)
        lines = []
        row = self._transfer()
        if row is not None:
            lines += transfer_lines(row)
        elif view.peers:
            lines.append(_("No hand-over yet. o offers a part of a lot to another market."))
        peer = self._peer()
        if peer is None:
            lines.append(_(NO_PEER))
        elif self._spare is not None and self._spare.origin == peer.origin:
            lines += spare_lines(self._spare, peer.name, self._later_s(moment), width)
        lines += trouble_lines(view)
        detail.show("\n".join(f" {safe_text(line, LINE_CELLS)}" for line in lines))

    def on_data_table_row_highlighted(self) -> None:
        """Show what was selected in either list."""
        if self._view is not None:
            self._draw_detail(self.app.now())
            self._look_up_spare()

    def _look_up_spare(self) -> None:
        peer = self._peer()
        if peer is not None:
            origin = peer.origin
            self.app.look_up(
                lambda connection: peer_queries.spare_view(connection, origin, self.app.now()),
                self._have_spare,
                group="spare",
            )

    def _have_spare(self, spare: SpareView) -> None:
        self._spare = spare
        self._draw_detail(self.app.now())

    def _later_s(self, moment: Moment) -> float:
        return max(0, moment.boottime_ms - self._view.read_at_ms) / 1000 if self._view is not None else 0.0

    def _peer(self) -> PeerRow | None:
        key = self.query_one("#peers", MarkedTable).selected_key
        peers = self._view.peers if self._view is not None else ()
        return next((peer for peer in peers if peer.node_id == key), None)

    def _transfer(self) -> TransferRow | None:
        key = self.query_one("#transfers", MarkedTable).selected_key
        rows = self._view.transfers if self._view is not None else ()
        return next((row for row in rows if str(row.transfer_id) == key), None)
