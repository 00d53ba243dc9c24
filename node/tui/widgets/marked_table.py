"""A list with a visible mark on the selected line, so that a screen without colour loses nothing.

Not for unbounded lists: at most 500 rows, since loading is what a DataTable does slowly. Cells are plain text, made
safe here; a row is updated in place where only its cells changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.text import Text
from textual.binding import Binding
from textual.message import Message
from textual.strip import Strip
from textual.widgets import DataTable

from node.tui.text import column

ROWS_MAX = 500
_MARK_CELLS = 3
_MARK = " > "
_LINE = "line"


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and its width in cells, the gap to the next column included.

    Where the screen is too narrow the column with the lowest `drops` goes first; 0 stays always.
    """

    heading: str
    width: int
    drops: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a key that stays the same while the line means the same, and one text per column."""

    key: str
    cells: tuple[str, ...]


class MarkedTable(DataTable[Text]):
    """A DataTable of fixed columns with ` > ` in front of the selected row."""

    class ColumnsChanged(Message):
        """Other columns are left out than before."""

    # Left and right scroll the library's table sideways; nothing here is wider than the screen.
    BINDINGS = [Binding("home", "scroll_top", show=False), Binding("end", "scroll_bottom", show=False)]

    def __init__(self, columns: Sequence[Column], *, show_header: bool = True, id: str | None = None) -> None:
        super().__init__(show_header=show_header, cursor_type="row", cell_padding=0, show_row_labels=False, id=id)
        self._columns = tuple(columns)
        self._rows: tuple[Row, ...] = ()
        self._dropped: frozenset[int] = frozenset()
        self._add_line_column()

    @property
    def rows_shown(self) -> tuple[Row, ...]:
        """Return the rows as last set."""
        return self._rows

    @property
    def not_shown(self) -> list[str]:
        """Return the headings of the columns for which there is no room."""
        return [self._columns[place].heading for place in sorted(self._dropped)]

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
        self._rows = ()  # before the library's cursor moves over rows that are gone
        self.clear()
        for row in new:
            self.add_row(self._line(row.cells), key=row.key)
        self._rows = new
        keys = [row.key for row in new]
        if new:
            self.move_cursor(row=keys.index(selected) if selected in keys else min(place, len(new) - 1), scroll=True)

    def select(self, key: str) -> None:
        """Select the row with this key, if it is there."""
        for place, row in enumerate(self._rows):
            if row.key == key:
                self.move_cursor(row=place, scroll=True)

    def on_resize(self) -> None:
        """Leave out the columns for which there is no room, or show them again."""
        dropped = dropped_columns(self._columns, self.size.width - _MARK_CELLS)
        if dropped == self._dropped:
            return
        self._dropped = dropped
        rows, selected, self._rows = self._rows, self.selected_key, ()
        self.clear(columns=True)
        self._add_line_column()
        self.set_rows(rows)
        self.select(selected or "")
        self.post_message(self.ColumnsChanged())

    def render_line(self, y: int) -> Strip:
        """Draw one line of the terminal, with the mark where the cursor is.

        The mark is put on here and is no cell: the library draws every visible row anew when one cell changes.
        """
        strip = super().render_line(y)
        header = 1 if self.show_header else 0
        if not self._rows or y < header or y - header + self.scroll_offset.y != self.cursor_row:
            return strip
        first, rest = strip.divide([_MARK_CELLS, strip.cell_length])
        style = next((segment.style for segment in first), None)
        return Strip.join([Strip([Segment(_MARK, style)], _MARK_CELLS), rest])

    def _update_cells(self, new: tuple[Row, ...]) -> None:
        old, self._rows = self._rows, new
        for before, after in zip(old, new, strict=True):
            if before.cells != after.cells:
                self.update_cell(after.key, _LINE, self._line(after.cells))

    def _add_line_column(self) -> None:
        # One wide cell a row: the library draws every cell on its own, which would cost eight times as much.
        width = _MARK_CELLS + sum(one.width for place, one in enumerate(self._columns) if place not in self._dropped)
        self.add_column(self._line(tuple(one.heading for one in self._columns)), width=width, key=_LINE)

    def _line(self, texts: tuple[str, ...]) -> Text:
        # One cell of each column stays free, so that neighbours never touch.
        parts = [
            column(text, one.width - 1) + " "
            for place, (text, one) in enumerate(zip(texts, self._columns, strict=True))
            if place not in self._dropped
        ]
        return Text(" " * _MARK_CELLS + "".join(parts), no_wrap=True, end="")


def dropped_columns(columns: Sequence[Column], width: int) -> frozenset[int]:
    """Return the places of the columns to leave out so that the others fit `width` cells, as far as they may go."""
    dropped: set[int] = set()
    for place in sorted((p for p, one in enumerate(columns) if one.drops), key=lambda p: columns[p].drops):
        if sum(one.width for p, one in enumerate(columns) if p not in dropped) <= width:
            break
        dropped.add(place)
    return frozenset(dropped)
