"""Rows that are no readings: answers to requests, damage by port, what the boards say about the time.

Not a transaction: each function returns statements that go with the next commit, in order. Tables are bounded here.
LINK sections 3 and 8.
"""

from collections.abc import Mapping
from typing import Any

from firmware_bridge.asks import Answer
from firmware_bridge.store.clock_map import ClockHint

ANSWERS_MAX = 1_000  # the newest; who asked has read the others long ago
ERROR_ROWS_MAX = 4_096  # 64 ports of 64 kinds; more ports than that were never there at one time

Statement = tuple[str, tuple[Any, ...]]


def answer_rows(answer: Answer, wall_us: int) -> list[Statement]:
    """Write down what became of a request."""
    values = (answer.ask_id, answer.uid, answer.op_name, answer.status, answer.detail, wall_us)
    return [
        ("insert into answer (ask_id, uid, op, status, detail, answered_us) values (?, ?, ?, ?, ?, ?)", values),
        ("delete from answer where answer <= (select max(answer) from answer) - ?", (ANSWERS_MAX,)),
    ]


def hint_rows(device: int, uid: str, hint: ClockHint, host_boot_id: str) -> list[Statement]:
    """Keep what a board says the time is; the newest of each board."""
    values = (device, uid, hint.utc_us, hint.error_us, host_boot_id, hint.boottime_ms)
    columns = "device, uid, utc_us, error_us, host_boot_id, boottime_ms"
    return [(f"insert or replace into clock_hint ({columns}) values (?, ?, ?, ?, ?, ?)", values)]


def error_rows(more: Mapping[tuple[str, str], int], wall_us: int) -> list[Statement]:
    """Add to the counts of what was malformed, by (port, kind)."""
    added = (
        "insert into error_count (port, kind, count, last_us) values (?, ?, ?, ?) on conflict (port, kind)"
        " do update set count = count + excluded.count, last_us = excluded.last_us"
    )
    bounded = (
        "delete from error_count where (port, kind) in (select port, kind from error_count"
        " order by last_us desc limit -1 offset ?)"
    )
    rows: list[Statement] = [(added, (port, kind, count, wall_us)) for (port, kind), count in more.items()]
    return [*rows, (bounded, (ERROR_ROWS_MAX,))] if rows else []
