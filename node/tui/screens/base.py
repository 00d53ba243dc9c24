"""What every screen shares: the frame of rows, the message line, where scans and ticks arrive.

Not a screen itself. A screen says what it shows and what a scan means there; the app owns the keys, the writer and the
reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.screen import Screen

from node.actions.undo import Undone
from node.clock import Moment
from node.errors import LarderError
from node.language import _, error_text
from node.text import safe_text
from node.tui.keys import Facts
from node.tui.selling import NotKnown
from node.tui.status import Saving, Status, status_row, title_row
from node.tui.text import column
from node.tui.widgets.footer import FooterBar
from node.tui.widgets.marked_table import MarkedTable
from node.tui.widgets.words import Words

if TYPE_CHECKING:
    from node.tui.app import LarderApp

MESSAGE_CELLS_MAX = 156  # two rows of 78
NARROWEST_WIDTH, NARROWEST_HEIGHT = 40, 10
WIDE_WIDTH, TALL_HEIGHT = 100, 20  # from here a second column fits; below there are only lists


class FactScreen(Screen[None]):
    """One place, with title, status bar, body, message line and footer."""

    name_of_keys: ClassVar[str]
    title_words: ClassVar[str]
    HORIZONTAL_BREAKPOINTS = [(0, "-normal"), (WIDE_WIDTH, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (TALL_HEIGHT, "-tall")]
    AUTO_FOCUS = ""  # each screen says where the cursor begins

    app: LarderApp

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.unknown_code: str | None = None
        self.is_built = False  # whether the frame is there to be drawn into
        self._said = ""

    def compose(self) -> ComposeResult:
        """Lay out the frame around the body."""
        yield Words(id="title")
        yield Words(id="status")
        yield Words(id="rule")
        yield from self.compose_body()
        yield Words(id="said")
        yield Words(id="too-small")
        yield FooterBar(self.name_of_keys)

    def compose_body(self) -> ComposeResult:
        """Yield what is between the rule and the message line."""
        raise NotImplementedError

    def facts(self) -> Facts:
        """Say what the keys of this screen depend on."""
        return Facts(can_go_back=True)

    def scanned(self, text: str) -> None:
        """Take a scan. On lists: open the card of what was scanned."""
        self.app.open_scanned(text)

    def not_known(self, text: str, gtin14: str | None) -> None:
        """Say that a scan or a search found nothing, and remember its number for a new item."""
        self.unknown_code = gtin14
        self.app.bell()
        if gtin14 is not None:
            self.say_error(NotKnown(gtin14))
        else:
            self.say(_("Nothing is named '{text}': n new item, or / to search.").format(text=safe_text(text, 40)))

    def do_new(self) -> None:
        """Name a new item; the number that was not known goes with it."""
        self.app.name_new_item(self.unknown_code)

    def tell_undone(self, undone: Undone) -> None:
        """Hear what was taken back; the lines of a sale change by it."""

    def ask_again(self) -> None:
        """Read again what this screen shows; called when it comes to the front and when the data moved."""

    def on_tick(self, status: Status, moment: Moment) -> None:
        """Update what ages. Called once a second and after each change of the status."""

    def do_back(self) -> None:
        """Leave the text field, then the screen."""
        if self.app.field_in_focus is not None:
            self.query(MarkedTable).first().focus()
        else:
            self.app.go_back()

    def on_mount(self) -> None:
        """Be known to the app from now on."""
        self.is_built = True
        self.app.screens_built.append(self)
        self.say(self._said)

    def post_message(self, message: Message) -> bool:
        """Post a message; coming back to a screen seen before needs no new styles, which take longest."""
        if isinstance(message, events.ScreenResume) and self.is_built:
            message.refresh_styles = False
        return super().post_message(message)

    def on_screen_resume(self) -> None:
        """Read again whenever this screen comes to the front, and apply what was scanned meanwhile."""
        self.app.draw_frame()
        self.ask_again()
        self.call_after_refresh(self.app.apply_waiting_scans)

    def on_resize(self) -> None:
        """Draw the frame for the new width, and say so where the window is too small to work in."""
        too_small = self.size.width < NARROWEST_WIDTH or self.size.height < NARROWEST_HEIGHT
        self.set_class(too_small, "-too-small")
        if too_small:
            self.query_one("#too-small", Words).show(_("The window is too small; what is typed is kept."))
        self.app.draw_frame()
        if self.is_built and not too_small:
            self.call_after_refresh(self.ask_again)

    def on_marked_table_columns_changed(self) -> None:
        """Name the columns for which there is no room."""
        self.app.draw_frame()

    def draw_frame(self, status: Status | None, saving: Saving, moment: Moment) -> None:
        """Draw the rows above the body."""
        if not self.is_built:
            return
        width = self.size.width or 80
        market = status.market if status else ""
        self.query_one("#title", Words).show(title_row(_(self.title_words), market, moment, width))
        self.query_one("#status", Words).show(status_row(status, saving, moment, width) if status else "")
        self.query_one("#rule", Words).show(self._rule(width))

    def _rule(self, width: int) -> str:
        hidden = [heading for table in self.query(MarkedTable).results() for heading in table.not_shown]
        words = _("-- not shown: {columns} ").format(columns=", ".join(hidden)) if hidden else ""
        return column(words, width).rstrip().ljust(width, "-") if words else "-" * width

    def say(self, text: str) -> None:
        """Put words into the message line, where they stay until the next ones."""
        self._said = text
        if self.is_built:
            self.query_one("#said", Words).show(f" {safe_text(text, MESSAGE_CELLS_MAX)}")

    def say_error(self, error: LarderError) -> None:
        """Say what happened and what to do now."""
        self.say("! " + " ".join(part for part in error_text(error) if part))
