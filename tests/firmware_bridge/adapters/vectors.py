"""The golden vectors of the adapters."""

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "adapters.json").read_text("utf-8"))


def cases(group: str) -> list[dict[str, Any]]:
    """Return the vectors of one adapter."""
    found: list[dict[str, Any]] = VECTORS[group]
    assert found
    return found


def named(case: dict[str, Any]) -> str:
    """Return the name of a vector, for pytest."""
    return str(case["name"])
