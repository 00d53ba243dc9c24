"""The board's side of the link: what to say, what to send again, when to believe an ACK. Sans-IO.

Not a sensor and not a ring: readings come from the caller, memory is `ring.py`. Owns, for the board, invariant 1: a
record leaves the ring only when the host said that it is committed. Rules: LINK section 3.
"""

import zlib
from collections import deque
from collections.abc import Callable, Sequence

from firmware_bridge.link.framing import DELIMITER, encode_frame
from firmware_bridge.link.messages import (
    RECORDS_MAX,
    STATUS_EARLIER_BOOT,
    Ack,
    Cmd,
    CmdRsp,
    Data,
    Desc,
    FromDevice,
    FromHost,
    Hello,
    HelloReq,
    Op,
    Record,
    Stat,
    TimeReq,
    TimeRsp,
    encode,
)
from firmware_bridge.link.receiver import Receiver, device_receiver
from firmware_bridge.link.ring import Ring
from firmware_bridge.link.sequence import MODULUS, unwrap
from firmware_bridge.link.thinning import RingRecord

WINDOW_RECORDS_MAX = 116  # records in flight beyond seen (LINK section 3)
RTO_START_MS, RTO_MIN_MS, RTO_MAX_MS = 250, 60, 4_000  # LINK section 3
EXPIRIES_MAX = 5  # so many expiries in a row: unlinked (LINK section 3)
HELLO_EACH_MS = 1_000  # while unlinked (LINK section 3)
STAT_EACH_MS = 60_000  # LINK section 3
FRAME_SIZES = (29, 14, 7, 4)  # records a frame (LINK section 3)
FRAMES_JUDGED = 32  # the last frames by which the size is chosen (LINK section 3)
RESENT_HIGH, RESENT_LOW = 0.10, 0.02  # above: smaller frames, below: larger ones (LINK section 3)
DT_MS_MAX = 0xFFFF  # a frame ends before a record farther from its base (LINK section 2)
WAKE_AFTER_MS = 1_000  # one extra delimiter in front after more than 1 s of silence (LINK section 1)
STATUS_DONE, STATUS_UNKNOWN_OP, STATUS_BAD_ARGS = 0, 1, 2  # of CMD_RSP (LINK section 2)

# Does what a command asks, by op and arguments, and returns status and data of the answer.
Do = Callable[[int, bytes], tuple[int, bytes]]


class DeviceSession:
    """Hold the board's end of one conversation; unlinked until an ACK for its boot comes."""

    def __init__(
        self,
        ring: Ring,
        *,
        uid: bytes,
        descriptions: Sequence[Desc],
        firmware: int = 0x0100,
        reset_cause: int = 1,
        do: Do | None = None,
    ) -> None:
        """Begin unlinked. do: what the board can be asked beside sending its descriptions; None: only to blink."""
        self.ring = ring
        self.is_linked = False
        self.receiver: Receiver[FromHost] = device_receiver()
        self._uid = uid
        self._descriptions = {desc.channel: desc for desc in descriptions}
        self._firmware = firmware
        self._do = do or _blink_only
        self._reset_cause = reset_cause
        self._output = bytearray()
        self._seen = self._next_to_send = ring.tail
        self._committed = ring.tail
        self._rto_ms, self._rtt_ms = RTO_START_MS, RTO_START_MS // 4
        self._waiting_since_ms: int | None = None
        self._timed: tuple[int, int] | None = None  # a record number never resent, and when it was sent
        self._expiries = 0
        self._went_back_at_ms: int | None = None
        self._last_ack: tuple[int, int] | None = None
        self._frames: deque[bool] = deque(maxlen=FRAMES_JUDGED)
        self._size_index = 0
        self._hello_at_ms: int | None = None
        self._stat_at_ms = 0
        self._sent_at_ms: int | None = None
        self._answer: CmdRsp | None = None
        self._retx = 0

    @property
    def seen(self) -> int:
        """Return the number before which every record has arrived at the host, committed or not."""
        return self._seen

    def put(self, channel: int, value: int, now_ms: int, *, status: int = 0) -> None:
        """Take one measurement at uptime now_ms (unbounded); it is sent at the next poll that may."""
        record = RingRecord(now_ms % MODULUS, value, self.ring.boot, channel, status)
        self.ring.put(record, self._descriptions)
        self._seen = max(self._seen, self.ring.tail)
        self._next_to_send = max(self._next_to_send, self.ring.tail)

    def describe(self, descriptions: Sequence[Desc]) -> None:
        """Be another board from here on: the next HELLO says so."""
        self._descriptions = {desc.channel: desc for desc in descriptions}

    def receive(self, data: bytes, now_ms: int) -> None:
        """Take bytes from the host."""
        for message in self.receiver.receive(data, now_ms):
            self._hear(message, now_ms)

    def poll(self, now_ms: int) -> None:
        """Do what time asks for: HELLO, STAT, DATA, resending."""
        if not self.is_linked:
            if self._hello_at_ms is None or now_ms - self._hello_at_ms >= HELLO_EACH_MS:
                self._say_hello(now_ms)
            return
        if now_ms - self._stat_at_ms >= STAT_EACH_MS:
            self._stat_at_ms = now_ms
            self._say_stat(now_ms)
        if self._waiting_since_ms is not None and now_ms - self._waiting_since_ms >= self._rto_ms:
            self._expire(now_ms)
        while self.is_linked and self._send_data(now_ms):
            pass

    def take_output(self) -> bytes:
        """Return what is to be written to the line now."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def _hear(self, message: FromHost, now_ms: int) -> None:
        if isinstance(message, HelloReq) or message.boot != self.ring.boot:
            self._say_hello(now_ms)
        elif isinstance(message, Ack):
            self._hear_ack(message, now_ms)
        elif isinstance(message, TimeReq):
            self._send(TimeRsp(self.ring.boot, message.token, now_ms % MODULUS), now_ms)
        else:
            self._hear_cmd(message, now_ms)

    def _hear_ack(self, ack: Ack, now_ms: int) -> None:
        committed = unwrap(ack.next_seq, self.ring.tail)
        seen = committed + (ack.seen_seq - ack.next_seq) % MODULUS
        if not self.ring.tail <= committed <= seen <= self.ring.sent:
            self._say_hello(now_ms)
            return
        if not self.is_linked:
            self.is_linked = True
            self._expiries = 0
            self._rto_ms, self._rtt_ms = RTO_START_MS, RTO_START_MS // 4
            self._stat_at_ms = now_ms
            self._seen = self._next_to_send = seen
            self._waiting_since_ms = self._timed = None
        is_repeated = self._last_ack == (committed, seen)
        self._last_ack = (committed, seen)
        self._committed = committed
        self.ring.free_before(committed)
        if seen > self._seen:
            self._advance(seen, now_ms)
        elif seen < self._seen:
            self._seen = self._next_to_send = seen  # the host was restarted and forgot what had arrived
        elif is_repeated and self._next_to_send > seen:
            self._go_back_once(now_ms)

    def _advance(self, seen: int, now_ms: int) -> None:
        if self._timed is not None and seen > self._timed[0]:
            self._rtt_ms = now_ms - self._timed[1]
            self._timed = None
        # Also without a new time: on a line where all is sent twice it would stay doubled for ever.
        self._rto_ms = min(RTO_MAX_MS, max(RTO_MIN_MS, (7 * self._rto_ms) // 8 + self._rtt_ms // 2))
        self._seen = seen
        self._next_to_send = max(self._next_to_send, seen)
        self._expiries = 0
        self._waiting_since_ms = now_ms if self._next_to_send > seen else None

    def _go_back_once(self, now_ms: int) -> None:
        if self._went_back_at_ms is not None and now_ms - self._went_back_at_ms < self._rtt_ms:
            return
        self._went_back_at_ms = now_ms
        self._go_back(now_ms)

    def _go_back(self, now_ms: int) -> None:
        self._next_to_send = self._seen
        self._timed = None
        self._waiting_since_ms = now_ms

    def _expire(self, now_ms: int) -> None:
        self._expiries += 1
        if self._expiries >= EXPIRIES_MAX:
            self.is_linked = False
            self._waiting_since_ms = None
            self._say_hello(now_ms)
            return
        self._rto_ms = min(RTO_MAX_MS, self._rto_ms * 2)
        self._go_back(now_ms)

    def _send_data(self, now_ms: int) -> bool:
        ring, first = self.ring, self._next_to_send
        window_end = min(
            self._seen + min(WINDOW_RECORDS_MAX, ring.size // 2), self._committed + ring.size // 2, ring.head
        )
        records: list[Record] = []
        base = ring.get(first) if first < window_end else None
        for seq in range(first, min(window_end, first + FRAME_SIZES[self._size_index])):
            record = ring.get(seq)
            assert base is not None, "there is a first record when there is any"
            dt_ms = (record.ms - base.ms) % MODULUS
            if record.boot != base.boot or dt_ms > DT_MS_MAX:
                break
            earlier = STATUS_EARLIER_BOOT if record.boot != ring.boot else 0
            records.append((dt_ms, record.channel, record.status | earlier, record.value))
        if base is None or not records:
            return False
        is_resent = first < ring.sent
        end = first + len(records)
        ring.mark_sent(end)
        self._next_to_send = end
        self._send(Data(base.boot, first % MODULUS, base.ms, records), now_ms)
        self._retx += is_resent
        self._frames.append(is_resent)
        self._choose_size()
        if self._waiting_since_ms is None:
            self._waiting_since_ms = now_ms
        if self._timed is None and not is_resent:
            self._timed = (first, now_ms)
        return True

    def _choose_size(self) -> None:
        if len(self._frames) < FRAMES_JUDGED:
            return
        share = sum(self._frames) / FRAMES_JUDGED
        if share > RESENT_HIGH and self._size_index < len(FRAME_SIZES) - 1:
            self._size_index += 1
            self._frames.clear()
        elif share < RESENT_LOW and self._size_index > 0:
            self._size_index -= 1
            self._frames.clear()

    def _hear_cmd(self, cmd: Cmd, now_ms: int) -> None:
        """Answer a command; the last answer is kept, so the same id again does nothing twice."""
        if self._answer is not None and self._answer.cmd_id == cmd.cmd_id:
            self._send(self._answer, now_ms)
            return
        status, data = (STATUS_DONE, b"") if cmd.op == Op.SEND_DESC else self._do(cmd.op, cmd.args)
        self._answer = CmdRsp(self.ring.boot, cmd.cmd_id, status, data)
        self._send(self._answer, now_ms)
        if cmd.op == Op.SEND_DESC:
            for channel in sorted(self._descriptions):
                self._send(self._descriptions[channel], now_ms)

    def _say_hello(self, now_ms: int) -> None:
        self._hello_at_ms = now_ms
        ring = self.ring
        bodies = b"".join(encode(self._descriptions[channel]) for channel in sorted(self._descriptions))
        hello = Hello(
            boot=ring.boot,
            tail=ring.tail % MODULUS,
            head=ring.head % MODULUS,
            now_ms=now_ms % MODULUS,
            dropped_total=ring.dropped_total % MODULUS,
            uid=self._uid,
            firmware=self._firmware,
            channels=len(self._descriptions),
            reset_cause=self._reset_cause,
            is_ring_kept=ring.was_kept,
            desc_crc=zlib.crc32(bodies),
            ring_records=ring.size,
        )
        self._send(hello, now_ms)

    def _say_stat(self, now_ms: int) -> None:
        errors = self.receiver.errors
        used = self.ring.head - self.ring.tail
        stat = Stat(self.ring.boot, errors["crc"] % MODULUS, self._retx % MODULUS, self.ring.dropped_total, used, 0, 0)
        self._send(stat, now_ms)

    def _send(self, message: FromDevice, now_ms: int) -> None:
        if self._sent_at_ms is None or now_ms - self._sent_at_ms > WAKE_AFTER_MS:
            self._output += DELIMITER
        self._sent_at_ms = now_ms
        self._output += encode_frame(encode(message))


def _blink_only(op: int, _args: bytes) -> tuple[int, bytes]:
    return (STATUS_DONE if op == Op.BLINK else STATUS_UNKNOWN_OP), b""


assert FRAME_SIZES[0] == RECORDS_MAX, "the largest frame is the largest DATA message"
