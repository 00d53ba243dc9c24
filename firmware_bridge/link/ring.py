"""The board's memory: a ring of records that survives a reset, laid over a plain buffer.

Not the session that sends from it. The buffer may be memory or a mapped file; a mapped file outlives a killed process
as `.noinit` RAM outlives a reset. Owns, for the board, "thin, do not forget". LINK section 3, "Ring full" and
".noinit".
"""

import struct
import zlib
from collections.abc import Mapping
from mmap import mmap

from firmware_bridge.link.messages import Desc
from firmware_bridge.link.thinning import RingRecord, thin

MAGIC = 0x314C4C4C  # "LLL1" in memory order
RECORD = struct.Struct("<IiHBB")  # ms, value, boot, channel, status: 12 bytes (LINK section 3)
CONTROL = struct.Struct("<IIQQQIH")  # magic, size, tail, head, sent, dropped_total, boot
CONTROL_BYTES = CONTROL.size + 4  # and its CRC-32
NEWEST_KEPT = 8  # the newest records are never merged (LINK section 3)
BOOTS = 1 << 16  # HELLO names the boot in 16 bits (LINK section 2)
RING_RECORDS_MIN, RING_RECORDS_MAX = 16, 0xFFFF  # HELLO names the size in 16 bits (LINK section 2)


def buffer_bytes(ring_records: int) -> int:
    """Return the size of a buffer for so many records."""
    return CONTROL_BYTES + ring_records * RECORD.size


class Ring:
    """Keep records from tail (oldest) to head (next to be given); those before `sent` have a number that is fixed.

    Numbers are unbounded here and modulo 2^32 on the wire.
    """

    def __init__(self, buffer: bytearray | mmap, *, boot: int = 1, first_seq: int = 0) -> None:
        """Use what a valid buffer holds as the ring of the boot before (`was_kept`), else begin empty with `boot`."""
        self._buffer = buffer
        self.size = (len(buffer) - CONTROL_BYTES) // RECORD.size
        if not RING_RECORDS_MIN <= self.size <= RING_RECORDS_MAX:
            raise ValueError(f"a ring holds {RING_RECORDS_MIN} to {RING_RECORDS_MAX} records, not {self.size}")
        self.tail = self.head = self.sent = first_seq
        self.boot = boot
        self.dropped_total = 0
        self.was_kept = self._load()
        if self.was_kept:
            self.boot = (self.boot + 1) % BOOTS
        self._save()

    def begin_boot(self) -> None:
        """Go on in the next boot with what is kept, as after a reset that does not clear the memory."""
        self.boot = (self.boot + 1) % BOOTS
        self.was_kept = True
        self._save()

    def put(self, record: RingRecord, descriptions: Mapping[int, Desc]) -> None:
        """Add a record; a full ring is thinned first, and only when nothing merges the oldest is lost and counted."""
        if self.head - self.tail == self.size:
            self._make_room(descriptions)
        self._write(self.head, record)
        self.head += 1
        self._save()

    def get(self, seq: int) -> RingRecord:
        """Return the record with this number; it must lie in tail..head."""
        assert self.tail <= seq < self.head, "the session asks only for what the ring holds"
        ms, value, boot, channel, status = RECORD.unpack_from(self._buffer, self._offset(seq))
        return RingRecord(ms, value, boot, channel, status)

    def free_before(self, seq: int) -> None:
        """Forget what is committed."""
        if seq > self.tail:
            self.tail = seq
            self._save()

    def mark_sent(self, seq: int) -> None:
        """Fix the numbers of all records before seq."""
        if seq > self.sent:
            self.sent = seq
            self._save()

    def _make_room(self, descriptions: Mapping[int, Desc]) -> None:
        first, last = max(self.sent, self.tail), self.head - NEWEST_KEPT
        never_sent = [self.get(seq) for seq in range(first, last)]
        thinned = thin(never_sent, descriptions, self.size)
        newest = [self.get(seq) for seq in range(max(first, last), self.head)]
        if len(thinned) == len(never_sent):
            self.tail += 1
            self.dropped_total += 1
            self.sent = max(self.sent, self.tail)
            return
        for index, record in enumerate(thinned + newest):
            self._write(first + index, record)
        self.head = first + len(thinned) + len(newest)

    def _offset(self, seq: int) -> int:
        return CONTROL_BYTES + (seq % self.size) * RECORD.size

    def _write(self, seq: int, record: RingRecord) -> None:
        fields = (record.ms, record.value, record.boot, record.channel, record.status)
        RECORD.pack_into(self._buffer, self._offset(seq), *fields)

    def _save(self) -> None:
        dropped_total = self.dropped_total % (1 << 32)
        control = CONTROL.pack(MAGIC, self.size, self.tail, self.head, self.sent, dropped_total, self.boot)
        self._buffer[:CONTROL_BYTES] = control + zlib.crc32(control).to_bytes(4, "little")

    def _load(self) -> bool:
        control = bytes(self._buffer[: CONTROL.size])
        crc = int.from_bytes(self._buffer[CONTROL.size : CONTROL_BYTES], "little")
        magic, size, tail, head, sent, dropped_total, boot = CONTROL.unpack(control)
        if magic != MAGIC or size != self.size or crc != zlib.crc32(control):
            return False
        self.tail, self.head, self.sent, self.boot, self.dropped_total = tail, head, sent, boot, dropped_total
        return True
