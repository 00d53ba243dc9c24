"""The locks: in step with pyproject.toml, hashed throughout, and the one for development holds all of the other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

CHECKOUT = Path(__file__).resolve().parents[2]
RUNTIME, DEMO, DEV, BUILD = (
    CHECKOUT / "deploy" / f"requirements{name}.lock" for name in ("", "-demo", "-dev", "-build")
)


def locked(path: Path) -> dict[str, list[str]]:
    """Return the requirement lines of a lock by package name (two, where platforms differ)."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            found.setdefault(line.split("==")[0], []).append(line)
    return found


@pytest.mark.parametrize("path", [RUNTIME, DEMO, DEV, BUILD], ids=lambda path: path.name)
def test_every_line_of_a_lock_is_pinned_and_hashed_and_names_no_index(path: Path) -> None:
    assert locked(path)
    assert [
        line for lines in locked(path).values() for line in lines if not re.match(r"\S+==[^ ]+ .*--hash=sha256:", line)
    ] == []
    assert "://" not in path.read_text()


def test_the_locks_are_in_step_with_the_project_file() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    for path, requirements in (
        (RUNTIME, project["project"]["dependencies"]),
        (DEMO, [*project["project"]["dependencies"], *extras["demo"]]),
        (DEV, [*project["project"]["dependencies"], *extras["demo"], *extras["dev"], *extras["bench"]]),
        (BUILD, project["build-system"]["requires"]),
    ):
        versions = {name: [line.split("==")[1].split(" ")[0] for line in lines] for name, lines in locked(path).items()}
        for requirement in map(Requirement, requirements):
            assert versions.get(requirement.name), f"{requirement.name} is not in {path.name}: run deploy/lock"
            assert all(requirement.specifier.contains(version) for version in versions[requirement.name])


def test_each_lock_holds_the_same_versions_as_the_smaller_one() -> None:
    def pins(path: Path) -> set[str]:
        return {line.split(" ")[0] for lines in locked(path).values() for line in lines}

    assert set() == pins(RUNTIME) - pins(DEMO)
    assert set() == pins(DEMO) - pins(DEV)
