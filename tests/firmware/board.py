"""The C device in memory: the header as a shared library, with the surface of `firmware_bridge.link.device`.

Not a test. A `CBoard` can stand wherever the simulated lines of the link's tests want a board, so that the C side and
the Python side are held against the same host. Time is a number, as there.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_bridge.link.messages import Desc
from firmware_bridge.link.thinning import RingRecord
from tests.firmware.building import build

SOURCE = Path(__file__).parent / "device_library.c"
MODULUS = 1 << 32
POWER_ON, PIN, BROWN_OUT = 1, 2, 4
GETTABLE = ("tail", "used", "fixed", "dropped", "boot", "linked", "seen", "refused", "reason", "commands")
GETTABLE += ("op", "kept", "ring", "rto", "halvings", "desc_crc", "next")
REASONS = ("", "oversize", "cobs", "short", "crc", "version", "type", "direction", "length", "field")


@cache
def library(ring_records: int, *flags: str) -> ctypes.CDLL:
    """Return the header with a ring of so many records."""
    loaded = ctypes.CDLL(str(build(SOURCE, "-O2", "-shared", "-fPIC", f"-DLL_RING={ring_records}", *flags)))
    loaded.device_new.restype = ctypes.c_void_p
    for name in ("device_get", "device_take", "device_poll", "check_sum", "play_reed"):
        getattr(loaded, name).restype = ctypes.c_uint32
    for name in ("decode_ds18b20", "decode_sht3x", "decode_humidity", "decode_hx711"):
        getattr(loaded, name).restype = ctypes.c_uint8
    return loaded


class CBoard:
    """One board. Free it with `close` or use it as a context."""

    def __init__(
        self,
        *,
        uid: bytes,
        descriptions: Sequence[Desc],
        ring_records: int = 256,
        firmware: int = 0x0100,
        flags: tuple[str, ...] = (),
    ) -> None:
        self.library = library(ring_records, *flags)
        self._handle = ctypes.c_void_p(self.library.device_new(uid, firmware))
        self._taken = (ctypes.c_uint8 * (1 << 16))()
        for desc in descriptions:
            self.library.device_describe(
                self._handle, desc.channel, desc.kind, desc.exp10, desc.flags, desc.lo, desc.hi, desc.period_ds,
                desc.noise, desc.unit.encode("ascii"), desc.name.encode("ascii"),
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.library.device_free(self._handle)
        self._handle = ctypes.c_void_p(None)

    def start(self, *, boot: int = 9, first_seq: int = 0, cause: int = PIN) -> None:
        """Begin as after a reset; with an empty memory, or a cause that means power was lost, the ring is empty."""
        self.library.device_start(self._handle, cause, boot, ctypes.c_uint32(first_seq))

    def put(self, channel: int, value: int, now_ms: int, *, status: int = 0) -> None:
        self.library.device_put(self._handle, channel, status, value, ctypes.c_uint32(now_ms % MODULUS))

    def receive(self, data: bytes, now_ms: int) -> None:
        self.library.device_rx(self._handle, data, len(data), ctypes.c_uint32(now_ms % MODULUS))

    def poll(self, now_ms: int) -> None:
        self.library.device_poll(self._handle, ctypes.c_uint32(now_ms % MODULUS))

    def take_output(self) -> bytes:
        count = self.library.device_take(self._handle, self._taken)
        return bytes(self._taken[:count])

    def get(self, what: str) -> int:
        """Return a number of its state; places (seen, next, fixed, used) count from the oldest record."""
        return int(self.library.device_get(self._handle, GETTABLE.index(what)))

    @property
    def refused_for(self) -> str:
        """Return why the last segment was refused; empty when it was taken."""
        return REASONS[self.get("reason")]

    def records(self) -> list[RingRecord]:
        """Return what the ring holds, oldest first."""
        fields = (ctypes.c_int64 * 5)()
        held = []
        for place in range(self.get("used")):
            self.library.device_record(self._handle, place, fields)
            held.append(RingRecord(*fields))
        return held

    def call(self, name: str, *arguments: int) -> None:
        """Call a function of the library that takes this board first."""
        getattr(self.library, name)(self._handle, *(ctypes.c_uint32(number % MODULUS) for number in arguments))
