"""Questions on a terminal: one line each, default no, and only the letter y counts.

Not the rule that makes a question necessary: that raises NeedsYes. A scanner types digits and Enter, so a scan in
front of a question is a no.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from node.cli.desk import Writing
from node.cli.output import SENTENCE_CELLS_MAX
from node.errors import N_, NeedsYes, Refused
from node.language import _, error_text
from node.ledger.store import Transaction
from node.text import safe_text

YES = "y"
# No action asks more different questions than this; a loop beyond it would be a mistake of ours.
QUESTIONS_MAX = 8
ANSWER_CHARACTERS_MAX = 256

T = TypeVar("T")


def act_after_questions(
    writing: Writing, purpose: str, work: Callable[[Transaction, int, frozenset[str]], T], *, is_yes: bool
) -> T:
    """Run an action, ask whatever it needs a yes for, and run it again with the answers. Raises Refused at a no.

    No lock is held while a person thinks.
    """
    yes: frozenset[str] = frozenset()
    for _question in range(QUESTIONS_MAX):
        try:
            return writing.act(purpose, lambda tx, who, given=yes: work(tx, who, given))  # type: ignore[misc]
        except NeedsYes as question:
            if question.error_id in yes:
                raise
            ask(question, is_yes=is_yes)
            yes |= {question.error_id}
    raise AssertionError("an action asked more questions than there are")


def ask(question: NeedsYes, *, is_yes: bool) -> None:
    """Return where the answer is yes. Raises Refused where it is no, or where nobody is there to ask."""
    if is_yes:
        return
    message, hint = error_text(question)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NeedsYes(
            question.error_id,
            "{question}",
            N_("{advice} To do it without being asked, add --yes."),
            question=message,
            advice=hint,
        )
    for sentence in (message, hint):
        print(safe_text(sentence, SENTENCE_CELLS_MAX), file=sys.stderr)
    print(_("Type {yes} to do it, anything else to leave it:").format(yes=YES), file=sys.stderr, end=" ", flush=True)
    if sys.stdin.readline(ANSWER_CHARACTERS_MAX).strip() != YES:
        raise Refused(
            "answer.no",
            N_("That was not a yes; nothing was saved."),
            N_("Run it again and answer {yes} if it should be done."),
            yes=YES,
        )
