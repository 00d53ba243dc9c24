"""What people avoid stays in one file: closed to others, absent from every other file, really erased."""

from __future__ import annotations

import ast
import stat
from pathlib import Path

import pytest

from node.domain.diets import Need
from node.errors import LocalFault
from node.places import Places
from node.planner.private import forget_needs, keep_needs, load_needs

CHECKOUT = Path(__file__).resolve().parents[3]
NEEDS = [Need(2, ("allergen:nuts",)), Need(1, ("word:canary-zz9",))]


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_what_is_kept_is_read_again_and_replaced_whole(tmp_path: Path) -> None:
    places = Places(tmp_path)
    assert load_needs(places) == []
    assert not places.private_db.exists()
    keep_needs(places, NEEDS)
    assert load_needs(places) == NEEDS
    keep_needs(places, NEEDS[:1])
    assert load_needs(places) == NEEDS[:1]


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.private_db.parent.mkdir(mode=0o777)
    keep_needs(places, NEEDS)
    assert stat.S_IMODE(places.private_db.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in places.private_db.parent.iterdir()} == {0o600}


def test_replaced_and_forgotten_needs_leave_no_byte(tmp_path: Path) -> None:
    places = Places(tmp_path)
    for number in range(200):
        keep_needs(places, [*NEEDS, Need(1, (f"word:filler{number}" * 20,))])
    assert b"canary-zz9" in bytes_of(tmp_path)
    keep_needs(places, NEEDS[:1])
    assert b"canary-zz9" not in bytes_of(tmp_path)
    assert b"filler" not in bytes_of(tmp_path)
    forget_needs(places)
    assert b"allergen" not in bytes_of(tmp_path)
    assert load_needs(places) == []


def test_a_file_that_is_no_database_is_said_in_words(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.private_db.parent.mkdir()
    places.private_db.write_bytes(b"not a database" * 100)
    with pytest.raises(LocalFault) as fault:
        load_needs(places)
    assert fault.value.error_id == "private.unreadable"


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.private_db.parent.mkdir()
    target = tmp_path / "elsewhere"
    places.private_db.symlink_to(target)
    with pytest.raises(LocalFault):
        keep_needs(places, NEEDS)
    assert not target.exists()


def test_only_the_staff_side_opens_the_file() -> None:
    """larder-node, the ledger, the planner's client and sync never import what opens it."""
    importers = set()
    for path in (CHECKOUT / "node").rglob("*.py"):
        for statement in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
            if isinstance(statement, ast.ImportFrom):
                names = [f"{statement.module}.{alias.name}" for alias in statement.names]
            if any(name.startswith("node.planner.private") for name in names):
                importers.add(path.relative_to(CHECKOUT).parts[1])
    assert "cli" in importers
    assert importers <= {"cli", "tui"}
