"""What people leave out, read from standard input: as an argument it would stay in the shell's history.

Not their meaning (`node.domain.diets`). Nothing read here is printed or logged.
"""

from __future__ import annotations

import sys

from node.errors import N_, Refused
from node.language import _
from node.planner.private import NEEDS_MAX

LINE_CHARACTERS_MAX = 1_000


def typed_needs() -> tuple[str, ...]:
    """Return one text a line, up to an empty line or the end. Raises Refused where nothing is typed, or too much."""
    if sys.stdin.isatty():
        question = _("What is left out, one line for each kind of eater, such as nuts=2; an empty line ends:")
        print(question, file=sys.stderr, flush=True)
    found: list[str] = []
    while True:
        line = sys.stdin.readline(LINE_CHARACTERS_MAX + 1)
        if len(line) > LINE_CHARACTERS_MAX or len(found) > NEEDS_MAX:
            raise Refused(
                "need.too_much",
                N_("That is more than can be kept: at most {lines} lines of {most} characters."),
                N_("Write it shorter."),
                lines=NEEDS_MAX,
                most=LINE_CHARACTERS_MAX,
            )
        if not line.strip():
            break
        found.append(line.strip())
    if not found:
        raise Refused(
            "need.none_typed",
            N_("Nothing was typed, so nothing was changed."),
            N_("Type one line for each kind of eater; to erase what is kept: larder plan --forget"),
        )
    return tuple(found)
