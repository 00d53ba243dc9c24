"""Help and command palette in one: every key that acts here, what it does, its verb. Type to find, Enter runs it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from node.errors import N_
from node.language import _
from node.tui.dialogs.base import Dialog
from node.tui.keys import Facts, Key, keys_of
from node.tui.widgets.marked_table import Column, MarkedTable, Row
from node.tui.widgets.words import Words

_NOTES = N_(
    "A scan works everywhere. Over ssh it may arrive as typing: program a prefix (Ctrl+G or F12) into the scanner."
)


class Commands(Dialog[str]):
    """Answers with the id of a key."""

    AUTO_FOCUS = "#find"
    BINDINGS = [
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(8)", show=False, priority=True),
        Binding("pageup", "move(-8)", show=False, priority=True),
    ]

    def __init__(self, screen: str, facts: Facts, *, is_demo: bool = False) -> None:
        super().__init__()
        self._keys = keys_of(screen, is_demo=is_demo)
        self._facts = facts

    def compose(self) -> ComposeResult:
        """Show the search field above the list."""
        with Vertical(classes="dialog help"):
            with Horizontal(classes="row"):
                yield Words(_("Find ["))
                yield Input(id="find", compact=True, max_length=40)
                yield Words(_("]  Enter runs it, Esc leaves"))
            yield MarkedTable([Column(_("Key"), 8), Column(_("What it does"), 60)], id="keys")
            yield Words(_(_NOTES), id="dialog-said")

    def on_mount(self) -> None:
        """Show every key."""
        self._show("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the keys whose words hold what is typed."""
        self._show(event.value)

    def on_input_submitted(self) -> None:
        """Answer with the selected key."""
        self.dismiss(self.query_one("#keys", MarkedTable).selected_key)

    def on_data_table_row_selected(self) -> None:
        """Answer with the clicked key."""
        self.on_input_submitted()

    def action_move(self, lines: int) -> None:
        """Move the selection while the cursor stays in the field."""
        table = self.query_one("#keys", MarkedTable)
        table.move_cursor(row=max(0, min(len(table.rows_shown) - 1, table.cursor_row + lines)), scroll=True)

    def _show(self, text: str) -> None:
        wanted = text.lower().split()
        rows = [Row(key.key_id, (key.shown, self._words(key))) for key in self._keys]
        found = [row for row in rows if all(word in " ".join(row.cells).lower() for word in wanted)]
        self.query_one("#keys", MarkedTable).set_rows(found)

    def _words(self, key: Key) -> str:
        reason = key.disabled(self._facts)
        parts = [_(key.help)]
        if reason is not None:
            parts.append(f"- {_(reason)}")
        if key.verb:
            parts.append(f"[{key.verb}]")
        return " ".join(parts)
