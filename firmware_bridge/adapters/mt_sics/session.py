"""The poll of a scale: ask for the weight five times a second, book what is stable. Sans-IO.

Not a till. `SI` and `I4` are all that is ever sent: never Z, T or @, which change what staff see on the scale. A weight
is booked when it changed and each ten seconds; what moves is not. With a serial number configured, another scale on the
same port is not taken for it. LINK section 5.
"""

from collections.abc import Callable

from firmware_bridge.adapters.lines import LineReader, Malformed
from firmware_bridge.adapters.mt_sics.replies import (
    BELOW_ZERO,
    LINE_BYTES_MAX,
    Error,
    NotNow,
    OutOfRange,
    Serial,
    Weight,
    read_reply,
)
from firmware_bridge.adapters.session import FAULT_SATURATED, AdapterSession, ChannelFacts
from firmware_bridge.clock import HostNow
from firmware_bridge.link.messages import Kind
from firmware_bridge.session_protocol import LineSettings

POLL_MS = 200  # LINK section 5: 5 Hz
POLL_SILENT_MS = 2_000  # while nobody answers
REPLY_MS = 1_000  # then the reply is not waited for any more
BOOK_EACH_MS = 10_000  # an unchanged weight is said again, as a quiet probe does
SERIAL_TRIES = 3
SERIAL_AGAIN_MS = 5_000
ASK_WEIGHT, ASK_SERIAL = b"SI\r\n", b"I4\r\n"
# Thousandths of a gram, so that pounds stay exact to what the scale shows: raw x 10^-6 kg.
WEIGHT = ChannelFacts("weight", Kind.WEIGHT, "kg", exp10=-6, lo=-(10**9), hi=10**9, period_ms=BOOK_EACH_MS)


class MtSicsSession(AdapterSession):
    """Read one scale; its channel is `weight`."""

    protocol = "mt-sics"

    def __init__(self, uid: str, line: LineSettings, now: Callable[[], HostNow], *, serial: str = "") -> None:
        """serial: the serial number that the scale must have, '' for any."""
        super().__init__(uid, now, period_ms=BOOK_EACH_MS)
        self.line = line
        self._serial = serial
        self._lines = LineReader(LINE_BYTES_MAX, self.receiver.errors)
        self._is_known = False
        self._serial_tries = 0
        self._is_serial_asked = False
        self._asked_at_ms: int | None = None
        self._next_at_ms = 0
        self._booked: tuple[int, str] | None = None
        self._booked_at_ms = 0
        self._is_below_zero = False

    @property
    def held_bytes(self) -> int:
        """Return how many bytes of an unfinished line are held."""
        return self._lines.held_bytes

    def on_opened(self, now_ms: int) -> None:
        """Ask who it is first."""
        self._lines.clear()
        self._is_known = False
        self._serial_tries = 0
        self._asked_at_ms = self._booked = None
        self._next_at_ms = now_ms

    def on_bytes(self, data: bytes, now_ms: int) -> None:
        """Hear replies."""
        for line in self._lines.receive(data):
            try:
                reply = read_reply(line)
            except Malformed as malformed:
                self.refuse(malformed.kind)
                continue
            self._asked_at_ms = None
            if isinstance(reply, Serial):
                self._meet(reply.text, now_ms)
            elif isinstance(reply, Error | NotNow):
                if isinstance(reply, Error):
                    self.refuse(f"error_{reply.code.lower()}")
                if self._is_serial_asked and not self._is_known and not self._serial:
                    self._is_known = True  # a scale that does not tell its number
            if not self._is_known:
                continue
            self.heard(now_ms)
            if isinstance(reply, Weight):
                self._weigh(reply, now_ms)
            elif isinstance(reply, OutOfRange):
                self._book(0, reply.reason, now_ms)

    def on_tick(self, now_ms: int) -> None:
        """Ask for the weight, or first for the serial number."""
        if self._asked_at_ms is not None and now_ms - self._asked_at_ms >= REPLY_MS:
            self._asked_at_ms = None
            self.refuse("timeout")
            self._next_at_ms = max(self._next_at_ms, now_ms + POLL_SILENT_MS - REPLY_MS)
        if self._asked_at_ms is not None or now_ms < self._next_at_ms:
            return
        self._asked_at_ms = now_ms
        if self._is_known:
            self._is_serial_asked = False
            self._next_at_ms = now_ms + POLL_MS
            self.say(ASK_WEIGHT)
            return
        self._is_serial_asked = True
        self._serial_tries += 1
        self._next_at_ms = now_ms + (POLL_SILENT_MS if self._serial_tries <= SERIAL_TRIES else SERIAL_AGAIN_MS)
        self.say(ASK_SERIAL)

    def next_at_ms(self, now_ms: int) -> int:  # noqa: ARG002 - the hook is every adapter's
        """Return when the next question or the end of patience is due."""
        if self._asked_at_ms is not None:
            return self._asked_at_ms + REPLY_MS
        return self._next_at_ms

    def _meet(self, serial: str, now_ms: int) -> None:
        if self._serial and serial != self._serial:
            self.refuse("other_scale")
            self.note(f"mt-sics: another scale answers here, serial number {serial}", now_ms)
            self._is_known = False
            return
        if not self._is_known:
            self._is_known = True
            self._next_at_ms = now_ms
            self.note(f"mt-sics: scale with serial number {serial}", now_ms)

    def _weigh(self, weight: Weight, now_ms: int) -> None:
        if weight.may_book:
            self._is_below_zero = False
            self._book(weight.mg, "", now_ms)
        elif weight.is_stable and not self._is_below_zero:
            self._is_below_zero = True
            self.refuse(BELOW_ZERO)
            self.note("mt-sics: the scale shows less than zero: ask for a tare", now_ms)

    def _book(self, mg: int, reason: str, now_ms: int) -> None:
        if self._booked == (mg, reason) and now_ms - self._booked_at_ms < BOOK_EACH_MS:
            return
        self._booked, self._booked_at_ms = (mg, reason), now_ms
        self.book(WEIGHT, mg, now_ms, fault=FAULT_SATURATED if reason else None, doubt=reason)
