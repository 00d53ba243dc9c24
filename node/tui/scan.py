"""Tell a barcode scanner from a person at the same keyboard.

A scanner types its code and a suffix. This class sees every key before anybody else does and says what to do with it.
It knows no barcode and no terminal library: keys and times come in, effects go out. Owns the rule that a scan confirms
nothing, types into no field, and is delivered exactly once.

How it decides
  In a text field (design A) characters go to the field at once. If at least 8 of them came close together and the
  suffix follows as closely, the suffix is swallowed, the field gets its earlier content back and one scan is delivered.
  Anywhere else (design B) a character is held for 40 ms. Alone it is a key. Several are a burst, which ends after
  150 ms: 4 or more with the suffix are a scan, anything else does nothing and is said aloud.
  After a prefix (if the scanner sends one) everything up to the suffix, or to half a second of silence, is a scan.
  A character repeated is a held key, not a scan: `+` and `-` count as often as they came, others once.
  More than 128 characters are dropped until 200 ms of silence.

The machine is `_TABLE`: (state, kind of key) to what happens. Silence is the sixth kind; each state has its own length
of it, and silence is always dealt with before the key that ended it, so order is kept.

Where it is weak: over ssh or a terminal multiplexer gaps may stretch, and then a scan is plain typing and Enter; the
dialogs that destroy something protect themselves (`dialogs/letters.py`). A prefix makes both designs exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

HOLD_S = 0.040  # design B: scanners leave 1 to 30 ms between characters, a fast typist 60 and more
# Two different characters within the hold are no person's keys any more; what is left of a scan may come late on a busy
# computer, where the time of a key is the time at which it was parsed.
BURST_SILENCE_S = 0.150
FIELD_GAP_S = 0.035  # design A: the longest gap inside a scan; key repeat is 33 ms, but repeats one character
FIELD_CHARACTERS_MIN = 8  # the shortest GTIN
BURST_CHARACTERS_MIN = 4  # outside fields no text is typed, so fewer are enough
CHARACTERS_MAX = 128  # longer is no barcode that a market meets
DROP_SILENCE_S = 0.200
PREFIX_SILENCE_S = 0.500
WAITING_SCANS_MAX = 20  # a full queue refuses the newest

ENTER, LINE_FEED, TAB = "enter", "ctrl+j", "tab"
SUFFIX_KEYS = frozenset({ENTER, LINE_FEED, TAB})
PREFIX_KEYS = frozenset({"ctrl+g", "f12"})  # BEL, and what most scanners offer as a function key
GROUP_SEPARATOR_KEY = "ctrl+right_square_bracket"  # 0x1D, between the fields of a GS1 code
GROUP_SEPARATOR = "\x1d"
REPEATABLE = frozenset("+-")


class Complaint(Enum):
    """Why keys led to nothing."""

    TOO_FAST = "too_fast"
    TOO_LONG = "too_long"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Press:
    """One key. `at_s` is when it was parsed, `place` what was in front then, `original` what the caller wants back."""

    key: str
    character: str | None
    at_s: float
    place: object = None
    in_field: bool = False
    original: object = None


@dataclass(frozen=True, slots=True)
class Pass:
    """Let this key act, at the place at which it was pressed."""

    press: Press


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep the field's content: what follows may turn out to be a scan."""

    place: object


@dataclass(frozen=True, slots=True)
class Restore:
    """Give the field back what was remembered."""

    place: object


@dataclass(frozen=True, slots=True)
class Scanned:
    """A whole scan, without prefix and suffix."""

    text: str
    place: object


@dataclass(frozen=True, slots=True)
class Complain:
    """Ring the bell and say why nothing was done."""

    complaint: Complaint


Effect = Pass | Remember | Restore | Scanned | Complain


class State(Enum):
    """What the keys so far look like."""

    IDLE = "idle"
    HELD = "held"  # design B
    FIELD = "field"  # design A
    PREFIXED = "prefixed"
    DROPPING = "dropping"


class Kind(Enum):
    """What a key is to the router."""

    CHARACTER = "character"
    SEPARATOR = "separator"
    SUFFIX = "suffix"
    PREFIX = "prefix"
    OTHER = "other"
    SILENCE = "silence"


_SILENCE_S = {
    State.HELD: HOLD_S,
    State.FIELD: FIELD_GAP_S,
    State.PREFIXED: PREFIX_SILENCE_S,
    State.DROPPING: DROP_SILENCE_S,
}


def kind_of(press: Press) -> Kind:
    """Sort a key into the kinds of the table."""
    if press.key in SUFFIX_KEYS:
        return Kind.SUFFIX
    if press.key in PREFIX_KEYS:
        return Kind.PREFIX
    if press.key == GROUP_SEPARATOR_KEY:
        return Kind.SEPARATOR
    if press.character is not None and press.character.isprintable():
        return Kind.CHARACTER
    return Kind.OTHER


class ScanRouter:
    """Decide, key by key, what acts and what is a scan. Call `key` for each key and `tick` at `deadline_s`."""

    def __init__(self) -> None:
        self._state = State.IDLE
        self._burst: list[Press] = []
        self._last_at_s = 0.0
        self._return_swallowed_at_s: float | None = None

    @property
    def deadline_s(self) -> float | None:
        """The time at which silence would change something, or None."""
        if self._state is State.IDLE:
            return None
        is_burst = self._state is State.HELD and not self._is_repeat()
        return self._last_at_s + (BURST_SILENCE_S if is_burst else _SILENCE_S[self._state])

    def key(self, press: Press) -> list[Effect]:
        """Take one key and return what to do, in order."""
        effects = self.tick(press.at_s)
        if self._state is State.FIELD and press.place is not self._burst[0].place:
            effects += self._settle()  # the focus moved on: whatever that was, it is over
        kind = kind_of(press)
        if kind is Kind.SUFFIX and self._is_line_feed_after_return(press):
            return effects
        effects += _TABLE[self._state, kind](self, press)
        self._last_at_s = press.at_s
        return effects

    def tick(self, now_s: float) -> list[Effect]:
        """Return what to do because nothing was pressed for long enough."""
        deadline_s = self.deadline_s
        return [] if deadline_s is None or now_s <= deadline_s else self._settle()

    def _settle(self) -> list[Effect]:
        return _TABLE[self._state, Kind.SILENCE](self, self._burst[-1] if self._burst else None)

    def _is_line_feed_after_return(self, press: Press) -> bool:
        # CR LF arrives as two keys; the second one belongs to the scan that the first one ended.
        ended_at_s, self._return_swallowed_at_s = self._return_swallowed_at_s, None
        return press.key == LINE_FEED and ended_at_s is not None and press.at_s - ended_at_s <= FIELD_GAP_S

    def _text(self) -> str:
        return "".join(GROUP_SEPARATOR if p.key == GROUP_SEPARATOR_KEY else p.character or "" for p in self._burst)

    def _is_repeat(self) -> bool:
        return len({press.character for press in self._burst}) == 1

    def _reset(self, state: State = State.IDLE) -> None:
        self._state = state
        self._burst = []

    # What the table names. Each takes the key and returns effects.

    def _let_pass(self, press: Press) -> list[Effect]:
        return [Pass(press)]

    def _ignore(self, _press: Press) -> list[Effect]:
        return []

    def _begin(self, press: Press) -> list[Effect]:
        self._burst = [press]
        if press.in_field:
            self._state = State.FIELD
            return [Remember(press.place), Pass(press)]
        self._state = State.HELD
        return []

    def _begin_prefixed(self, _press: Press) -> list[Effect]:
        effects = self._settle()
        self._reset(State.PREFIXED)
        return effects

    def _restart_prefixed(self, _press: Press) -> list[Effect]:
        effects: list[Effect] = [Complain(Complaint.CUT)] if self._burst else []
        self._reset(State.PREFIXED)
        return effects

    def _grow(self, press: Press) -> list[Effect]:
        self._burst.append(press)
        if len(self._burst) <= CHARACTERS_MAX:
            return []
        self._reset(State.DROPPING)
        return [Complain(Complaint.TOO_LONG)]

    def _grow_in_field(self, press: Press) -> list[Effect]:
        place = self._burst[0].place
        too_long = self._grow(press)
        return [Restore(place), *too_long] if too_long else [Pass(press)]

    def _separate_in_field(self, press: Press) -> list[Effect]:
        # A field has no use for the separator; the scan does.
        effects = self._grow_in_field(press)
        return [effect for effect in effects if not isinstance(effect, Pass)]

    def _finish_held(self, press: Press) -> list[Effect]:
        if len(self._burst) < BURST_CHARACTERS_MIN or self._is_repeat():
            self._reset()
            return [Complain(Complaint.TOO_FAST)]
        return self._finish(press)

    def _finish_field(self, press: Press) -> list[Effect]:
        if len(self._burst) < FIELD_CHARACTERS_MIN or self._is_repeat():
            self._reset()
            return [Pass(press)]
        return [Restore(self._burst[0].place), *self._finish(press)]

    def _finish(self, press: Press) -> list[Effect]:
        text = self._text()
        self._reset()
        if press.key == ENTER:
            self._return_swallowed_at_s = press.at_s
        return [Scanned(text, press.place)] if text else []

    def _settle_then_pass(self, press: Press) -> list[Effect]:
        return [*self._settle(), Pass(press)]

    def _cut_then_pass(self, press: Press) -> list[Effect]:
        self._reset()
        return [Complain(Complaint.CUT), Pass(press)]

    def _settle_held(self, _press: Press | None) -> list[Effect]:
        burst, is_repeat = self._burst, self._is_repeat()
        self._reset()
        if not is_repeat:
            return [Complain(Complaint.TOO_FAST)]
        times = len(burst) if burst[0].character in REPEATABLE else 1
        return [Pass(press) for press in burst[:times]]

    def _settle_prefixed(self, _press: Press | None) -> list[Effect]:
        text, place = self._text(), self._burst[0].place if self._burst else None
        self._reset()
        return [Scanned(text, place)] if text else []

    def _end(self, _press: Press | None) -> list[Effect]:
        self._reset()
        return []


_TABLE: dict[tuple[State, Kind], Callable[..., list[Effect]]] = {
    (State.IDLE, Kind.CHARACTER): ScanRouter._begin,
    (State.IDLE, Kind.SEPARATOR): ScanRouter._let_pass,
    (State.IDLE, Kind.SUFFIX): ScanRouter._let_pass,
    (State.IDLE, Kind.PREFIX): ScanRouter._begin_prefixed,
    (State.IDLE, Kind.OTHER): ScanRouter._let_pass,
    (State.IDLE, Kind.SILENCE): ScanRouter._ignore,
    (State.HELD, Kind.CHARACTER): ScanRouter._grow,
    (State.HELD, Kind.SEPARATOR): ScanRouter._grow,
    (State.HELD, Kind.SUFFIX): ScanRouter._finish_held,
    (State.HELD, Kind.PREFIX): ScanRouter._begin_prefixed,
    (State.HELD, Kind.OTHER): ScanRouter._settle_then_pass,
    (State.HELD, Kind.SILENCE): ScanRouter._settle_held,
    (State.FIELD, Kind.CHARACTER): ScanRouter._grow_in_field,
    (State.FIELD, Kind.SEPARATOR): ScanRouter._separate_in_field,
    (State.FIELD, Kind.SUFFIX): ScanRouter._finish_field,
    (State.FIELD, Kind.PREFIX): ScanRouter._begin_prefixed,
    (State.FIELD, Kind.OTHER): ScanRouter._settle_then_pass,
    (State.FIELD, Kind.SILENCE): ScanRouter._end,
    (State.PREFIXED, Kind.CHARACTER): ScanRouter._grow,
    (State.PREFIXED, Kind.SEPARATOR): ScanRouter._grow,
    (State.PREFIXED, Kind.SUFFIX): ScanRouter._finish,
    (State.PREFIXED, Kind.PREFIX): ScanRouter._restart_prefixed,
    (State.PREFIXED, Kind.OTHER): ScanRouter._cut_then_pass,
    (State.PREFIXED, Kind.SILENCE): ScanRouter._settle_prefixed,
    (State.DROPPING, Kind.CHARACTER): ScanRouter._ignore,
    (State.DROPPING, Kind.SEPARATOR): ScanRouter._ignore,
    (State.DROPPING, Kind.SUFFIX): ScanRouter._ignore,
    (State.DROPPING, Kind.PREFIX): ScanRouter._ignore,
    (State.DROPPING, Kind.OTHER): ScanRouter._ignore,
    (State.DROPPING, Kind.SILENCE): ScanRouter._end,
}


def pasted_scan(text: str) -> str | None:
    """Return a paste outside a field as a scan if it is one line of 8 to 128 characters, else None."""
    line = text.strip("\r\n")
    is_one_line = line.isprintable()
    return line if is_one_line and FIELD_CHARACTERS_MIN <= len(line) <= CHARACTERS_MAX else None


class WaitingScans:
    """Scans that came while a dialog was open, oldest first. Bounded: a full queue refuses the newest."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str) -> bool:
        """Keep a scan for later. Returns False, and keeps nothing, when 20 are waiting."""
        if len(self._texts) >= WAITING_SCANS_MAX:
            return False
        self._texts.append(text)
        return True

    def next(self) -> str | None:
        """Take the oldest one out, or None."""
        return self._texts.popleft() if self._texts else None
