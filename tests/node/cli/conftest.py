"""Fixtures of the verbs: a market made by the verb that makes one."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.places import Places
from tests.node.cli.verbs import lines


@pytest.fixture
def harbour(tmp_path: Path) -> Places:
    """A market named Harbour, made by `larder init`."""
    places = Places(tmp_path / "harbour")
    assert lines(places, "init", "--name", "Harbour")[0] == f"saved: market Harbour in {places.root}"
    return places
