"""What a channel's own recent past says about its newest value: a pure rule with a small state.

Not the worth of a value by itself (`quality.py`), and not what needs a second probe, the door or learning: that is
judged where readings are read. Owns, with quality.py, invariant 5 for the bridge. Sources: LINK section 7, SAFETY
section 1.2 item 8; where a number is marked ours it is an engineering choice.

The rules, in this order, for a value that is fine by itself:

1. stuck: a temperature without one LSB of change for 120 min. Weight never: a quiet shelf is normal.
2. special: a favourite of broken probes, three times in a row, reached by a jump. Without the jump it is a fridge that
   stands at 0.00 or a room at 25.0, and those are common.
3. slope: a step too steep to be food or air. It is doubted until two more values agree with it, then it is real; those
   doubted stay doubted, because what was told at the time is never rewritten.

The state is such that the stored readings of the last RECALL_MS, each with the reason it got, give it back exactly:
`take` follows a verdict, `next_reason` makes one. So a killed bridge goes on as if nothing had happened.
"""

from dataclasses import dataclass
from typing import Final

TEMPERATURE, HUMIDITY, WEIGHT = 1, 2, 3  # DESC kind (LINK section 2)

STUCK_MS: Final = 120 * 60_000  # LINK section 7; 60 min where a cycle was learned, which the bridge does not
STUCK, SPECIAL, SLOPE, SATURATED = "stuck", "special", "slope", "saturated"
REASONS_OF_PAST: Final = ("", STUCK, SPECIAL, SLOPE, SATURATED)

# Two values further apart than this say nothing about each other: ours, the shortest hole behind which a fridge may
# stand anywhere.
SILENCE_MS: Final = 30 * 60_000
RECALL_MS: Final = STUCK_MS + SILENCE_MS

MINUTE_MS: Final = 60_000  # slopes are per minute; within a minute the whole minute's step is allowed (ours: noise)
SLOPE_COLD_MILLI_C, SLOPE_AMBIENT_MILLI_C = 10_000, 5_000  # per minute; the 3 K of a closed door need the door
COLD_BELOW_MILLI_C: Final = 15_000  # ours: what stands below is a cold unit, for want of a better knowledge here
AGREEING: Final = 2  # more values that must agree with a step before it is real

FLAT_COUNT: Final = 3
# -127, 127.9x and 85 are refused at once, by the range and as a power-on value.
FAVOURITES_MILLI_C: Final = (0, 25_000)
JUMP_MILLI_C: Final = 1_000  # ours: nearer than this a probe that froze at a favourite value does no harm
RH_FULL_MILLI: Final = 100_000  # condensation (SAFETY section 1.2 item 8)
ADC_ENDS: Final = (0x7FFFFF, -0x800000)  # HX711 at the end of its range (LINK section 7)


@dataclass(slots=True)
class Past:
    """What is remembered of one channel in one boot under one description. Milli: thousandths of the unit.

    anchor: the newest value that was believed. trail: the newest doubted step, with how many agree. run: how long and
    how often the same raw value has come, and whether a jump led to it.
    """

    kind: int
    last_ms: int | None = None
    last_milli: int = 0
    anchor_ms: int | None = None
    anchor_milli: int = 0
    trail_ms: int = 0
    trail_milli: int = 0
    trail_count: int = 0
    run_raw: int = 0
    run_since_ms: int = 0
    run_count: int = 0
    run_is_jump: bool = False

    def next_reason(self, dev_ms: int, raw: int, milli: int) -> str:
        """Judge the next value, one that is fine by itself, and remember it; returns a reason to doubt it or ''."""
        self._see(dev_ms, raw, milli)
        reason = self._doubt(dev_ms, raw, milli)
        self._settle(dev_ms, milli, reason)
        return reason

    def take(self, dev_ms: int, raw: int, milli: int, reason: str) -> None:
        """Remember a value that got its reason (or '') before."""
        self._see(dev_ms, raw, milli)
        self._settle(dev_ms, milli, reason)

    def _see(self, dev_ms: int, raw: int, milli: int) -> None:
        is_after_silence = self.last_ms is None or not 0 <= dev_ms - self.last_ms <= SILENCE_MS
        if is_after_silence or raw != self.run_raw:
            self.run_is_jump = not is_after_silence and abs(milli - self.last_milli) > JUMP_MILLI_C
            self.run_raw, self.run_since_ms, self.run_count = raw, dev_ms, 0
        self.run_count = min(self.run_count + 1, FLAT_COUNT)
        self.last_ms, self.last_milli = dev_ms, milli

    def _doubt(self, dev_ms: int, raw: int, milli: int) -> str:
        is_flat = self.run_count >= FLAT_COUNT
        if self.kind == WEIGHT:
            return SATURATED if is_flat and raw in ADC_ENDS else ""
        if self.kind == HUMIDITY:
            return SATURATED if is_flat and milli >= RH_FULL_MILLI else ""
        if self.kind != TEMPERATURE:
            return ""
        if dev_ms - self.run_since_ms >= STUCK_MS:
            return STUCK
        if is_flat and self.run_is_jump and milli in FAVOURITES_MILLI_C:
            return SPECIAL
        if self.anchor_ms is None or dev_ms - self.anchor_ms > SILENCE_MS:
            return ""
        if self._is_near(dev_ms, milli, self.anchor_ms, self.anchor_milli):
            return ""
        return "" if self.trail_count >= AGREEING and self._agrees(dev_ms, milli) else SLOPE

    def _settle(self, dev_ms: int, milli: int, reason: str) -> None:
        if reason == "":
            self.anchor_ms, self.anchor_milli = dev_ms, milli
            self.trail_count = 0
        elif reason == SLOPE:
            agreeing = self.trail_count if self.trail_count and self._agrees(dev_ms, milli) else 0
            self.trail_count = min(agreeing + 1, AGREEING)
            self.trail_ms, self.trail_milli = dev_ms, milli
        elif reason == STUCK:
            self.run_since_ms = min(self.run_since_ms, dev_ms - STUCK_MS)
        elif reason == SPECIAL:
            self.run_is_jump = True

    def _agrees(self, dev_ms: int, milli: int) -> bool:
        is_recent = dev_ms - self.trail_ms <= SILENCE_MS
        return is_recent and self._is_near(dev_ms, milli, self.trail_ms, self.trail_milli)

    def _is_near(self, dev_ms: int, milli: int, other_ms: int, other_milli: int) -> bool:
        is_cold = self.anchor_milli < COLD_BELOW_MILLI_C
        per_minute = SLOPE_COLD_MILLI_C if is_cold else SLOPE_AMBIENT_MILLI_C
        return abs(milli - other_milli) * MINUTE_MS <= per_minute * max(dev_ms - other_ms, MINUTE_MS)
