"""What a verb prints: plain lines or one JSON object; and how a fault is said on stderr.

Not the facts. No box drawing, no cursor movement, no colour. JSON is plain ASCII with everything else escaped, so that
a name kept by hostile software steers no terminal and is still read back exactly.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from node.cli.desk import Desk
from node.errors import N_, LarderError, LocalFault
from node.language import _, error_text
from node.text import safe_text

EXIT_DONE = 0
EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_NOT_SAVED_NOW = 3
EXIT_INTERRUPTED = 130

LINE_CELLS_MAX = 400
SENTENCE_CELLS_MAX = 1_000


def answer(desk: Desk, value: msgspec.Struct, lines: Iterable[str]) -> None:
    """Print the answer of a verb, as lines or as one JSON object on one line, and flush it.

    Raises LocalFault where it cannot be written, and then what the verb does was done all the same.
    """
    text = (
        json_line(value) + "\n" if desk.is_json else "".join(f"{safe_text(line, LINE_CELLS_MAX)}\n" for line in lines)
    )
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise  # whoever read has gone; the boundary keeps quiet about it
    except OSError as error:
        raise LocalFault(
            "output.lost",
            N_("The answer could not be written ({reason})."),
            N_("What the verb does was done: look at it with larder history."),
            reason=error.strerror or str(error),
        ) from error


def json_line(value: object) -> str:
    """Return a value as JSON on one line, ASCII only."""
    return json.dumps(msgspec.to_builtins(value, enc_hook=str), separators=(",", ":"))


def tell_fault(error: LarderError, *, is_json: bool) -> int:
    """Say on stderr what happened and what to do now, and return the exit code."""
    message, hint = error_text(error)
    if is_json:
        print(json_line(_fault(error.error_id, message, hint, error)), file=sys.stderr)
    else:
        for sentence in (message, hint):
            if sentence:
                print(safe_text(sentence, SENTENCE_CELLS_MAX), file=sys.stderr)
    return EXIT_NOT_SAVED_NOW if error.is_transient else EXIT_REFUSED


def tell_usage_in_json(message: str, command: str) -> None:
    """Say on stderr, as JSON, that a command line could not be understood."""
    hint = _("See: {command} --help").format(command=command)
    print(json_line({"error": "usage", "message": message, "hint": hint, "is_transient": False}), file=sys.stderr)


def _fault(error_id: str, message: str, hint: str, error: LarderError) -> dict[str, Any]:
    return {
        "error": error_id,
        "message": message,
        "hint": hint,
        "is_transient": error.is_transient,
        "values": error.values,
    }
