"""A list with a visible mark on the selected line, so that a screen without colour loses nothing.

Not for unbounded lists: at most 500 rows, since loading is what a DataTable does slowly. Cells are plain text, made
safe here; a row is updated in place where only its cells changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.binding import Binding
from textual.widgets import DataTable

from node.tui.text import column

ROWS_MAX = 500
_MARK_CELLS = 3
_MARK = "mark"


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and its width in cells, the gap to the next column included."""

    heading: str
    width: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a key that stays the same while the line means the same, and one text per column."""

    key: str
    cells: tuple[str, ...]


class MarkedTable(DataTable[Text]):
    """A DataTable of fixed columns with ` > ` in front of the selected row."""

    # Left and right scroll the library's table sideways; nothing here is wider than the screen.
    BINDINGS = [Binding("home", "scroll_top", show=False), Binding("end", "scroll_bottom", show=False)]

    def __init__(self, columns: Sequence[Column], *, show_header: bool = True, id: str | None = None) -> None:
        super().__init__(show_header=show_header, cursor_type="row", cell_padding=0, show_row_labels=False, id=id)
        self._columns = tuple(columns)
        self._rows: tuple[Row, ...] = ()
        self._marked: str | None = None
        self.add_column(Text(" " * _MARK_CELLS), width=_MARK_CELLS, key=_MARK)
        for index, one in enumerate(self._columns):
            self.add_column(_cell(one.heading, one.width), width=one.width, key=str(index))

    @property
    def rows_shown(self) -> tuple[Row, ...]:
        """Return the rows as last set."""
        return self._rows

    @property
    def selected_key(self) -> str | None:
        """Return the key of the selected row, or None in an empty list."""
        return self._rows[self.cursor_row].key if 0 <= self.cursor_row < len(self._rows) else None

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these rows (500 at most), keeping the selected one selected and repainting only what changed."""
        new = tuple(rows[:ROWS_MAX])
        if [row.key for row in new] == [row.key for row in self._rows]:
            self._update_cells(new)
            return
        selected = self.selected_key
        place = self.cursor_row
        self._rows, self._marked = (), None  # before the library's cursor moves over rows that are gone
        self.clear()
        for row in new:
            self.add_row(Text(" " * _MARK_CELLS), *self._row_cells(row), key=row.key)
        self._rows = new
        keys = [row.key for row in new]
        if new:
            self.move_cursor(row=keys.index(selected) if selected in keys else min(place, len(new) - 1), scroll=True)
        self._move_mark()

    def select(self, key: str) -> None:
        """Select the row with this key, if it is there."""
        for place, row in enumerate(self._rows):
            if row.key == key:
                self.move_cursor(row=place, scroll=True)
        self._move_mark()

    def watch_cursor_coordinate(self, old_coordinate: object, new_coordinate: object) -> None:
        """Follow the library's cursor with the mark."""
        super().watch_cursor_coordinate(old_coordinate, new_coordinate)  # type: ignore[arg-type]
        self._move_mark()

    def _update_cells(self, new: tuple[Row, ...]) -> None:
        old, self._rows = self._rows, new
        for before, after in zip(old, new, strict=True):
            for index, (was, now) in enumerate(zip(before.cells, after.cells, strict=True)):
                if was != now:
                    self.update_cell(after.key, str(index), _cell(now, self._columns[index].width))

    def _row_cells(self, row: Row) -> list[Text]:
        return [_cell(text, one.width) for text, one in zip(row.cells, self._columns, strict=True)]

    def _move_mark(self) -> None:
        key = self.selected_key
        if key == self._marked:
            return
        if self._marked is not None and any(row.key == self._marked for row in self._rows):
            self.update_cell(self._marked, _MARK, Text(" " * _MARK_CELLS))
        if key is not None:
            self.update_cell(key, _MARK, Text(" > "))
        self._marked = key


def _cell(text: str, width: int) -> Text:
    # One cell stays free, so that neighbours never touch.
    return Text(column(text, width - 1) + " ", no_wrap=True, end="")
