"""The poll of a Modbus line: one request at a time, each probe at its own pace, patience with a bad line. Sans-IO.

Not a frame. Rules of LINK section 5:

1. Between frames the line is silent for 3.5 characters (at least 1.75 ms).
2. A reply has 300 ms beside its own time on the line; three tries, then the probe waits for its next turn. A station
   that did not answer a whole turn gets one try a turn until it does, so that a dead one does not slow the others.
3. A reply carries no register number. After a timeout nothing is sent until the line was silent for 50 ms. What would
   look the same (station, function, count) but asks another register waits for one more reply's time, also behind an
   answer to a second try, which may have been that to the first: or a late reply would pass for the next one.
4. Refusals 1 to 3 are faults of the configuration: that probe is not asked again while the port is open. All others are
   asked again at their next turn.
5. There is one master on a line. A request that we did not send is counted and said.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from firmware_bridge.adapters.modbus.frames import (
    CONFIG_ERROR,
    REQUEST_BYTES,
    Refusal,
    Registers,
    ReplyReader,
    foreign_request,
    read_request,
)
from firmware_bridge.adapters.modbus.profile import Probe, Profile
from firmware_bridge.adapters.modbus.values import read_value, registers_of
from firmware_bridge.adapters.session import FAULT_OTHER, AdapterSession
from firmware_bridge.adapters.values import NoValue, as_milli
from firmware_bridge.clock import HostNow
from firmware_bridge.session_protocol import LineSettings

REPLY_MS = 300  # LINK section 5
TRIES = 3  # LINK section 5
DRAIN_SILENCE_MS = 50  # LINK section 5
DRAIN_MS_MAX = 2_000  # a line that is never silent is asked all the same, or nothing would ever be read
BITS_PER_CHARACTER = 11  # start, 8 data, parity or a second stop, stop (Modbus over Serial Line 1.02, section 2.5.1)
SILENCE_CHARACTERS = 3.5  # Modbus over Serial Line 1.02, section 2.5.1.1
IDLE_BYTES_MAX = 64  # of what comes when nobody was asked; enough to know a foreign request
FOREIGN_EACH_MS = 3_600_000  # one line in the log an hour


Look = tuple[int, int, int]  # station, function, registers: all that a reply says of its question


@dataclass(slots=True)
class Turn:
    """One probe of one station and when it is due."""

    probe: Probe
    reader: ReplyReader
    due_at_ms: int = 0
    tries_left: int = TRIES
    is_absent: bool = False
    is_misconfigured: bool = False

    @property
    def look(self) -> Look:
        """Return what a reply to this probe looks like."""
        return self.probe.unit, self.probe.function, registers_of(self.probe.type_name)


class ModbusSession(AdapterSession):
    """Poll the probes of a profile on one line."""

    protocol = "modbus"

    def __init__(
        self, uid: str, profile: Profile, units: tuple[int, ...], line: LineSettings, now: Callable[[], HostNow]
    ) -> None:
        """units: stations to read instead of the profile's own; with several, each channel is named `UNIT NAME`."""
        probes = probes_of(profile, units)
        super().__init__(uid, now, period_ms=min(probe.period_ms for probe in probes))
        self.line = line
        self._character_ms = BITS_PER_CHARACTER * 1000 / line.baud
        self._turns = [Turn(probe, _reader(probe)) for probe in probes]
        self._asked: Turn | None = None
        self._request = b""
        self._reader: ReplyReader | None = None
        self._deadline_ms = 0
        self._free_at_ms = 0
        self._drain_until_ms: int | None = None
        self._late: dict[Look, tuple[int, int]] = {}
        self._last_byte_at_ms = 0
        self._idle = b""
        self._foreign_at_ms: int | None = None

    @property
    def held_bytes(self) -> int:
        """Return how many bytes that are no reply yet are held."""
        return len(self._idle) + (0 if self._reader is None else len(self._reader.held))

    def on_opened(self, now_ms: int) -> None:
        """Ask every probe anew, also those that were misconfigured."""
        for turn in self._turns:
            turn.due_at_ms, turn.tries_left = now_ms, TRIES
            turn.is_absent = turn.is_misconfigured = False
        self._asked = self._reader = None
        self._drain_until_ms = None
        self._late.clear()
        self._free_at_ms = now_ms
        self._idle = b""

    def on_bytes(self, data: bytes, now_ms: int) -> None:
        """Hear what the line carries: the reply, or what nobody asked for."""
        self._last_byte_at_ms = now_ms
        if self._reader is None:
            if self._drain_until_ms is None:
                self.refuse("stray")
            self._listen_for_foreign(data, now_ms)
            return
        answer = self._reader.receive(data)
        if answer is not None:
            self._take(answer, now_ms)

    def on_tick(self, now_ms: int) -> None:
        """Give up waiting, or ask the probe that is due longest."""
        if self._reader is not None:
            if now_ms >= self._deadline_ms:
                self._time_out(now_ms)
            return
        if self._drain_until_ms is not None:
            is_silent = now_ms - self._last_byte_at_ms >= self._silence_ms(DRAIN_SILENCE_MS)
            if not is_silent and now_ms < self._drain_until_ms:
                return
            if not is_silent:
                self.refuse("noise")
            self._drain_until_ms = None
        if now_ms < self._free_at_ms:
            return
        turn = min((t for t in self._turns if not t.is_misconfigured), key=self._may_ask_at_ms, default=None)
        if turn is not None and self._may_ask_at_ms(turn) <= now_ms:
            self._ask(turn, now_ms)

    def next_at_ms(self, now_ms: int) -> int:
        """Return when there is a deadline to keep or a probe to ask."""
        if self._reader is not None:
            return self._deadline_ms
        if self._drain_until_ms is not None:
            return min(self._drain_until_ms, self._last_byte_at_ms + self._silence_ms(DRAIN_SILENCE_MS))
        due = [self._may_ask_at_ms(turn) for turn in self._turns if not turn.is_misconfigured]
        return max(self._free_at_ms, min(due)) if due else super().next_at_ms(now_ms)

    def _ask(self, turn: Turn, now_ms: int) -> None:
        probe = turn.probe
        count = registers_of(probe.type_name)
        if self._late.get(turn.look, (0, now_ms))[1] <= now_ms:
            self._late.pop(turn.look, None)
        self._asked = turn
        self._request = read_request(probe.unit, probe.function, probe.address, count)
        self._reader = turn.reader
        self._reader.begin()
        on_line_ms = (REQUEST_BYTES + 5 + 2 * count) * self._character_ms
        self._deadline_ms = now_ms + REPLY_MS + int(on_line_ms) + 1
        self._idle = b""
        turn.tries_left -= 1
        self.say(self._request)

    def _take(self, answer: Registers | Refusal, now_ms: int) -> None:
        turn, reader = self._asked, self._reader
        assert turn is not None and reader is not None, "an answer has its question"
        self._finish(now_ms)
        self.heard(now_ms)
        if turn.look in self._late:
            self._expect_late(turn)
        turn.is_absent = False
        if answer.skipped and reader.held[: answer.skipped] != self._request[: answer.skipped]:
            self.refuse("skipped")
            self._listen_for_foreign(reader.held[: answer.skipped], now_ms)
        if isinstance(answer, Refusal):
            self.refuse(f"exception_{answer.code:02x}")
            if answer.meaning == CONFIG_ERROR:
                turn.is_misconfigured = True
                probe = turn.probe
                where = f"station {probe.unit}, function {probe.function}, address {probe.address}"
                self.note(f"modbus: {where}: refused with exception {answer.code:02x}; not asked again", now_ms)
            self._next_turn(turn, now_ms)
            return
        self._next_turn(turn, now_ms)
        value = read_value(turn.probe.type_name, answer.data, scale=turn.probe.scale, invalid=turn.probe.invalid)
        raw = value if isinstance(value, NoValue) else as_milli(value)
        if isinstance(raw, NoValue):
            self.refuse(raw.reason)
            self.book(turn.probe.channel, 0, now_ms, fault=FAULT_OTHER, doubt="invalid")
        else:
            self.book(turn.probe.channel, raw, now_ms)

    def _time_out(self, now_ms: int) -> None:
        turn, reader = self._asked, self._reader
        assert turn is not None and reader is not None, "a deadline has its question"
        refusal = reader.give_up()
        if refusal is not None:
            self._take(refusal, now_ms)
            return
        self.refuse("damaged" if reader.held else "timeout")
        self._listen_for_foreign(reader.held, now_ms)
        self._finish(now_ms)
        self._expect_late(turn)
        self._drain_until_ms = now_ms + DRAIN_MS_MAX
        # The silence before the deadline counts as well, but something may be on its way right now.
        self._last_byte_at_ms = now_ms
        if turn.is_absent or turn.tries_left <= 0:
            turn.is_absent = True
            self._next_turn(turn, now_ms)

    def _finish(self, now_ms: int) -> None:
        self._asked = self._reader = None
        self._free_at_ms = now_ms + self._silence_ms(0)

    def _expect_late(self, turn: Turn) -> None:
        self._late[turn.look] = (turn.probe.address, self._deadline_ms + REPLY_MS)

    def _may_ask_at_ms(self, turn: Turn) -> int:
        address, until_ms = self._late.get(turn.look, (turn.probe.address, 0))
        return turn.due_at_ms if address == turn.probe.address else max(turn.due_at_ms, until_ms)

    def _next_turn(self, turn: Turn, now_ms: int) -> None:
        """Keep the pace of the probe; turns that were missed are not made up for."""
        turn.tries_left = TRIES
        turn.due_at_ms += turn.probe.period_ms
        if turn.due_at_ms <= now_ms:
            turn.due_at_ms = now_ms + turn.probe.period_ms

    def _silence_ms(self, at_least_ms: int) -> int:
        return max(at_least_ms, 2, int(SILENCE_CHARACTERS * self._character_ms) + 1)

    def _listen_for_foreign(self, data: bytes, now_ms: int) -> None:
        self._idle = (self._idle + data)[-IDLE_BYTES_MAX:]
        found = foreign_request(self._idle, self._request)
        if found is None:
            return
        self._idle = b""
        self.refuse("foreign_master")
        if self._foreign_at_ms is None or now_ms - self._foreign_at_ms >= FOREIGN_EACH_MS:
            self._foreign_at_ms = now_ms
            self.note(f"modbus: another master is on this line; it asked {found.hex()}", now_ms)


def _reader(probe: Probe) -> ReplyReader:
    return ReplyReader(probe.unit, probe.function, registers_of(probe.type_name))


def probes_of(profile: Profile, units: tuple[int, ...]) -> list[Probe]:
    """Return the probes to read: the profile's own, or those of each named station under its number."""
    if not units:
        return list(profile.probes)
    if len(units) == 1:
        return [replace(probe, unit=units[0]) for probe in profile.probes]
    return [
        replace(probe, unit=unit, channel=replace(probe.channel, name=f"{unit} {probe.channel.name}"))
        for unit in units
        for probe in profile.probes
    ]
