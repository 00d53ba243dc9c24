"""Watching one shelf scale: from weights, one by one, to the steps that were taken or put. Pure.

Not what a step means (`shelf`) and not a booking. Owns the rule that counting follows steps and never the whole weight,
since the zero of a load cell drifts and no filter takes that away. LINK section 7 (HX711 shelf), SAFETY section 2.4.

| state | a steady weight near the level | a weight apart, or none that is steady | two steady seconds elsewhere |
|---|---|---|---|
| quiet | quiet; the level follows, so drift is never a step | moving | cannot be: they begin as moving |
| moving | quiet, nothing happened | moving | settled: one step, the level is set there, quiet |

Steady: for two seconds every weight lay within three standard deviations of their mean. What happened while nobody
weighed (a gap, another boot, a scale at its end or without rest) is told as a doubt of the step that follows.
The same weights give the same steps in whatever portions they come.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from node.domain.shelf import Candidate, ShelfItem, are_alike, lightest_mg, weigh_up

SETTLE_MS = 2_000  # LINK section 7
STEADY_SIGMAS = 3
WINDOW_WEIGHTS_MAX = 64  # of one window: faster scales are looked at 32 times a second
QUICK_MS = 10_000  # more than half gone within this is a question (LINK section 7)
RESTLESS_MS_MAX = 30_000  # a scale that finds no rest for so long: an engineering choice
GAP_PERIODS, GAP_MS_MIN = 3, 15_000  # as readings turn MISSING

QUIET: Final = "quiet"
MOVING: Final = "moving"

# Why a step is a question and not a proposal; "" is none. Of several doubts the one that stands first here is told.
SATURATED, UNSTABLE, GAP = "saturated", "unstable", "gap"
NEGATIVE, HALF_GONE, ALIKE, UNLIKELY = "negative", "half_gone", "alike", "unlikely"
DOUBTS: Final = (SATURATED, UNSTABLE, GAP, "")


@dataclass(frozen=True, slots=True)
class Weight:
    """One weight as it came, in the board's own order and uptime; weight_mg None: the scale did not say one.

    calibration: which one it is read with; under another one the same goods have another weight.
    """

    boot: int
    seq: int
    at_ms: int
    weight_mg: int | None
    is_steady: bool = True
    is_saturated: bool = False
    calibration: str = ""


@dataclass(frozen=True, slots=True)
class ScaleRules:
    """What is known of a shelf. zero_mg: the weight of the empty shelf; tared: from which weight on it was tared anew.

    noise_mg: one standard deviation of a weight. period_ms: between two weights.
    """

    items: tuple[ShelfItem, ...]
    noise_mg: int
    period_ms: int
    zero_mg: int = 0
    tared: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ScaleState:
    """All that is remembered of a scale between two weights: where it stands, its level, the last two seconds."""

    boot: int = -1
    seq: int = -1
    at_ms: int = 0
    level_mg: int | None = None
    level_at_ms: int = 0
    window: tuple[tuple[int, int], ...] = ()
    doubt: str = ""
    restless_since_ms: int | None = None
    phase: str = MOVING
    calibration: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A settled change of weight, named by the weight that settled it. `reason` "" is a proposal, else a question."""

    boot: int
    seq: int
    at_ms: int
    before_mg: int
    after_mg: int
    took_ms: int
    reason: str
    candidates: tuple[Candidate, ...]


def advance(state: ScaleState, weight: Weight, rules: ScaleRules) -> tuple[ScaleState, Step | None]:
    """Take the next weight in; return what is remembered then, and the step that it settled, if one."""
    place = (weight.boot, weight.seq)
    if place <= (state.boot, state.seq):
        return state, None  # had before
    is_tared = rules.tared is not None and (state.boot, state.seq) < rules.tared <= place
    if is_tared or weight.calibration != state.calibration:
        # What was before cannot be held beside what comes.
        state = ScaleState(boot=state.boot, seq=state.seq, at_ms=state.at_ms, calibration=weight.calibration)
    if weight.weight_mg is None and not weight.is_saturated:
        # The time stands still, so that a run of these reads as the gap that it is.
        return replace(state, boot=weight.boot, seq=weight.seq, at_ms=_kept_ms(state, weight), window=()), None
    if _is_after_gap(state, weight, rules.period_ms):
        state = replace(state, window=(), doubt=_stronger(state.doubt, GAP), restless_since_ms=None)
    state = replace(state, boot=weight.boot, seq=weight.seq, at_ms=weight.at_ms)
    if weight.is_saturated:
        return replace(state, window=(), doubt=_stronger(state.doubt, SATURATED), phase=MOVING), None
    assert weight.weight_mg is not None
    if not weight.is_steady:
        return _restless(state, weight.at_ms), None
    state = replace(state, window=_window(state.window, (weight.at_ms, weight.weight_mg)))
    mean_mg = _steady_mean_mg(state.window, rules.noise_mg)
    return _settle(state, mean_mg, rules) if mean_mg is not None else (replace(state, phase=MOVING), None)


def _kept_ms(state: ScaleState, weight: Weight) -> int:
    # Of another boot the uptime says nothing beside ours: the next weight is behind a gap either way.
    return state.at_ms if state.boot == weight.boot else -(2**62)


def _is_after_gap(state: ScaleState, weight: Weight, period_ms: int) -> bool:
    if state.boot == -1:
        return False
    gap_ms = max(GAP_PERIODS * period_ms, GAP_MS_MIN)
    return state.boot != weight.boot or weight.at_ms - state.at_ms > gap_ms


def _stronger(one: str, other: str) -> str:
    return min(one, other, key=DOUBTS.index)


def _restless(state: ScaleState, at_ms: int) -> ScaleState:
    since_ms = at_ms if state.restless_since_ms is None else state.restless_since_ms
    doubt = _stronger(state.doubt, UNSTABLE) if at_ms - since_ms > RESTLESS_MS_MAX else state.doubt
    return replace(state, window=(), doubt=doubt, restless_since_ms=since_ms, phase=MOVING)


def _window(window: tuple[tuple[int, int], ...], newest: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Return the weights of the last two seconds, with the one that stands at their beginning."""
    if window and newest[0] - window[-1][0] < SETTLE_MS // (WINDOW_WEIGHTS_MAX // 2) and len(window) > 1:
        return window
    first = 0
    while first + 1 < len(window) and newest[0] - window[first + 1][0] >= SETTLE_MS:
        first += 1
    return (*window[first:], newest)[-WINDOW_WEIGHTS_MAX:]


def _steady_mean_mg(window: tuple[tuple[int, int], ...], noise_mg: int) -> int | None:
    """Return the mean of a window that is whole and steady, None for any other."""
    if window[-1][0] - window[0][0] < SETTLE_MS:
        return None
    mean_mg = sum(weight_mg for _, weight_mg in window) / len(window)
    if any(abs(weight_mg - mean_mg) > STEADY_SIGMAS * noise_mg for _, weight_mg in window):
        return None
    return round(mean_mg)


def _settle(state: ScaleState, mean_mg: int, rules: ScaleRules) -> tuple[ScaleState, Step | None]:
    """Set the level to where the scale came to rest, and say what moved since it rested last."""
    anchored = replace(state, level_mg=mean_mg, level_at_ms=state.at_ms, doubt="", restless_since_ms=None, phase=QUIET)
    if state.level_mg is None:
        return anchored, None
    judged = weigh_up(mean_mg - state.level_mg, rules.items, rules.noise_mg)
    if judged.is_nothing:
        return anchored, None
    took_ms = max(0, state.window[0][0] - state.level_at_ms)
    step = Step(
        boot=state.boot,
        seq=state.seq,
        at_ms=state.at_ms,
        before_mg=state.level_mg,
        after_mg=mean_mg,
        took_ms=took_ms,
        reason=_reason(state, mean_mg, took_ms, rules) or ("" if judged.is_clear else UNLIKELY),
        candidates=judged.candidates,
    )
    return anchored, step


def _reason(state: ScaleState, after_mg: int, took_ms: int, rules: ScaleRules) -> str:
    """Say why this step is asked about whatever its probability, "" where nothing speaks for that."""
    assert state.level_mg is not None
    if state.doubt:
        return state.doubt
    before_mg, net_mg = state.level_mg - rules.zero_mg, after_mg - rules.zero_mg
    if net_mg < -max(lightest_mg(rules.items) // 3, round(STEADY_SIGMAS * math.sqrt(2.0) * rules.noise_mg)):
        return NEGATIVE
    if net_mg * 2 < before_mg and took_ms < QUICK_MS:
        return HALF_GONE
    return ALIKE if are_alike(rules.items, rules.noise_mg) else ""
