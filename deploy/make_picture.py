"""Draw Home, Peers, Plan and Shelves of small made markets as SVG. Not a test: the goldens of the screen are text.

The markets, their clock and their cold storage are made up and stand still, so a picture only changes with the screen.
Peers and Plan use the markets of the goldens.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

from node import clock
from node.actions import goods, items
from node.actions.founding import create_market
from node.actions.ids import new_action_id
from node.actions.keeping import open_market
from node.clock import ClockQuality, Moment
from node.cold.watch import ColdUnit, ColdView
from node.domain.words import Unit
from node.health import write_heartbeat
from node.ledger.store import Transaction
from node.places import Places
from node.tui import queries
from node.tui.app import LarderApp
from tests.node.tui.builders import a_moment
from tests.node.tui.driving import press, shows
from tests.node.tui.kitchens import a_kitchen
from tests.node.tui.neighbours import an_offer_to_us, neighbours, on_the_way_to_us
from tests.node.tui.test_golden import on_plan
from tests.node.tui.test_shelves import Shop, on_shelves

FOLDER = Path(__file__).parent / "picture"
TODAY = date(2026, 11, 22)
NOW = Moment(1_795_374_420_000, ClockQuality.TRUSTED, TODAY, clock.boot_id(), 1_000_000)  # 19:07 UTC
SIZE = (80, 24)
WAIT_S = 20.0
FIXED_ID = "larder"


def make_market(folder: Path) -> Places:
    """Make the market of the picture: a morning's deliveries and a few sales."""
    places = Places(folder)
    create_market(places, name="Harbour St", moment=NOW)
    write_heartbeat(places.node_heartbeat, NOW, state="here", message="")
    store = open_market(places)
    try:
        store.act("picture", _fill)
    finally:
        store.close()
    return places


def _fill(tx: Transaction) -> None:
    for name, unit, received_milli, days, batch, sold_milli, par_milli in (
        ("Milk 1 L", Unit.EACH, 24_000, 0, "M-2288", 12_000, None),
        ("Spinach, fresh", Unit.GRAM, 4_000_000, 0, "S-31", 1_000_000, None),
        ("Rice, brown", Unit.GRAM, 9_000_000, None, "R-7", 5_000_000, 20_000_000),
        ("Lentils, red", Unit.GRAM, 25_000_000, 99, "L-88", 2_500_000, None),
        ("Bread", Unit.EACH, 16_000, 1, "B-1122", 2_000, None),
        ("Tomatoes, loose", Unit.GRAM, 18_000_000, 5, "T-1107", 1_200_000, None),
    ):
        item = items.add_item(tx, action_id=new_action_id(), who=0, name=name, unit=unit)
        goods.receive(
            tx,
            action_id=new_action_id(),
            who=0,
            item_id=item.item_id,
            quantity_milli=received_milli,
            use_by=TODAY + timedelta(days=days) if days is not None else None,
            batch=batch,
        )
        goods.sell(tx, action_id=new_action_id(), who=0, item_id=item.item_id, quantity_milli=sold_milli)
        if par_milli is not None:
            items.set_par(tx, action_id=new_action_id(), who=0, item_id=item.item_id, par_milli=par_milli)


def cold_storage() -> ColdView:
    """Return four units: one too warm, one silent, two that are well."""

    def unit(name: str, now_milli_c: int, **more: object) -> ColdUnit:
        values = dict.fromkeys(("since_s", "decision_in_s"))
        well = {"limit_milli_c": 5_000, "state": "OK", "quality": "GOOD", "reason": "", "age_s": 3, "recent": ()}
        fixed = {"kind": "fridge", "is_kind_assumed": False, "above_s": 0, "unknown_s": 0, "sensor": name}
        return ColdUnit(**{"name": name, "now_milli_c": now_milli_c, **values, **well, **fixed, **more})  # type: ignore[arg-type]

    return ColdView(
        (
            unit("Fridge 2", 7_900, state="HIGH", since_s=1_320, decision_in_s=13_080),
            unit("Cold room", 4_000, quality="STALE", age_s=360),
            unit("Fridge 1", 3_100),
            unit("Freezer", -19_200, limit_milli_c=-18_000),
        ),
        None,
        4,
    )


async def on_home(app: LarderApp) -> None:
    """Wait for the last line of Home."""
    await seen(app, "LAST&#160;CHANGES")


async def on_peers(app: LarderApp) -> None:
    """Go to Peers and wait for its last part."""
    await press(app, "f8")
    await shows(app, "SPARE AT Mill Rd, as heard")


async def seen(app: LarderApp, words: str) -> str:
    """Wait until words are in the picture and return it."""
    deadline_s = clock.monotonic_s() + WAIT_S
    # Hard spaces stay in the picture: viewers fold ordinary ones, and the columns would be gone.
    while words not in (picture := app.export_screenshot(title="larder tui")):
        if clock.monotonic_s() > deadline_s:
            raise TimeoutError(f"{words} never came")
        await asyncio.sleep(0.02)
    return picture


async def draw(places: Places, now: Callable[[], Moment], go: Callable[[LarderApp], Awaitable[None]]) -> str:
    """Start the screen without a terminal, go to a place, and return what is there as SVG."""
    app = LarderApp(places, now=now)
    try:
        async with app.run_test(size=SIZE):
            await seen(app, "LAST&#160;CHANGES")
            await go(app)
            picture = await seen(app, "LARDER")
    finally:
        app.writer.close()
        app.reader.close()
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # a picture fetches nothing
    picture = picture.replace("Fira Code, monospace", "monospace").replace(
        "font-family: arial", "font-family: monospace"
    )
    # Some viewers fold even hard spaces where a line begins.
    picture = picture.replace("<svg ", '<svg xml:space="preserve" ', 1)
    # The library numbers its styles by a checksum of the whole picture.
    return re.sub(r"terminal-\d+", FIXED_ID, picture)


@contextmanager
def a_place(
    name: str, folder: Path
) -> Iterator[tuple[Places, Callable[[], Moment], Callable[[LarderApp], Awaitable[None]]]]:
    """Yield the market of one picture, its clock, and the way to the screen."""
    if name == "home":
        with (
            patch.object(clock, "now", lambda: NOW),
            patch.object(queries, "cold_status", lambda *_arguments, **_options: cold_storage()),
        ):
            yield make_market(folder), lambda: NOW, on_home
    elif name == "peers":
        with neighbours(folder) as both:
            on_the_way_to_us(both)
            an_offer_to_us(both, 4_000_000)
            yield both.us.places, a_moment, on_peers
    elif name == "shelves":
        with patch.object(clock, "now", a_moment):
            shop = Shop(folder)
            shop.weighed(12_000, 11_000, 11_200, 10_700, 11_200, 9_700)
            yield shop.places, a_moment, on_shelves
    else:
        with patch.object(clock, "now", a_moment):
            yield a_kitchen(folder), a_moment, on_plan


def main() -> int:
    """Write the pictures; return the exit code."""
    os.environ["LARDER_THEME"] = "dark"
    os.environ["TZ"] = "UTC"
    os.environ.pop("NO_COLOR", None)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    target.mkdir(exist_ok=True)
    for name in ("home", "peers", "plan", "shelves"):
        with tempfile.TemporaryDirectory() as folder, a_place(name, Path(folder)) as (places, now, go):
            picture = asyncio.run(draw(places, now, go))
        (target / f"{name}.svg").write_text(picture, encoding="utf-8")
        print(target / f"{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
