"""Listen to lines of SenML or JSON and book their values. Sans-IO; nothing is ever sent.

Not a parser. A sender's time is a claim: it is used within 24 hours of ours, else the value stands at its arrival and
is SUSPECT. A name keeps its unit for a session; a unit that nobody registered makes a fault, kept and shown. LINK
section 5.
"""

from collections.abc import Callable

from firmware_bridge.adapters.lines import CONTROLS, LineReader, Malformed
from firmware_bridge.adapters.senml.pack import LINE_BYTES_MAX, Resolved, read_line
from firmware_bridge.adapters.session import CHANNELS_MAX, FAULT_OTHER, AdapterSession, facts_of_kind
from firmware_bridge.adapters.units import kind_of_unit
from firmware_bridge.adapters.values import NoValue, as_milli
from firmware_bridge.clock import HostNow
from firmware_bridge.link.messages import Kind
from firmware_bridge.session_protocol import LineSettings

PERIOD_MS = 60_000  # how often something is expected: nobody says, a minute is usual
CLAIM_MS_MAX = 24 * 3_600_000  # LINK section 5
AHEAD_MS_MAX = 60_000  # a sender's clock may run ahead a little; its values stand at their arrival


class SenmlSession(AdapterSession):
    """Book what a talker says; channels have the names of the records."""

    protocol = "senml"

    def __init__(self, uid: str, line: LineSettings, now: Callable[[], HostNow]) -> None:
        super().__init__(uid, now, period_ms=PERIOD_MS)
        self.line = line
        self._lines = LineReader(LINE_BYTES_MAX, self.receiver.errors, never=CONTROLS)
        self._units: dict[str, str | None] = {}

    @property
    def held_bytes(self) -> int:
        """Return how many bytes of an unfinished line are held."""
        return self._lines.held_bytes

    def on_opened(self, now_ms: int) -> None:  # noqa: ARG002 - the hook is every adapter's
        """Begin with a whole line."""
        self._lines.clear()
        self._units.clear()

    def on_bytes(self, data: bytes, now_ms: int) -> None:
        """Hear lines; a line is taken whole or not at all."""
        for line in self._lines.receive(data):
            try:
                records = read_line(line)
            except Malformed as malformed:
                self.refuse(malformed.kind)
                continue
            self.heard(now_ms)
            for record in records:
                self._take(record, now_ms)

    def _take(self, record: Resolved, now_ms: int) -> None:
        unit = None if isinstance(record.value, bool) else record.unit
        if record.name not in self._units and len(self._units) >= CHANNELS_MAX:
            self.refuse("too_many_channels")
            return
        if self._units.setdefault(record.name, unit) != unit:
            self.refuse("unit_changed")
            return
        at_ms, doubt = self._moment(record, now_ms)
        if isinstance(record.value, bool):
            channel = facts_of_kind(record.name, Kind.DOOR, "/", PERIOD_MS)
            self.book(channel, int(record.value), at_ms, doubt=doubt)
            return
        kind = kind_of_unit(record.unit)
        milli = as_milli(record.value)
        if isinstance(milli, NoValue):
            self.refuse("number")
        elif kind is None:
            channel = facts_of_kind(record.name, Kind.OTHER, printable(record.unit), PERIOD_MS)
            self.book(channel, milli, at_ms, fault=FAULT_OTHER, doubt="unit")
        else:
            self.book(facts_of_kind(record.name, kind, record.unit, PERIOD_MS), milli, at_ms, doubt=doubt)

    def _moment(self, record: Resolved, now_ms: int) -> tuple[int, str]:
        """Return when the value was taken, in our time, and the doubt that its claim leaves."""
        if record.is_relative:
            age_ms = -int(record.at_s * 1000)
        else:
            now = self._now()
            if not now.is_clock_trusted:
                return now_ms, ""  # two clocks, and ours is not to be compared with
            age_ms = now.wall_us // 1000 - int(record.at_s * 1000)
        if -AHEAD_MS_MAX <= age_ms < 0:
            return now_ms, ""
        if not 0 <= age_ms <= CLAIM_MS_MAX:
            return now_ms, "time"
        return now_ms - age_ms, ""


def printable(unit: str) -> str:
    """Return a unit as it may be stored: 16 printable ASCII characters."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in unit[:16])
