"""Accepted plans, their dishes and what they reserve, and the verdicts of the validator, folded into tables.

Not the planner and not its rules. A withdrawal or a cooked dish may come before what it is about: each has rows of its
own, and only those written by the market that accepted the plan count (`read.plans`).
"""

from __future__ import annotations

import sqlite3
from itertools import zip_longest

import msgspec

from node.ledger.events import DishCooked, DishPlanned, Event, Fact, PlanAccepted, PlanWithdrawn, VerdictReached

PLAN_FACTS = (PlanAccepted, PlanWithdrawn, DishPlanned, DishCooked, VerdictReached)


def fold_plan(connection: sqlite3.Connection, event: Event, fact: Fact, *, member: bytes, clock: int) -> None:
    """Fold one event about plans, written by `member`."""
    if isinstance(fact, PlanAccepted):
        connection.execute(
            "INSERT INTO plan (stream, seq, snapshot_id, planner, rules, day, seed, verdict, score, member, hlc, clock,"
            " who) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *event.dot,
                fact.snapshot_id,
                fact.planner,
                fact.rules,
                fact.day,
                fact.seed,
                fact.verdict,
                msgspec.msgpack.encode(fact.score),
                member,
                event.hlc,
                clock,
                event.who,
            ),
        )
    elif isinstance(fact, DishPlanned):
        _fold_dish(connection, event, fact, member)
    elif isinstance(fact, PlanWithdrawn):
        connection.execute(
            "INSERT INTO plan_withdrawn (stream, seq, plan_stream, plan_seq, member, reason) VALUES (?, ?, ?, ?, ?, ?)",
            (*event.dot, *fact.plan, member, fact.reason),
        )
    elif isinstance(fact, DishCooked):
        connection.execute(
            "INSERT INTO dish_cooked (stream, seq, dish_stream, dish_seq, portions, member) VALUES (?, ?, ?, ?, ?, ?)",
            (*event.dot, *fact.dish, fact.portions, member),
        )
    else:
        assert isinstance(fact, VerdictReached)
        connection.execute(
            "INSERT INTO verdict (stream, seq, snapshot_id, planner, rules, verdict, codes, member, hlc)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *event.dot,
                fact.snapshot_id,
                fact.planner,
                fact.rules,
                fact.verdict,
                " ".join(fact.codes),
                member,
                event.hlc,
            ),
        )


def _fold_dish(connection: sqlite3.Connection, event: Event, fact: DishPlanned, member: bytes) -> None:
    connection.execute(
        "INSERT INTO dish (stream, seq, plan_stream, plan_seq, recipe_id, meal, portions, member)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*event.dot, *fact.plan, fact.recipe_id, fact.meal, fact.portions, member),
    )
    for item_id, amount_milli in zip_longest(fact.items, fact.amounts_milli):
        if item_id is None or amount_milli is None:
            return  # a hostile writer's lists of different lengths: what pairs up is kept
        # An item named twice counts once: a sum of two numbers from outside could leave the range of a column.
        connection.execute(
            "INSERT INTO dish_use (stream, seq, item_id, amount_milli) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (*event.dot, item_id, amount_milli),
        )
