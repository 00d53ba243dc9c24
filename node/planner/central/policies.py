"""How long to wait for the central planner and when to ask it again: every number, by name.

Not the transport. Time, sleep and the stop signal are arguments, so a test runs a policy in no time at all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
    wait_random_exponential,
)
from tenacity.stop import stop_base

from node.planner.central.faults import NoAnswer

# A question that was refused is asked at most twice more: the hedge is the plan made here, not a second call.
ATTEMPTS_MAX = 3
# Full jitter between 0 and these bounds (doubling), so that many markets do not come back in step.
JITTER_FIRST_S = 0.5
JITTER_LAST_S = 4.0
# What a planner may ask us to wait; a longer wish is no reason to come earlier, it ends the question.
RETRY_AFTER_S_MAX = 3600


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The limits of one question, in seconds. `total_s` counts from the first byte sent to the last byte read."""

    connect_s: float = 2.0
    first_byte_s: float = 10.0
    between_bytes_s: float = 5.0
    total_s: float = 30.0


BACKGROUND = Deadlines()
# Somebody looks at the screen: the plan made here is there already, and the better one may come later.
WAITING = Deadlines(total_s=8.0)


def central(
    *,
    ends_at_s: float,
    monotonic_s: Callable[[], float],
    sleep: Callable[[float], None],
    stop: threading.Event,
) -> Retrying:
    """Return the policy `central`: what may pass is asked again, at most twice, inside the deadline, under one key."""
    jitter = wait_random_exponential(multiplier=JITTER_FIRST_S, max=JITTER_LAST_S)

    def wait(state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        asked_s = fault.retry_after_s if isinstance(fault, NoAnswer) else 0.0
        return max(float(jitter(state)), asked_s)

    return Retrying(
        retry=retry_if_exception(lambda fault: isinstance(fault, NoAnswer) and fault.is_transient),
        wait=wait,
        stop=stop_any(stop_after_attempt(ATTEMPTS_MAX), stop_when_event_set(stop), StopAt(ends_at_s, monotonic_s)),
        sleep=sleep,
        reraise=True,
    )


class StopAt(stop_base):
    """Stop where the next attempt would begin after the end."""

    def __init__(self, ends_at_s: float, monotonic_s: Callable[[], float]) -> None:
        self._ends_at_s = ends_at_s
        self._monotonic_s = monotonic_s

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._monotonic_s() + retry_state.upcoming_sleep >= self._ends_at_s


def retry_after_s(text: str | None) -> float | None:
    """Read a Retry-After header in seconds. A date is ignored: the planner's clock is none of ours."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 5:
        return None
    return float(min(int(text), RETRY_AFTER_S_MAX))
