"""Tare an empty shelf: ask its board, wait for the record from which on the new zero holds, keep that.

Not a port (the bridge asks the board) and not automatic: only a person who sees the shelf knows that it is empty. A
scale that cannot be asked keeps its zero here instead, as the weight that lies on it now.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from firmware_bridge.store import read as telemetry
from node import clock
from node.actions.shelves import Shelf
from node.actions.shelves_kept import end_tare, hold_for_tare, load_mark
from node.cold.asking import ANSWER_WAIT_S, ask_board
from node.cold.shelf_scales import Act, ShelfScales
from node.cold.stored import telemetry_open
from node.domain.shelf_steps import QUIET
from node.errors import N_, NotSavedNow, Refused
from node.places import Places

POLL_S = 0.2
BY_BOARD, HERE = "board", "here"
CANNOT = ("unsupported", "unknown_op", "bad_args")  # what a board says that has no such command


def tare(
    places: Places,
    market: sqlite3.Connection,
    act: Act,
    shelf: Shelf,
    *,
    ask_id: str,
    sleep: Callable[[float], None],
) -> str:
    """Make what lies on a shelf its zero; return BY_BOARD or HERE, where its zero is kept.

    Raises Refused where the scale does not rest, NotSavedNow where its board gives no answer, and like `ask_board`.
    """
    ShelfScales(places, act).catch_up(market, clock.now())
    act("shelf", lambda tx: hold_for_tare(tx, shelf))
    tared: tuple[int, int] | None = None
    try:
        status, tared = _asked(places, shelf, ask_id, sleep)
    finally:
        act("shelf", lambda tx: end_tare(tx, shelf, tared=tared))
    if tared is not None:
        return BY_BOARD
    if status not in CANNOT:
        raise NotSavedNow(
            "shelf.no_tare",
            N_("The scale of {shelf} did not take the tare ({status})."),
            N_("Nothing was changed. Look at it with larder sensors, then try again."),
            shelf=shelf.name,
            status=status,
        )
    return _zero_here(places, market, act, shelf)


def _asked(
    places: Places, shelf: Shelf, ask_id: str, sleep: Callable[[float], None]
) -> tuple[str, tuple[int, int] | None]:
    """Ask the board and wait; return the word of its answer, and the (boot, record) from which on it holds."""
    uid, _slash, number = shelf.sensor.rpartition("/")
    ask_board(places, clock.now(), ask_id=ask_id, uid=uid, op="tare", channel=int(number))
    end_s = clock.monotonic_s() + ANSWER_WAIT_S
    while clock.monotonic_s() < end_s:
        with telemetry_open(places) as connection:
            found = telemetry.answer_to(connection, ask_id)
            place = telemetry.newest_place(connection, uid)
        if found is not None:
            is_done = found.status == "done" and found.detail.isdecimal() and place is not None
            return found.status, (place.boot, int(found.detail)) if is_done and place is not None else None
        sleep(POLL_S)
    return "no_answer", None


def _zero_here(places: Places, market: sqlite3.Connection, act: Act, shelf: Shelf) -> str:
    found = next(each for each in ShelfScales(places, act).catch_up(market, clock.now()) if each.shelf == shelf)
    mark = load_mark(market, shelf)
    if found.word != QUIET or found.weight_mg is None or mark is None:
        raise Refused(
            "shelf.no_rest",
            N_("The scale of {shelf} does not rest."),
            N_("Take the hand off, wait five seconds, and try again."),
            shelf=shelf.name,
        )
    zero_mg = found.weight_mg + mark.zero_mg
    act("shelf", lambda tx: end_tare(tx, shelf, zero_mg=zero_mg))
    return HERE
