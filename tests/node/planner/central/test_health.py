"""What screens are told of the planner, and what a damaged or hostile file becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.places import Places
from node.planner.central.health import (
    PlannerHealth,
    ages_s,
    health_path,
    noted,
    read_planner_health,
    write_planner_health,
)
from tests.node.builders import a_moment


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "run").mkdir()
    return Places(tmp_path)


def test_what_was_written_is_read(places: Places) -> None:
    health = PlannerHealth("failing", 5, "The central planner gave no answer within 30 s.", 3, "transport", 60_000)
    write_planner_health(places, health)
    assert read_planner_health(places) == health
    before = health_path(places).stat().st_mtime_ns
    write_planner_health(places, health)
    assert health_path(places).stat().st_mtime_ns == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"state":"fine"}', b"\xff" * 100, b"{" * 100_000])
def test_a_file_that_says_nothing_readable_says_nothing(places: Places, content: bytes) -> None:
    health_path(places).write_bytes(content)
    assert read_planner_health(places) == PlannerHealth()


def test_a_file_with_escapes_cannot_steer_a_terminal(places: Places) -> None:
    health_path(places).write_bytes(b'{"format":"larder-central-planner/1","reason":"\\u001b[2Jgone"}')
    assert read_planner_health(places).reason == "?[2Jgone"


def test_a_failure_keeps_its_beginning_while_it_lasts() -> None:
    first = noted(PlannerHealth(), a_moment(), is_set=True, state="failing", reason="first")
    second = noted(first, a_moment(later_ms=9_000), is_set=True, state="failing", reason="second")
    assert (second.since_ms, second.reason) == (first.since_ms, "second")
    healed = noted(second, a_moment(later_ms=10_000), is_set=True, state="ok", reason="", is_answer=True)
    assert ages_s(healed, a_moment(later_ms=70_000)) == (60, 60)


def test_taking_the_address_away_and_giving_one_again_is_told() -> None:
    failing = noted(PlannerHealth(), a_moment(), is_set=True, state="failing", reason="gone")
    gone = noted(failing, a_moment(), is_set=False)
    assert (gone.state, gone.reason) == ("none", "")
    assert noted(gone, a_moment(), is_set=True).state == "unasked"
