"""Snapshots, deadlines and questions for the tests of the central planner's client."""

from __future__ import annotations

from node.domain.recipes import Recipe, RecipeLine
from node.domain.words import Unit
from node.planner.central.policies import Deadlines
from node.planner.central.transport import Question
from node.planner.plan import DietClass, Limits, Snapshot, StockBucket

DAY = "2026-11-22"
# For answers that come: far above what a busy computer needs.
PATIENT = Deadlines(connect_s=20, first_byte_s=20, between_bytes_s=20, total_s=40)
# For silence, each limit in turn: the one that is to end the question, and the others out of its way.
FIRST_BYTE = Deadlines(connect_s=20, first_byte_s=0.4, between_bytes_s=20, total_s=40)
BETWEEN_BYTES = Deadlines(connect_s=20, first_byte_s=20, between_bytes_s=0.2, total_s=40)
TOTAL = Deadlines(connect_s=20, first_byte_s=20, between_bytes_s=20, total_s=0.3)
LIMIT_OF = {"silent": FIRST_BYTE, "stalled_mid_body": BETWEEN_BYTES, "drip": TOTAL, "late": TOTAL}


def a_recipe(recipe_id: str, minutes: int = 30, batch_min: int = 1, **grams: int) -> Recipe:
    """A main for ten; amounts in grams for one portion."""
    lines = tuple(
        RecipeLine(text=name, item_id=f"food/{name}", quantity_milli=g * 10_000, unit=Unit.GRAM)
        for name, g in grams.items()
    )
    return Recipe(recipe_id, recipe_id.title(), "main", 10, minutes, lines, batch_min=batch_min)


STEW = a_recipe("stew", minutes=60, beans=100, carrots=80)
CURRY = a_recipe("curry", minutes=40, rice=90, carrots=60)
SATAY = a_recipe("satay", minutes=30, rice=90, peanuts=40)
ALL = ("curry", "satay", "stew")


def a_snapshot(*classes: DietClass, carrots_g: int = 5_000, rice_g: int = 10_000, seed: int = 0) -> Snapshot:
    """Tonight's main, three recipes, stock for about a hundred portions."""
    classes = classes or (DietClass("c1", 9, ALL), DietClass("c2", 3, ("curry", "stew")))
    stock = {"beans": (8, 6_000), "carrots": (1, carrots_g), "rice": (8, rice_g), "peanuts": (3, 900)}
    return Snapshot(
        day=DAY,
        days=(DAY,),
        meals=("main",),
        people=sum(each.people for each in classes),
        stock=tuple(
            StockBucket(f"food/{name}", day, g * 1000, lots=(f"lot of {name}",)) for name, (day, g) in stock.items()
        ),
        recipes=(STEW, CURRY, SATAY),
        classes=classes,
        limits=Limits(batch_min=1),
        names={f"food/{name}": name for name in stock},
        seed=seed,
    )


def a_question(body: bytes) -> Question:
    """A question with a key."""
    return Question(body, "0" * 32)
