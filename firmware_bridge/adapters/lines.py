"""Bytes to lines. Not a parser: what stands in a line is somebody else's.

Holds at most one unfinished line of bounded length, whatever arrives. A line that is too long is dropped up to its end:
its tail could look like a line of its own (LINK section 5).
"""

from collections import Counter

OVERSIZE, NO_TEXT = "oversize", "text"
CONTROLS = bytes(set(range(0x20)) - set(b"\t\r\n")) + b"\x7f"


class LineReader:
    """Collect bytes of one port and give back whole lines, without CR and LF."""

    def __init__(self, bytes_max: int, errors: Counter[str], *, never: bytes = b"") -> None:
        """bytes_max: of one line without its end. errors: where lines that are too long are counted.

        never: bytes that no line has. An unfinished line with one is dropped at once: where lines may be long, noise
        would be held for as long.
        """
        self._bytes_max = bytes_max
        self._never = never
        self._errors = errors
        self._held = b""
        self._is_discarding = False

    @property
    def held_bytes(self) -> int:
        """Return how many bytes of an unfinished line are held."""
        return len(self._held)

    def clear(self) -> None:
        """Forget what was half heard; the rest of a line that began before is no line."""
        self._held = b""
        self._is_discarding = False

    def receive(self, data: bytes) -> list[bytes]:
        """Take bytes as they came and return the lines they complete; empty ones are left out."""
        first, *rest = data.split(b"\n")
        if not rest:
            self._hold(first)
            return []
        if self._is_discarding:
            self._is_discarding = False
            whole = []
        else:
            whole = [self._held + first]
        *middle, last = rest
        self._held = b""
        lines = []
        for line in (*whole, *middle):
            stripped = line.removesuffix(b"\r")
            if len(stripped) > self._bytes_max:
                self._errors[OVERSIZE] += 1
            elif stripped:
                lines.append(stripped)
        self._hold(last)
        return lines

    def _hold(self, data: bytes) -> None:
        if self._is_discarding:
            return
        if len(data.translate(None, self._never)) < len(data):
            self._drop(NO_TEXT)
            return
        self._held += data
        if len(self._held) > self._bytes_max + 1:  # the CR may still be a part of the end
            self._drop(OVERSIZE)

    def _drop(self, kind: str) -> None:
        self._held = b""
        self._is_discarding = True
        self._errors[kind] += 1


class Malformed(ValueError):
    """A line that is not to be trusted; `kind` is what is counted."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
