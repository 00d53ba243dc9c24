"""Cold holding: is food kept below its limit, since when, and how bad is it. Readings in, one status out.

Not a recorder of excursions and not a judge of sensors: a reading comes with its quality. Owns invariant 5 here: an old
value is STALE, an absent one MISSING, a doubtful one SUSPECT, and none of them is ever shown as good. Doubt never
silences an alarm: a doubtful hot value counts as above, a doubtful cold one ends nothing.

The limits are those of the profile `strict`, the safest of the known rules: 5 C (Food Code 3-501.16), -18 C (Directive
89/108/EEC). Delays are engineering choices inside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise


class Level(IntEnum):
    """How bad it is, in rising order."""

    OK = 0
    WARN = 1
    ALARM = 2
    CRITICAL = 3
    DECISION_DUE = 4


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound that a value may pass for a while: past it for longer than `delay_s` means `level`."""

    level: Level
    above_milli_c: int
    delay_s: int


@dataclass(frozen=True, slots=True)
class UnitRules:
    """What counts for one kind of unit. `critical_s` and `decision_s` are times above the limit in all."""

    limit_milli_c: int
    limits: tuple[Limit, ...]
    critical_s: int | None
    decision_s: int


_MINUTE = 60
# Profile `strict`, table of levels. A freezer's decision counts the time above -12 C.
RULES: dict[str, UnitRules] = {
    "fridge": UnitRules(
        limit_milli_c=5_000,
        limits=(
            Limit(Level.WARN, 5_000, 10 * _MINUTE),
            Limit(Level.ALARM, 5_000, 30 * _MINUTE),
            Limit(Level.ALARM, 8_000, 10 * _MINUTE),
        ),
        critical_s=120 * _MINUTE,
        decision_s=240 * _MINUTE,
    ),
    "freezer": UnitRules(
        limit_milli_c=-18_000,
        limits=(
            Limit(Level.WARN, -18_000, 30 * _MINUTE),
            Limit(Level.ALARM, -15_000, 30 * _MINUTE),
            Limit(Level.CRITICAL, -12_000, 10 * _MINUTE),
        ),
        critical_s=None,
        decision_s=120 * _MINUTE,
    ),
}
FREEZER_DECISION_MILLI_C = -12_000
# A level is left after the value has been this far inside the limit for this long.
HYSTERESIS_MILLI_C = 500
HYSTERESIS_S = 10 * _MINUTE
# An interval between two readings longer than this many periods is unknown, not good.
PERIODS_UNKNOWN = 3
PERIODS_STALE = 2
PERIODS_MISSING = 3
# A reading of a board that reports faster than the bridge commits (each 5 s) is this old before anybody can see it;
# only what is older says that something is silent.
STALE_AGE_MS_MIN = 10_000
MISSING_AGE_MS_MIN = 15_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading: how long ago it was taken, its value in thousandths of a degree, and whether it can be trusted."""

    age_ms: int
    temperature_milli_c: int | None
    is_good: bool


@dataclass(frozen=True, slots=True)
class Status:
    """One unit now. Ages and durations in seconds.

    `quality` is GOOD, STALE, MISSING or SUSPECT. `above_s` is the time above the limit of the excursion that goes on,
    `since_s` how long ago it began, `unknown_s` the time in it for which no reading stands.
    """

    level: Level
    quality: str
    temperature_milli_c: int | None
    age_s: int | None
    since_s: int | None
    above_s: int
    unknown_s: int
    decision_in_s: int | None


@dataclass(slots=True)
class _Excursion:
    began_age_ms: int
    above_ms: int = 0
    far_above_ms: int = 0
    unknown_ms: int = 0
    inside_ms: int = 0


def quality_of(newest: Sample | None, period_ms: int) -> str:
    """Return the quality word for the newest reading of a channel that reports every `period_ms`."""
    if newest is None or newest.age_ms > max(PERIODS_MISSING * period_ms, MISSING_AGE_MS_MIN):
        return "MISSING"
    if newest.age_ms > max(PERIODS_STALE * period_ms, STALE_AGE_MS_MIN):
        return "STALE"
    return "GOOD" if newest.is_good else "SUSPECT"


def status(samples: Sequence[Sample], *, rules: UnitRules | None, period_ms: int) -> Status:
    """Judge a unit from its readings, oldest first. `rules` None means that it has no limit (ambient air).

    Feeding readings one by one or all at once gives the same answer: the whole window is judged each time.
    """
    newest = samples[-1] if samples else None
    quality = quality_of(newest, period_ms)
    value = newest.temperature_milli_c if newest else None
    age_s = None if newest is None else newest.age_ms // 1000
    if rules is None:
        return Status(Level.OK, quality, value, age_s, None, 0, 0, None)
    excursion = _running_excursion(samples, rules, period_ms)
    if excursion is None:
        return Status(Level.OK, quality, value, age_s, None, 0, 0, None)
    counted_s = (excursion.above_ms + excursion.unknown_ms) // 1000
    far_s = (excursion.far_above_ms + excursion.unknown_ms) // 1000
    decided_by_s = far_s if rules.critical_s is None else counted_s
    return Status(
        level=max(_level(samples, rules, period_ms), _level_in_all(rules, counted_s, decided_by_s)),
        quality=quality,
        temperature_milli_c=value,
        age_s=age_s,
        since_s=excursion.began_age_ms // 1000,
        above_s=excursion.above_ms // 1000,
        unknown_s=excursion.unknown_ms // 1000,
        decision_in_s=max(0, rules.decision_s - decided_by_s),
    )


def is_settled(samples: Sequence[Sample], *, rules: UnitRules, period_ms: int) -> bool:
    """Tell whether nothing before these readings can matter: they hold a stretch that ends any excursion and level."""
    inside_ms = 0
    for earlier, later in _pairs(samples):
        lasted_ms = earlier.age_ms - later.age_ms
        is_well = _is_well_inside(earlier, rules.limit_milli_c) and _is_well_inside(later, rules.limit_milli_c)
        inside_ms = inside_ms + lasted_ms if is_well and lasted_ms <= PERIODS_UNKNOWN * period_ms else 0
        if inside_ms >= HYSTERESIS_S * 1000:
            return True
    return False


def _is_above(sample: Sample, limit_milli_c: int) -> bool:
    return sample.temperature_milli_c is not None and sample.temperature_milli_c > limit_milli_c


def _pairs(samples: Sequence[Sample]) -> Iterable[tuple[Sample, Sample]]:
    return pairwise(samples)


def _running_excursion(samples: Sequence[Sample], rules: UnitRules, period_ms: int) -> _Excursion | None:
    """Return the excursion that is not over at the last reading, from the first interval above."""
    running: _Excursion | None = None
    unknown_after_ms = PERIODS_UNKNOWN * period_ms
    for earlier, later in _pairs(samples):
        lasted_ms = earlier.age_ms - later.age_ms
        is_above = _is_above(earlier, rules.limit_milli_c) or _is_above(later, rules.limit_milli_c)
        is_unknown = lasted_ms > unknown_after_ms
        if running is None:
            if not is_above or is_unknown:
                continue
            running = _Excursion(began_age_ms=earlier.age_ms)
        if is_unknown:
            running.unknown_ms += lasted_ms
            running.inside_ms = 0
        elif is_above:
            running.above_ms += lasted_ms
            running.inside_ms = 0
            if _is_above(earlier, FREEZER_DECISION_MILLI_C) or _is_above(later, FREEZER_DECISION_MILLI_C):
                running.far_above_ms += lasted_ms
        elif _is_well_inside(earlier, rules.limit_milli_c) and _is_well_inside(later, rules.limit_milli_c):
            running.inside_ms += lasted_ms
            if running.inside_ms >= HYSTERESIS_S * 1000:
                running = None
        else:
            running.inside_ms = 0
    return running


def _is_well_inside(sample: Sample, limit_milli_c: int) -> bool:
    value = sample.temperature_milli_c
    return sample.is_good and value is not None and value <= limit_milli_c - HYSTERESIS_MILLI_C


def _level(samples: Sequence[Sample], rules: UnitRules, period_ms: int) -> Level:
    """Return the worst level that was reached and not left since."""
    reached = [limit.level for limit in rules.limits if _is_reached(samples, limit, PERIODS_UNKNOWN * period_ms)]
    return max(reached, default=Level.OK)


def _is_reached(samples: Sequence[Sample], limit: Limit, unknown_after_ms: int) -> bool:
    """Tell whether the bound was passed for its delay, and the value not well inside it for long enough since."""
    held_ms = inside_ms = 0
    is_reached = False
    for earlier, later in _pairs(samples):
        lasted_ms = earlier.age_ms - later.age_ms
        if lasted_ms > unknown_after_ms:
            inside_ms = 0
        elif _is_above(earlier, limit.above_milli_c) or _is_above(later, limit.above_milli_c):
            held_ms, inside_ms = held_ms + lasted_ms, 0
            is_reached = is_reached or held_ms >= limit.delay_s * 1000
        else:
            held_ms = 0
            is_well = _is_well_inside(earlier, limit.above_milli_c) and _is_well_inside(later, limit.above_milli_c)
            inside_ms = inside_ms + lasted_ms if is_well else 0
            if inside_ms >= HYSTERESIS_S * 1000:
                is_reached = False
    return is_reached


def _level_in_all(rules: UnitRules, counted_s: int, decided_by_s: int) -> Level:
    if decided_by_s >= rules.decision_s:
        return Level.DECISION_DUE
    if rules.critical_s is not None and counted_s >= rules.critical_s:
        return Level.CRITICAL
    return Level.OK
