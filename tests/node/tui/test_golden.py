"""The plain text of every screen and dialog, with a standing clock: what staff see, kept as files to be read.

Set LARDER_GOLDEN=write to write them anew after a wanted change. Refused on another version of the terminal library.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest
import textual

from node.cold.watch import ColdUnit, ColdView
from node.health import write_heartbeat
from node.tui import queries
from node.tui.app import LarderApp
from tests.node.tui.builders import MILK, UNKNOWN, a_market, a_moment
from tests.node.tui.driving import press, scan, settled, shows, steady, the_screen, write

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
CASES = [(place, "80x24") for place in PLACES] + [
    (place, size) for size in ("120x40", "60x15") for place in ("home", "receive", "sell", "stock", "cold")
]


@pytest.mark.parametrize(("place", "size"), CASES)
async def test_the_screen_reads_as_its_golden_text(place: str, size: str, tmp_path: Path) -> None:
    assert textual.__version__ == TEXTUAL_VERSION, "golden texts belong to one version of the library"
    places = a_market(tmp_path)
    write_heartbeat(places.node_heartbeat, a_moment(), state="here", message="")

    with patch.object(queries, "cold_status", lambda *_arguments, **_options: a_warm_cold_view()):
        async with the_screen(places, size=SIZES[size]) as app:
            await PLACES[place](app)
            text = await steady(app)
    lines = text.split("\n")
    assert all(len(line) <= SIZES[size][0] for line in lines)
    assert text.isascii()
    golden = GOLDEN / f"{place}-{size}.txt"
    if os.environ.get("LARDER_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text + "\n", encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text + "\n"
