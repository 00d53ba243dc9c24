"""How the central planner is, in `run/planner.json`: since when, why, whether it is asked at all. For screens.

Not the heartbeat of larder-node. A hint, treated as hostile when read: bounded, and anything unexpected reads as
unknown. Replaced in one step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from node.clock import Moment
from node.places import Places
from node.text import safe_text

HEALTH_BYTES_MAX = 16 * 1024
REASON_CELLS_MAX = 300

State = Literal["none", "unasked", "ok", "failing"]
Rest = Literal["", "transport", "content", "acknowledge"]


class PlannerHealth(msgspec.Struct, frozen=True):
    """What is known of the planner. Times are milliseconds of the wall clock, for people.

    `state`: no planner is set, not asked yet, its last answer came, or the last question had no good answer. `since_ms`
    is when that began, `reason` one sentence, `answered_ms` the last answer, `resting` the breaker that keeps us from
    asking (`acknowledge`: until a person has seen an allergen fault) and `rests_until_ms` its end.
    """

    state: State = "unasked"
    since_ms: int = 0
    reason: str = ""
    answered_ms: int | None = None
    resting: Rest = ""
    rests_until_ms: int | None = None
    format: Literal["larder-central-planner/1"] = "larder-central-planner/1"


def health_path(places: Places) -> Path:
    """Return where the file lies."""
    return places.run / "planner.json"


def read_planner_health(places: Places) -> PlannerHealth:
    """Return what larder-node last noted; `unasked` where nothing readable is there."""
    try:
        with health_path(places).open("rb") as file:
            health = msgspec.json.decode(file.read(HEALTH_BYTES_MAX), type=PlannerHealth)
    except (OSError, msgspec.DecodeError):
        return PlannerHealth()
    return msgspec.structs.replace(health, reason=safe_text(health.reason, REASON_CELLS_MAX))


def write_planner_health(places: Places, health: PlannerHealth) -> None:
    """Replace the file where something in it changed."""
    path = health_path(places)
    content = msgspec.json.encode(health)
    if path.exists() and path.read_bytes() == content:
        return
    temporary = path.with_suffix(".new")
    temporary.write_bytes(content)
    temporary.replace(path)


def noted(
    before: PlannerHealth,
    moment: Moment,
    *,
    is_set: bool,
    state: State | None = None,
    reason: str | None = None,
    is_answer: bool = False,
    resting: tuple[Rest, int] = ("", 0),
) -> PlannerHealth:
    """Return the health after something happened; what is not given stays. `resting`: a breaker and its wait, ms."""
    if not is_set:
        state, reason = "none", ""
    elif state is None:
        state = "unasked" if before.state == "none" else before.state
    return PlannerHealth(
        state=state,
        since_ms=before.since_ms if state == before.state and before.since_ms else moment.wall_ms,
        reason=before.reason if reason is None else reason,
        answered_ms=moment.wall_ms if is_answer else before.answered_ms,
        resting=resting[0],
        rests_until_ms=moment.wall_ms + resting[1] if resting[1] else None,
    )


def ages_s(health: PlannerHealth, moment: Moment) -> tuple[int, int | None]:
    """Return for how many seconds the state holds, and how old the last answer is."""
    answered_s = None if health.answered_ms is None else max(0, moment.wall_ms - health.answered_ms) // 1000
    return max(0, moment.wall_ms - health.since_ms) // 1000, answered_s
