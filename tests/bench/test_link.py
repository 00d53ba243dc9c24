"""The bench of the link measures what it says: its damage damages, its blind twin sees it, its bars hold or not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.bench.link import BARS, Bar
from tests.bench.link_decode import decoded_per_s, replies_per_s
from tests.bench.link_wrong import (
    blind_accepts,
    damaged,
    false_accepts,
    messages_of_boards,
    modbus_recovered,
    noise_held_bytes,
)
from tests.bench.report import Figure

HERE = Path(__file__).parent
FEW = 3_000


def test_damage_changes_nearly_every_frame_and_leaves_it_a_segment() -> None:
    source = random.Random(1)
    wires = [wire for _message, wire in messages_of_boards()]
    changed = [damaged(wire, source) for wire in wires for _ in range(10)]
    same = sum(
        after == before for after, before in zip(changed, (wire for wire in wires for _ in range(10)), strict=True)
    )
    assert same < len(changed) / 50
    assert all(after.endswith(b"\0") for after in changed)


def test_damage_is_never_taken_and_the_blind_twin_takes_some() -> None:
    assert false_accepts(FEW) == 0
    assert blind_accepts(FEW) > FEW / 100
    assert false_accepts(10) == 0, "the twin's blindness ends with it"


def test_replies_behind_stray_bytes_are_all_found_here() -> None:
    ours, theirs = modbus_recovered(50)
    assert ours == 100.0
    assert theirs < ours


def test_no_receiver_holds_more_noise_than_a_kilobyte() -> None:
    assert 0 < noise_held_bytes() <= 1_024


def test_decoding_counts_every_reading() -> None:
    bytes_per_s, readings_per_s = decoded_per_s(20)
    assert bytes_per_s > readings_per_s > 0
    assert all(rate > 0 for rate in replies_per_s())


@pytest.mark.parametrize(
    ("bar", "value", "against", "holds"),
    [
        (Bar(3, is_least=True), 30, 10, True),
        (Bar(3, is_least=True), 29, 10, False),
        (Bar(0.1), 1, 10, True),
        (Bar(0.1), 2, 10, False),
        (Bar(0, is_ratio=False), 0, 10, True),
        (Bar(0, is_ratio=False), 1, 10, False),
    ],
)
def test_a_bar_holds_on_its_own_side_alone(bar: Bar, value: float, against: float, holds: bool) -> None:
    assert bar.holds(Figure("x", value, "", "", against)) is holds


def test_every_bar_has_a_figure_that_is_measured() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("link_*.py"))
    named = {
        name for name in BARS if f'"{name}"' in sources or (name.startswith("chaos_") and "chaos_{name}" in sources)
    }
    assert set(BARS) == named
