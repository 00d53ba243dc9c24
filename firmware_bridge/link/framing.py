"""Bytes to checked bodies and back: COBS and CRC-32, nothing of what a body means.

Not a parser of messages and not a port: it holds at most one unfinished segment of 255 bytes, whatever arrives. Owns
the link's half of invariant 7: every byte is hostile until checked. Rules and limits: LINK section 1.
"""

import zlib
from collections import Counter
from collections.abc import Iterable

from cobs.cobs import DecodeError
from cobs.cobs import decode as cobs_decode
from cobs.cobs import encode as cobs_encode

DELIMITER = b"\x00"
CRC_BYTES = 4
SEGMENT_BYTES_MAX = 255  # the encoded part of one frame, without its delimiter (LINK section 1)
RAW_BYTES_MIN = 8  # the smallest message, HELLO_REQ: body 4 and CRC 4 (LINK section 1)
SILENCE_MS = 2_000  # so much silence drops an unfinished segment (LINK section 1)
TEXT_LINES_PER_MINUTE_MAX = 20  # lines of board text kept per port (LINK section 1)
MINUTE_MS = 60_000

OVERSIZE, COBS, SHORT, CRC = "oversize", "cobs", "short", "crc"

_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_crc32 = zlib.crc32  # CRC-32/ISO-HDLC, check value CBF43926


def encode_frame(body: bytes) -> bytes:
    """Return the bytes for the wire: COBS of body and CRC, closed by the delimiter."""
    raw = body + _crc32(body).to_bytes(CRC_BYTES, "little")
    encoded: bytes = cobs_encode(raw)
    assert len(encoded) <= SEGMENT_BYTES_MAX, "a message of the link always fits one segment"
    return encoded + DELIMITER


class FrameReader:
    """Collect bytes of one port and give back the bodies whose check sum holds.

    Keeps one count per first reason that fits a bad segment (`errors`) and the text a board printed between frames.
    """

    def __init__(self, *, segment_bytes_max: int = SEGMENT_BYTES_MAX) -> None:
        self.errors: Counter[str] = Counter()
        self.silence_drops = 0
        self.text_drops = 0
        self._segment_bytes_max = segment_bytes_max
        self._held = b""
        self._is_discarding = False
        self._heard_at_ms = 0
        self._text: list[str] = []
        self._text_minute = -1
        self._text_lines = 0

    @property
    def held_bytes(self) -> int:
        """Return how many bytes of an unfinished segment are held."""
        return len(self._held)

    def receive(self, data: bytes, now_ms: int) -> list[bytes]:
        """Take bytes as they came and return the checked bodies, in order, without their CRC."""
        if now_ms - self._heard_at_ms > SILENCE_MS and (self._held or self._is_discarding):
            self._held = b""
            self._is_discarding = False
            self.silence_drops += 1
        self._heard_at_ms = now_ms
        segments = data.split(DELIMITER)
        if len(segments) > 1:
            if self._is_discarding:
                self._is_discarding = False
                segments[0] = b""
            elif self._held:
                segments[0] = self._held + segments[0]
                self._held = b""
            unfinished = segments.pop()
            bodies = self._check(segments, now_ms)
        else:
            unfinished = data
            bodies = []
        if not self._is_discarding:
            self._held = held = self._held + unfinished
            if len(held) > self._segment_bytes_max:
                self._held = b""
                self._is_discarding = True
                self.errors[OVERSIZE] += 1
        return bodies

    def take_text(self) -> list[str]:
        """Return the lines the board printed since the last call; untrusted, printable ASCII."""
        lines, self._text = self._text, []
        return lines

    def _check(self, segments: Iterable[bytes], now_ms: int) -> list[bytes]:
        bodies = []
        for segment in segments:
            if not segment:
                continue
            if len(segment) > self._segment_bytes_max:
                self.errors[OVERSIZE] += 1
                continue
            try:
                raw: bytes = cobs_decode(segment)
            except DecodeError:
                self._refuse(COBS, segment, now_ms)
                continue
            body = raw[:-CRC_BYTES]
            if len(raw) < RAW_BYTES_MIN:
                self._refuse(SHORT, segment, now_ms)
            elif _crc32(body) != int.from_bytes(raw[-CRC_BYTES:], "little"):
                self._refuse(CRC, segment, now_ms)
            else:
                bodies.append(body)
        return bodies

    def _refuse(self, reason: str, segment: bytes, now_ms: int) -> None:
        if segment.translate(None, _PRINTABLE):
            self.errors[reason] += 1
            return
        minute = now_ms // MINUTE_MS
        if minute != self._text_minute:
            self._text_minute, self._text_lines = minute, 0
        for line in segment.decode("ascii").splitlines():
            text = line.strip()
            if not text:
                continue
            if self._text_lines >= TEXT_LINES_PER_MINUTE_MAX:
                self.text_drops += 1
                continue
            self._text_lines += 1
            self._text.append(text)
