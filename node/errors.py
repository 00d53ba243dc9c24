"""The errors a person may see: what happened, what to do now, and whether trying again helps.

Not a place for control flow inside one module. The texts are English templates, translated where they are shown
(`node.language.error_text`), so that rules stay free of any locale.
"""

from __future__ import annotations


def N_(text: str) -> str:
    """Mark `text` for translation where it is defined; it is translated where it is shown."""
    return text


class LarderError(Exception):
    """Say in one sentence what happened, with a stable id and what to do next.

    `error_id` is stable for ever (`lot.past_use_by`), `message` and `hint` are templates that take `values`.
    """

    is_transient = False

    def __init__(self, error_id: str, message: str, hint: str = "", **values: object) -> None:
        self.error_id = error_id
        self.message = message
        self.hint = hint
        self.values = values
        super().__init__(error_id)

    def __str__(self) -> str:
        sentences = [self.message.format(**self.values), self.hint.format(**self.values)]
        return " ".join(sentence for sentence in sentences if sentence)


class Refused(LarderError):
    """A rule or a check said no. Nothing was written. The same input would be refused again."""


class NeedsYes(Refused):
    """It can be done, but a person has to say yes first (a sale beyond what is on hand, an unset clock)."""


class LocalFault(LarderError):
    """Something of ours is broken or missing: a damaged file, a newer schema, a key that cannot be read."""


class RemoteFault(LarderError):
    """Something from outside is wrong: a block that does not verify, a device that lies."""


class NotSavedNow(LarderError):
    """It could not be saved now (lock held, disk full). Nothing was written, and trying again can help."""

    is_transient = True
