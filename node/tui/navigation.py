"""Where one goes: the places behind the F-keys, the card of an item, the form of a new one.

Screens are built on the first visit and then kept, so that lines and typed text are there again. Home is always at the
bottom; one place is above it, and a card or a dialog above that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.screen import Screen

from node.ledger import read
from node.tui import queries
from node.tui.keys import CARD, COLD, PEERS, PLAN, RECEIVE, SELL, SENSORS, SHELVES, STOCK
from node.tui.scanning import Scanning
from node.tui.screens.base import FactScreen
from node.tui.screens.home import HomeScreen


def _build_receive() -> FactScreen:
    from node.tui.screens.receive import ReceiveScreen

    return ReceiveScreen()


def _build_sell() -> FactScreen:
    from node.tui.screens.sell import SellScreen

    return SellScreen()


def _build_stock() -> FactScreen:
    from node.tui.screens.stock import StockScreen

    return StockScreen()


def _build_cold() -> FactScreen:
    from node.tui.screens.cold import ColdScreen

    return ColdScreen()


def _build_card() -> FactScreen:
    from node.tui.screens.card import CardScreen

    return CardScreen()


def _build_plan() -> FactScreen:
    from node.tui.screens.plan import PlanScreen

    return PlanScreen()


def _build_peers() -> FactScreen:
    from node.tui.screens.peers import PeersScreen

    return PeersScreen()


def _build_sensors() -> FactScreen:
    from node.tui.screens.sensors import SensorsScreen

    return SensorsScreen()


def _build_shelves() -> FactScreen:
    from node.tui.screens.shelves import ShelvesScreen

    return ShelvesScreen()


def _fact_screen(screen: Screen[Any]) -> FactScreen:
    assert isinstance(screen, FactScreen)
    return screen


class Navigation(Scanning):
    """The part of the app that knows the places."""

    SCREENS: ClassVar[dict[str, Callable[[], Screen[Any]]]] = {
        RECEIVE: _build_receive,
        SELL: _build_sell,
        STOCK: _build_stock,
        COLD: _build_cold,
        CARD: _build_card,
        PLAN: _build_plan,
        PEERS: _build_peers,
        SENSORS: _build_sensors,
        SHELVES: _build_shelves,
    }

    def get_default_screen(self) -> HomeScreen:
        """Begin on Home."""
        return HomeScreen(id="_default")

    def go(self, name: str) -> FactScreen:
        """Go to a place and return it."""
        place = _fact_screen(self.get_screen(name))
        while len(self.screen_stack) > 2:
            self.pop_screen()
        if len(self.screen_stack) == 1:
            self.push_screen(place)
        elif self.screen is not place:
            self.switch_screen(place)
        return place

    def go_back(self) -> None:
        """Leave the screen in front, unless it is Home."""
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def do_receive(self) -> None:
        """Go to Receive."""
        self.go(RECEIVE)

    def do_sell(self) -> None:
        """Go to Sell."""
        self.go(SELL)

    def do_stock(self) -> None:
        """Go to Stock."""
        self.go(STOCK)

    def do_cold(self) -> None:
        """Go to Cold."""
        self.go(COLD)

    def do_plan(self) -> None:
        """Go to Plan."""
        self.go(PLAN)

    def do_peers(self) -> None:
        """Go to Peers."""
        self.go(PEERS)

    def do_sensors(self) -> None:
        """Go to Sensors."""
        self.go(SENSORS)

    def do_shelves(self) -> None:
        """Go to Shelves."""
        self.go(SHELVES)

    def do_search(self) -> None:
        """Search on Stock, from every screen that has no search of its own."""
        from node.tui.screens.stock import StockScreen

        stock = self.go(STOCK)
        assert isinstance(stock, StockScreen)
        stock.call_after_refresh(stock.do_search)

    def show_stock(self, show: str) -> None:
        """Go to Stock with a filter."""
        from node.tui.screens.stock import StockScreen

        stock = self.go(STOCK)
        assert isinstance(stock, StockScreen)
        stock.show_only(show)

    def show_transfer(self, transfer_id: str) -> None:
        """Go to Peers with this hand-over selected; empty for no one in particular."""
        from node.tui.screens.peers import PeersScreen

        peers = self.go(PEERS)
        assert isinstance(peers, PeersScreen)
        peers.show_transfer(transfer_id)

    def open_card(self, item_id: str) -> None:
        """Lay the card of an item over the screen in front; a card that is open shows the new item."""
        from node.tui.screens.card import CardScreen

        card = self.get_screen(CARD)
        assert isinstance(card, CardScreen)
        card.show_item(item_id)
        if card not in self.screen_stack:
            self.push_screen(card)

    def open_scanned(self, text: str) -> None:
        """Open the card of what was scanned, or say that it is not known."""

        def have(found: queries.Found) -> None:
            if len(found.items) == 1:
                self.open_card(found.items[0].item_id)
                return
            self.front.not_known(text, found.gtin14)

        self.look_up(lambda connection: queries.find(connection, text), have, group="scan")

    def receive_item(self, item: read.Item | None) -> None:
        """Go to Receive with this item in the form."""
        from node.tui.screens.receive import ReceiveScreen

        place = self.go(RECEIVE)
        assert isinstance(place, ReceiveScreen)
        if item is not None:
            place.call_after_refresh(place.take_item, item)

    def name_new_item(self, gtin14: str | None) -> None:
        """Ask for a new item, and receive it next."""
        from node.tui.dialogs.new_item import NewItem

        def named(item: read.Item | None) -> None:
            if item is not None:
                self.receive_item(item)

        self.push_screen(NewItem(gtin14), named)
