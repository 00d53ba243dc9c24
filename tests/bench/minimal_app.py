"""What the screen is measured against: Header, Static and Footer, and a table of 100 rows on request."""

from __future__ import annotations

import sys

from textual.app import App, ComposeResult
from textual.widgets import DataTable, Footer, Header, Static

WORDS = "minimal words"
ROWS, COLUMNS = 100, 7


class MinimalApp(App[None]):
    """The smallest app of the same library."""

    def compose(self) -> ComposeResult:
        yield Header()
        yield Static(WORDS)
        if "--table" in sys.argv:
            yield DataTable(cursor_type="row")
        yield Footer()

    def on_mount(self) -> None:
        for table in self.query(DataTable).results():
            table.add_columns(*(f"column {number}" for number in range(COLUMNS)))
            for row in range(ROWS):
                table.add_row(*(f"{row} {number}" for number in range(COLUMNS)))
            table.focus()


if __name__ == "__main__":
    MinimalApp().run()
