"""One of a few words, changed with Space or the arrows: `use by | best before`, with the chosen one in capitals."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding
from textual.message import Message

from node.language import _
from node.tui.widgets.words import Words


class Choice(Words, can_focus=True):
    """A field without typing. `value` is the id of the chosen word."""

    BINDINGS = [
        Binding("space", "turn(1)", show=False),
        Binding("right", "turn(1)", show=False),
        Binding("left", "turn(-1)", show=False),
        Binding("enter", "next_field", show=False),
    ]

    class Changed(Message):
        """Another word was chosen."""

    def __init__(self, options: Sequence[tuple[str, str]], *, id: str) -> None:
        self._options = tuple(options)
        self._place = 0
        super().__init__("", id=id)
        self._draw()

    @property
    def value(self) -> str:
        """Return the id of the chosen word."""
        return self._options[self._place][0]

    @value.setter
    def value(self, value: str) -> None:
        ids = [option_id for option_id, _words in self._options]
        if value in ids:
            self._place = ids.index(value)
            self._draw()

    def action_turn(self, by: int) -> None:
        """Choose the next or the previous word."""
        self._place = (self._place + by) % len(self._options)
        self._draw()
        self.post_message(self.Changed())

    def action_next_field(self) -> None:
        """Go on with the form."""
        self.screen.focus_next()

    def on_click(self) -> None:
        """Choose the next word."""
        self.focus()
        self.action_turn(1)

    def _draw(self) -> None:
        words = [
            _(text).upper() if place == self._place else _(text) for place, (_id, text) in enumerate(self._options)
        ]
        self.show(" | ".join(words))
