"""How often a host asks, and how long silence is only silence: pure rules of time.

Not the session that acts on them and not a clock. All from LINK sections 3 and 4.
"""

from collections.abc import Iterable

from firmware_bridge.link.messages import FLAG_EVENT, Desc
from firmware_bridge.link.states import State

PERIOD_DEFAULT_MS = 10_000  # until the descriptions are known; the usual period of a probe (LINK section 2)
STALE_PERIODS = 2  # silence after which a port is stale (LINK section 3)
STALE_MS_MIN = 5_000  # but never sooner (LINK section 3)
SILENT_PERIODS = 3  # silence after which we begin again (LINK section 3)
SILENT_MS_MIN = 7_500  # keeps the 3 periods behind the 2 when the floor of 5 s rules
PROBE_FAST_MS, PROBE_FAST_FOR_MS = 200, 3_000  # HELLO_REQ each 200 ms for 3 s (LINK section 3)
PROBE_SLOW_MS = 2_000  # then each 2 s, also when stale (LINK section 3)
PROBE_IDLE_AFTER_MS, PROBE_IDLE_MS = 30_000, 30_000  # a port that never answered: once per 30 s (LINK section 4)
PATIENCE_MS = 500  # LINK section 4; nothing that time asks for is due to less, but the first HELLO_REQs


def shortest_period_ms(descriptions: Iterable[Desc]) -> int:
    """Return the period that decides when silence is silence: the shortest of the channels that are no events."""
    periods_ms = [desc.period_ds * 100 for desc in descriptions if not desc.flags & FLAG_EVENT and desc.period_ds]
    return min(periods_ms, default=PERIOD_DEFAULT_MS)


def stale_after_ms(period_ms: int) -> int:
    """Return after how much silence values are STALE."""
    return max(STALE_PERIODS * period_ms, STALE_MS_MIN)


def silent_after_ms(period_ms: int) -> int:
    """Return after how much silence the port is probed anew."""
    return max(SILENT_PERIODS * period_ms, SILENT_MS_MIN)


def probe_each_ms(state: State, probing_ms: int, *, has_ever_answered: bool) -> int:
    """Return how often HELLO is asked for, so long after the probing began."""
    if state is State.STALE:
        return PROBE_SLOW_MS
    if probing_ms < PROBE_FAST_FOR_MS:
        return PROBE_FAST_MS
    is_idle = not has_ever_answered and probing_ms >= PROBE_IDLE_AFTER_MS
    return PROBE_IDLE_MS if is_idle else PROBE_SLOW_MS


def patience_ms(state: State, probing_ms: int) -> int:
    """Return how long a port may be listened to before time can ask for something."""
    is_fast = state is State.PROBING and probing_ms < PROBE_FAST_FOR_MS
    return PROBE_FAST_MS // 2 if is_fast else PATIENCE_MS
