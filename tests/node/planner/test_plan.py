"""A snapshot's name is the same however its parts were put together, and another for any other content."""

from __future__ import annotations

import json
import random
import unicodedata

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from node.planner.plan import Snapshot, canonical, canonical_bytes, snapshot_id
from tests.node.planner.builders import a_bucket, a_class, a_large_snapshot, a_recipe, a_snapshot


def shuffled(snapshot: Snapshot, seed: int) -> Snapshot:
    draw = random.Random(seed)

    def mixed(values: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(draw.sample(values, len(values)))

    classes = tuple(msgspec.structs.replace(each, recipes=mixed(each.recipes)) for each in snapshot.classes)
    names = list(snapshot.piece_g.items())
    draw.shuffle(names)
    return msgspec.structs.replace(
        snapshot,
        stock=mixed(snapshot.stock),
        recipes=mixed(snapshot.recipes),
        classes=mixed(classes),
        piece_g=dict(names),
    )


def test_the_same_content_in_another_order_has_the_same_name() -> None:
    snapshot = a_large_snapshot(1, recipes=20, lots=40, classes=5)
    for seed in range(10):
        assert snapshot_id(snapshot) == snapshot_id(shuffled(snapshot, seed))


def test_any_change_gives_another_name() -> None:
    before = snapshot_id(a_snapshot())
    for change in (
        {"stock": (a_bucket(amount_milli=4_000_001),)},
        {"recipes": (a_recipe(minutes=31),)},
        {"classes": (a_class(people=11),), "people": 10},
        {"seed": 1},
        {"day": "2026-11-23"},
        {"rules": "0"},
    ):
        assert before != snapshot_id(a_snapshot(**change))


def test_composed_and_decomposed_letters_have_one_name() -> None:
    composed = a_snapshot(recipes=(a_recipe(title="Cr\u00eape"),))
    decomposed = a_snapshot(recipes=(a_recipe(title="Cre\u0302pe"),))
    assert snapshot_id(composed) == snapshot_id(decomposed)


def test_the_canonical_form_has_no_fractions_and_can_be_read_back() -> None:
    snapshot = a_snapshot()
    raw = canonical_bytes(snapshot)
    assert b"." not in raw.replace(b"larder", b"")
    assert snapshot == msgspec.json.decode(raw, type=Snapshot)


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    names=st.dictionaries(st.text('aZ\u00e9\u0301"\\\n\x7f\u2028/'), st.integers(0, 9)),
)
def test_the_canonical_form_is_what_any_json_library_writes(text: str, names: dict[str, int]) -> None:
    snapshot = a_snapshot(recipes=(a_recipe(title=text, steps=(text, "")),), piece_g=names)
    value = json.dumps(
        msgspec.to_builtins(canonical(snapshot)), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert unicodedata.normalize("NFC", value).encode() == canonical_bytes(snapshot)
