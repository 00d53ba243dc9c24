"""Pure words: ages, temperatures, columns, the status row, the graph, the choice of colours, hostile text."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.cold.watch import ColdView
from node.domain.words import Unit
from node.health import Heartbeat
from node.ledger.store import Transaction
from node.tui.status import Saving, Status, status_row, title_row
from node.tui.text import age_text, both_ends, cells, column, temperature_text, time_of_day
from node.tui.themes import ANSI, CONTRAST, DARK, theme_name
from node.tui.widgets.graph import draw_graph
from node.tui.widgets.marked_table import Column, dropped_columns
from tests.node.tui.builders import HOSTILE, NOW_MS, a_market, a_moment
from tests.node.tui.driving import press, settled, shows, text_of, the_screen, write
from tests.node.tui.test_golden import a_unit


def a_status(*units: object, node: str = "here", problem: str | None = None) -> Status:
    return Status("Harbour St", ColdView(units, problem, 1), Heartbeat(node, 200, "", 1), 1_000_000)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("age_s", "words"), [(None, "?"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (7_200, "2 h"), (200_000, "2 d")]
)
def test_ages_are_said_in_one_unit(age_s: float | None, words: str) -> None:
    assert age_text(age_s) == words


def test_an_age_grows_from_when_it_was_read() -> None:
    assert age_text(55, later_s=10) == "1 min"


@pytest.mark.parametrize(
    ("milli", "words"),
    [(None, "?"), (7_900, "7.9C"), (-19_249, "-19.2C"), (-49, "0.0C"), (-50, "-0.1C"), (50, "0.1C"), (4_950, "5.0C")],
)
def test_temperatures_are_shown_to_a_tenth(milli: int | None, words: str) -> None:
    assert temperature_text(milli) == words


@given(st.text(max_size=40), st.integers(min_value=1, max_value=30))
def test_a_column_has_exactly_its_width_and_nothing_that_steers(text: str, width: int) -> None:
    shown = column(text, width)

    assert cells(shown) == width
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_the_right_end_of_a_line_is_kept() -> None:
    assert both_ends("a long name indeed", "19:07", 12) == "a long 19:07"


def test_a_time_without_a_clock_is_no_time() -> None:
    assert time_of_day(NOW_MS, a_moment(is_clock_set=False).quality) == "--:--"
    assert title_row("Home", "Harbour St", a_moment(is_clock_set=False), 80).endswith("Harbour St  clock not set")


def test_the_worst_cold_state_comes_first_and_the_row_is_never_cut() -> None:
    unit = a_unit("A fridge with a very long name", now_milli_c=12_300, state="EXCURSION", quality="STALE", age_s=4_000)
    status = a_status(unit, a_unit("Other", state="HIGH"), node="away")
    for width in (80, 60, 40):
        row = status_row(status, Saving("NOT SAVED: 12"), a_moment(is_clock_set=False), width)
        assert row.startswith(" COLD EXCURSION A frid")
        assert cells(row) <= width
    assert "NOT SAVED: 12" in status_row(status, Saving("NOT SAVED: 12"), a_moment(), 80)


def test_ages_in_the_status_row_tick_without_being_read_again() -> None:
    status = a_status(a_unit("Fridge 1", age_s=3))

    assert "Sensors 3 s" in status_row(status, Saving(""), a_moment(), 80)
    assert "Sensors 13 s" in status_row(status, Saving(""), a_moment(later_ms=10_000), 80)


def test_a_unit_that_is_silent_reads_stale_with_its_age() -> None:
    row = status_row(a_status(a_unit("Cold room", quality="STALE", age_s=360)), Saving(""), a_moment(), 80)

    assert row == " COLD STALE Cold room 6 min | Sensors 6 min | Node here"


def test_a_graph_has_its_limit_its_gap_and_nothing_but_ascii() -> None:
    recent = [(age_s, 3_000 if age_s > 3_600 else 9_000) for age_s in range(7_199, 0, -60) if not 4_000 < age_s < 5_000]

    lines = draw_graph(recent, width=47, rows=5, window_s=7_200, limit_milli_c=5_000)

    assert len(lines) == 5
    assert all(len(line) <= 47 and line.isascii() for line in lines)
    assert set("".join(line[6:] for line in lines)) <= set(".:#- ")
    assert "-" in lines[3]
    assert lines[0].rstrip()[-1] in ".:#"
    bottom = lines[4][7:]
    assert "  " in bottom.strip(".:#")[:12]


@given(
    st.lists(st.tuples(st.floats(0, 8_000), st.one_of(st.none(), st.integers(-40_000, 90_000))), max_size=50),
    st.integers(0, 120),
)
def test_a_graph_of_anything_fits_its_box(recent: list[tuple[float, int | None]], width: int) -> None:
    lines = draw_graph(recent, width=width, rows=5, window_s=7_200, limit_milli_c=5_000)

    assert len(lines) in {0, 5}
    assert all(len(line) <= max(width, 7) for line in lines)


def test_columns_leave_in_their_order_until_the_rest_fits() -> None:
    columns = [Column("a", 20), Column("b", 10, drops=2), Column("c", 10, drops=1), Column("d", 10)]

    assert dropped_columns(columns, 50) == frozenset()
    assert dropped_columns(columns, 49) == {2}
    assert dropped_columns(columns, 39) == {1, 2}
    assert dropped_columns(columns, 5) == {1, 2}


@pytest.mark.parametrize(
    ("environment", "theme"),
    [
        ({}, ANSI),
        ({"COLORTERM": "truecolor", "TERM": "xterm-256color"}, DARK),
        ({"COLORTERM": "truecolor", "SSH_CONNECTION": "x"}, ANSI),
        ({"COLORTERM": "truecolor", "TERM": "linux"}, ANSI),
        ({"COLORTERM": "truecolor", "NO_COLOR": "1"}, ANSI),
        ({"LARDER_THEME": "contrast"}, CONTRAST),
        ({"LARDER_THEME": "no such"}, ANSI),
    ],
)
def test_sixteen_colours_wherever_more_are_not_promised(environment: dict[str, str], theme: str) -> None:
    assert theme_name(environment) == theme


async def test_hostile_names_are_drawn_as_text_on_every_screen(tmp_path: Path) -> None:
    """A name that steers is refused by the actions, so it is put where a peer's or an older version's may stand."""
    places = a_market(tmp_path)

    def spoil(tx: Transaction) -> None:
        tx.connection.execute("UPDATE item SET name = ?, search = 'spoilt' WHERE unit = ?", (HOSTILE, int(Unit.EACH)))
        tx.connection.execute("UPDATE lot SET batch = ?, supplier = ?", (HOSTILE[:20], HOSTILE))

    async with the_screen(places) as app:
        app.write("spoil", spoil, lambda _done: None)
        await settled(app)
        for keys in ((), ("f2",), ("f3",), ("f4",), ("f5",)):
            await press(app, *keys)
            text = text_of(app)
            assert "\x1b" not in text and "\u202e" not in text
        await press(app, "f4", "home", "down")
        await shows(app, "LOTS of [red]x[/]?[2J?")
        await press(app, "enter")
        await shows(app, " [red]x[/]?[2J?   gtin/")
        await press(app, "f3", "slash")
        await write(app, "spoilt")
        await press(app, "enter")
        await shows(app, "Which item?")
        await shows(app, " > [red]x[/]?[2J?")
        assert "\x1b" not in text_of(app)
