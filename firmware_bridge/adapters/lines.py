"""Bytes to lines. Not a parser: what stands in a line is somebody else's.

Holds at most one unfinished line of bounded length, whatever arrives. A line that is too long is dropped up to its end:
its tail could look like a line of its own (LINK section 5).
"""

from collections import Counter

OVERSIZE = "oversize"


class LineReader:
    """Collect bytes of one port and give back whole lines, without CR and LF."""

    def __init__(self, bytes_max: int, errors: Counter[str]) -> None:
        """bytes_max: of one line without its end. errors: where lines that are too long are counted."""
        self._bytes_max = bytes_max
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
        self._held += data
        if len(self._held) > self._bytes_max + 1:  # the CR may still be a part of the end
            self._held = b""
            self._is_discarding = True
            self._errors[OVERSIZE] += 1


class Malformed(ValueError):
    """A line that is not to be trusted; `kind` is what is counted."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
