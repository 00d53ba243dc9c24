"""One side's ear: bytes in, messages out, every bad segment counted under its first reason.

Not a session: it neither answers nor remembers. Joins framing and messages so that the host, the board and the
benchmark listen through the same code. LINK section 1.
"""

from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

from firmware_bridge.link.decoding import decode_from_device, decode_from_host
from firmware_bridge.link.framing import FrameReader
from firmware_bridge.link.messages import (
    FrameRefused,
    FromDevice,
    FromHost,
    UidRefused,
)

M = TypeVar("M")


class Receiver(Generic[M]):
    """Turn the bytes of one port into the messages of the other side."""

    def __init__(self, decode: Callable[[bytes], M], *, reader: FrameReader | None = None) -> None:
        self.frames_good = 0
        self.nameless = 0  # boards without a name of their own that said HELLO
        self._decode = decode
        self._reader = FrameReader() if reader is None else reader

    @property
    def errors(self) -> Counter[str]:
        """Return the count of bad segments by reason."""
        return self._reader.errors

    @property
    def held_bytes(self) -> int:
        """Return how many bytes of an unfinished segment are held; at most 255."""
        return self._reader.held_bytes

    def receive(self, data: bytes, now_ms: int) -> list[M]:
        """Take bytes as they came and return the messages they complete, in order."""
        messages = []
        decode = self._decode
        for body in self._reader.receive(data, now_ms):
            try:
                messages.append(decode(body))
            except FrameRefused as refused:
                self._reader.errors[refused.reason] += 1
                self.nameless += isinstance(refused, UidRefused)
        self.frames_good += len(messages)
        return messages

    def take_text(self) -> list[str]:
        """Return the lines the board printed since the last call; untrusted, printable ASCII."""
        return self._reader.take_text()


def host_receiver() -> Receiver[FromDevice]:
    """Return the ear of a host: it understands boards."""
    return Receiver(decode_from_device)


def device_receiver() -> Receiver[FromHost]:
    """Return the ear of a board: it understands hosts."""
    return Receiver(decode_from_host)
