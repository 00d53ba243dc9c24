"""The last row: which keys do what here. Made from `keys.FOOTERS`; a click on one presses it."""

from __future__ import annotations

from textual import events

from node.tui.keys import footer_parts
from node.tui.text import cells
from node.tui.widgets.words import Words


class FooterBar(Words):
    """Draw the footer of one screen, with two blanks between keys where there is room, else one."""

    def __init__(self, screen: str) -> None:
        self._parts = footer_parts(screen)
        super().__init__(footer_text(screen, 80), id="footer")
        self._screen = screen

    def on_resize(self, event: events.Resize) -> None:
        """Use the room there is."""
        self.show(footer_text(self._screen, event.size.width))

    async def on_click(self, event: events.Click) -> None:
        """Do what the clicked words say."""
        start = 1
        gap = _gap(self._screen, self.size.width)
        for key_id, words in self._parts:
            if start <= event.x < start + cells(words):
                await self.app.run_action(f"app.do('{key_id}')")
                return
            start += cells(words) + gap


def footer_text(screen: str, width: int) -> str:
    """Return the footer of a screen for a width in cells; it may be wider than that only on narrow screens."""
    return " " + (" " * _gap(screen, width)).join(words for _key_id, words in footer_parts(screen))


def _gap(screen: str, width: int) -> int:
    parts = footer_parts(screen)
    return 2 if 1 + sum(cells(words) + 2 for _key_id, words in parts) - 2 <= width else 1
