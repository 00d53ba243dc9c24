"""The plain text of every screen and dialog, with a standing clock: what staff see, kept as files to be read.

Set LARDER_GOLDEN=write to write them anew after a wanted change. Refused on another version of the terminal library.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest.mock import patch

import pytest
import textual

from node import clock
from node.cold.watch import ColdUnit, ColdView
from node.domain.diets import Need
from node.health import write_heartbeat
from node.places import Places
from node.tui import queries
from node.tui.app import LarderApp
from tests.node.hand_over import offer
from tests.node.tui.builders import MILK, UNKNOWN, a_market, a_moment
from tests.node.tui.driving import press, scan, settled, shows, steady, the_screen, until, write
from tests.node.tui.kitchens import a_kitchen
from tests.node.tui.neighbours import an_offer_to_us, neighbours, on_the_way_to_us
from tests.node.tui.probes import probes

GOLDEN = Path(__file__).parent / "golden"
TEXTUAL_VERSION = "8.2.8"
SIZES = {"80x24": (80, 24), "120x40": (120, 40), "60x15": (60, 15)}


def a_unit(name: str, **more: object) -> ColdUnit:
    """A fridge that is well, unless said otherwise."""
    values: dict[str, object] = {
        "name": name,
        "sensor": f"a1b2c3d4/{name[-1]}",
        "kind": "fridge",
        "is_kind_assumed": False,
        "now_milli_c": 3_100,
        "limit_milli_c": 5_000,
        "state": "OK",
        "quality": "GOOD",
        "reason": "",
        "age_s": 3,
        "since_s": None,
        "above_s": 0,
        "unknown_s": 0,
        "decision_in_s": None,
        "recent": tuple((age_s, 3_100) for age_s in range(7_190, 0, -10)),
    }
    return ColdUnit(**{**values, **more})  # type: ignore[arg-type]


def a_warm_cold_view() -> ColdView:
    """A fridge that gets warm, one whose sensor is silent, a freezer and a fridge that are well."""
    warming = tuple((age_s, 3_100 if age_s > 2_400 else 3_100 + (2_400 - age_s) * 2) for age_s in range(7_190, 0, -10))
    units = (
        a_unit(
            "Fridge 2",
            now_milli_c=7_900,
            state="HIGH",
            since_s=1_320,
            above_s=1_320,
            decision_in_s=13_080,
            recent=warming,
        ),
        a_unit("Cold room", quality="STALE", age_s=360, now_milli_c=4_000),
        a_unit("Fridge 1"),
        a_unit("Freezer", kind="freezer", now_milli_c=-19_200, limit_milli_c=-18_000),
    )
    return ColdView(units, None, 2_876)


async def on_home(app: LarderApp) -> None:
    await shows(app, "COLD STORAGE")


async def on_receive(app: LarderApp) -> None:
    await press(app, "f2")
    await scan(app, MILK)
    await shows(app, " Item      Milk 1 L")
    await press(app, "enter")
    await write(app, "2911")
    await press(app, "enter", "enter")
    await write(app, "24")
    await press(app, "ctrl+s")
    await settled(app)
    await shows(app, "Saved Milk 1 L +24")


async def on_sell(app: LarderApp) -> None:
    await press(app, "f3")
    await scan(app, MILK)
    await scan(app, "40170725")
    await scan(app, MILK)
    await settled(app)
    await shows(app, "32 left")


async def on_stock(app: LarderApp) -> None:
    await press(app, "f4")
    await shows(app, "LOTS of Bread")
    await press(app, "down")
    await shows(app, "LOTS of Milk 1 L")


async def on_cold(app: LarderApp) -> None:
    await press(app, "f5")
    await shows(app, "Fridge 2, last 2 hours")


async def on_card(app: LarderApp) -> None:
    await scan(app, MILK)
    await shows(app, "gtin/04006381333931")
    await shows(app, "lot M-2291")


async def on_help(app: LarderApp) -> None:
    await press(app, "f3", "f1")
    await shows(app, "A scan works everywhere.")


async def on_ask_yes(app: LarderApp) -> None:
    await press(app, "f3", "slash")
    await write(app, "loose")
    await press(app, "enter")
    await shows(app, "How much Tomatoes, loose?")
    await write(app, "20")
    await press(app, "enter")
    await shows(app, "y yes    Esc no")


async def on_discard(app: LarderApp) -> None:
    await press(app, "f4")
    await shows(app, "LOTS of Bread")
    await press(app, "d", "enter", "b")
    await shows(app, "Reason: broken.")


async def on_choose_lot(app: LarderApp) -> None:
    await press(app, "f4")
    await shows(app, "LOTS of Bread")
    await press(app, "down")
    await shows(app, "LOTS of Milk")
    await press(app, "d")
    await shows(app, "Which lot of Milk 1 L?")


async def on_new_item(app: LarderApp) -> None:
    await scan(app, UNKNOWN)
    await press(app, "n")
    await shows(app, "NEW ITEM")


async def on_peers(app: LarderApp) -> None:
    await press(app, "f8")
    await shows(app, "offered, no answer yet")
    await shows(app, "SPARE AT Mill Rd")


async def on_home_with_peers(app: LarderApp) -> None:
    await shows(app, "offered to us: accept or refuse it")


async def on_arrival(app: LarderApp) -> None:
    await on_peers(app)
    await press(app, "down", "k", "enter", "enter")
    await shows(app, "y yes    Esc no")


async def on_carrier(app: LarderApp) -> None:
    await on_peers(app)
    await press(app, "g", "enter")
    await shows(app, "Who carries it?")


async def on_plan(app: LarderApp) -> None:
    await press(app, "f6")
    await until(lambda: app.field_in_focus is not None)
    await write(app, "60")
    await press(app, "enter")
    await settled(app)
    await shows(app, "Enter accepts the plan.")


async def on_why(app: LarderApp) -> None:
    await on_plan(app)
    await press(app, "w")
    await shows(app, "Why these dishes, and why no other")


async def on_sensors(app: LarderApp) -> None:
    await press(app, "e")
    await shows(app, "larder-bridge here")
    await press(app, "down", "down", "down")
    await shows(app, "due soon")


async def on_errors(app: LarderApp) -> None:
    await on_sensors(app)
    await press(app, "e")
    await shows(app, "What came malformed")


PLACES = {
    "home": on_home,
    "receive": on_receive,
    "sell": on_sell,
    "stock": on_stock,
    "cold": on_cold,
    "card": on_card,
    "help": on_help,
    "ask_yes": on_ask_yes,
    "discard": on_discard,
    "choose_lot": on_choose_lot,
    "new_item": on_new_item,
}
NEIGHBOUR_PLACES = {
    "peers": on_peers,
    "home_peers": on_home_with_peers,
    "arrival": on_arrival,
    "carrier": on_carrier,
}
KITCHEN_PLACES = {"plan": on_plan, "why": on_why}
PROBE_PLACES = {"sensors": on_sensors, "sensor_errors": on_errors}
CASES = [(place, "80x24") for place in PLACES] + [
    (place, size) for size in ("120x40", "60x15") for place in ("home", "receive", "sell", "stock", "cold")
]


OTHER_SIZES = ("120x40", "60x15")
NEIGHBOUR_CASES = [(place, "80x24") for place in NEIGHBOUR_PLACES] + [("peers", size) for size in OTHER_SIZES]
KITCHEN_CASES = [(place, "80x24") for place in KITCHEN_PLACES] + [("plan", size) for size in OTHER_SIZES]
PROBE_CASES = [(place, "80x24") for place in PROBE_PLACES] + [("sensors", size) for size in OTHER_SIZES]


@pytest.mark.parametrize(("place", "size"), CASES)
async def test_the_screen_reads_as_its_golden_text(place: str, size: str, tmp_path: Path) -> None:
    await compare(a_market(tmp_path), PLACES[place], place, size)


@pytest.mark.parametrize(("place", "size"), NEIGHBOUR_CASES)
async def test_the_screen_beside_another_market_reads_as_its_golden_text(place: str, size: str, tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        an_offer_to_us(both)
        on_the_way_to_us(both)
        with patch.object(clock, "now", lambda: a_moment(later_ms=1_000)):  # of the same moment would come in any order
            offer(both.us, both.them, both.onions, 5_000_000)
        await compare(both.us.places, NEIGHBOUR_PLACES[place], place, size)


@pytest.mark.parametrize(("place", "size"), KITCHEN_CASES)
async def test_the_screen_of_a_kitchen_reads_as_its_golden_text(place: str, size: str, tmp_path: Path) -> None:
    await compare(a_kitchen(tmp_path, Need(4, ("allergen:milk",))), KITCHEN_PLACES[place], place, size)


@pytest.mark.parametrize(("place", "size"), PROBE_CASES)
async def test_the_screen_of_sensors_reads_as_its_golden_text(place: str, size: str, tmp_path: Path) -> None:
    await compare(probes(tmp_path), PROBE_PLACES[place], place, size)


async def compare(places: Places, go: Callable[[LarderApp], Awaitable[None]], name: str, size: str) -> None:
    """Go there and compare what is on the screen with the kept text; streams have other names each time."""
    assert textual.__version__ == TEXTUAL_VERSION, "golden texts belong to one version of the library"
    write_heartbeat(places.node_heartbeat, a_moment(), state="here", message="")
    with patch.object(queries, "cold_status", lambda *_arguments, **_options: a_warm_cold_view()):
        async with the_screen(places, size=SIZES[size]) as app:
            await go(app)
            text = re.sub(r"\bT([0-9]+)-[0-9a-f]{4}\b", r"T\1-9f2c", await steady(app))
    lines = text.split("\n")
    assert all(len(line) <= SIZES[size][0] for line in lines)
    assert text.isascii()
    golden = GOLDEN / f"{name}-{size}.txt"
    if os.environ.get("LARDER_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text + "\n", encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text + "\n"
