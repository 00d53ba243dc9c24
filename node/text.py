"""Make text and times from outside safe to draw: people, peers, labels, sensors, files, clocks.

Not a translator. Owns the rule that no byte from outside can steer a terminal: control characters, escape sequences and
bidirectional overrides become a visible `?`.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime

# Cc controls, Cf formats (bidirectional overrides, zero-width), Cs surrogates, Co private, Cn unassigned, Zl/Zp breaks.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def cell_width(character: str) -> int:
    """Return how many terminal cells a character takes: 0, 1 or 2 (Unicode UAX 11, wide and fullwidth take two)."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def safe_text(text: str, cells_max: int) -> str:
    """Return `text` with everything that could steer a terminal replaced by `?`, cut to `cells_max` cells."""
    kept: list[str] = []
    cells = 0
    for character in text:
        shown = "?" if unicodedata.category(character) in _UNSAFE_CATEGORIES else character
        width = cell_width(shown)
        if cells + width > cells_max:
            break
        kept.append(shown)
        cells += width
    return "".join(kept)


def local_time_text(wall_ms: int, pattern: str) -> str:
    """Return a time in this computer's zone by a pattern of strftime; `?` where no calendar has it there.

    Any market's clock may say any number, and the last hours of the year 9999 lie in no year east of Greenwich.
    """
    try:
        return datetime.fromtimestamp(wall_ms / 1000).strftime(pattern)
    except (ValueError, OverflowError, OSError):
        return "?"
