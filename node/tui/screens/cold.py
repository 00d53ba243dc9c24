"""Cold (F5): every unit with its state, age and limit, a graph of the selected one, and what to do."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from node.clock import Moment
from node.cold.watch import ColdUnit, ColdView
from node.errors import N_
from node.language import _
from node.text import safe_text
from node.tui import queries
from node.tui.keys import COLD, Facts, bindings_of
from node.tui.screens.base import FactScreen
from node.tui.status import Status
from node.tui.text import age_text, temperature_text
from node.tui.widgets.graph import draw_graph
from node.tui.widgets.marked_table import Column, MarkedTable, Row
from node.tui.widgets.words import Words

GRAPH_WINDOW_S = 2 * 3600
GRAPH_ROWS = 5


class ColdScreen(FactScreen):
    """Fridges and freezers."""

    name_of_keys = COLD
    title_words = N_("Cold storage")
    BINDINGS = bindings_of(COLD)
    AUTO_FOCUS = "#units"

    def __init__(self) -> None:
        super().__init__()
        self._units: dict[str, ColdUnit] = {}
        self._with_recent: dict[str, ColdUnit] = {}
        self._drawn: Status | None = None

    def compose_body(self) -> ComposeResult:
        """Yield the list of units and the detail of the selected one."""
        with Vertical(id="cold-body"):
            yield MarkedTable(
                [
                    Column(_("Unit"), 14),
                    Column(_("Now"), 9),
                    Column(_("Limit"), 9, drops=3),
                    Column(_("State"), 11),
                    Column(_("Since"), 8, drops=2),
                    Column(_("Last reading"), 14),
                    Column(_("Sensor"), 12, drops=1),
                ],
                id="units",
            )
            yield Words(id="graph")

    def facts(self) -> Facts:
        """Say what the keys depend on."""
        return Facts(has_selection=bool(self._units), can_go_back=True)

    def ask_again(self) -> None:
        """Draw what is known, and read the last two hours for the graph, which nobody else needs."""
        if self.app.status is not None:
            self.on_tick(self.app.status, self.app.now())
        app = self.app
        app.look_up(
            lambda connection: queries.cold_view(connection, app.places, app.now()), self._have_recent, group="cold"
        )

    def on_tick(self, status: Status, moment: Moment) -> None:
        """Draw the units, the worst first."""
        units = status.cold.units
        self._units = {unit.sensor: unit for unit in units}
        self.query_one("#units", MarkedTable).set_rows([_row(unit, status.later_s(moment)) for unit in units])
        if status.cold.problem is not None:
            self.query_one("#graph", Words).show(f" {safe_text(status.cold.problem, 150)}")
        elif not units:
            self.query_one("#graph", Words).show(f" {_('No sensor has reported yet.')}")
        else:
            self._draw_selected()
        if status is not self._drawn:
            self._drawn = status
            self.ask_again()

    def _have_recent(self, view: ColdView) -> None:
        self._with_recent = {unit.sensor: unit for unit in view.units}
        self._draw_selected()

    def on_data_table_row_highlighted(self) -> None:
        """Draw the graph of the unit that is selected now."""
        self._draw_selected()

    def _draw_selected(self) -> None:
        key = self.query_one("#units", MarkedTable).selected_key
        unit = self._with_recent.get(key or "") or self._units.get(key or "")
        if unit is not None:
            graph = self.query_one("#graph", Words)
            graph.show("\n".join(_detail(unit, max(30, graph.size.width or self.size.width))))


def _row(unit: ColdUnit, later_s: float) -> Row:
    cells = (
        unit.name,
        temperature_text(unit.now_milli_c),
        temperature_text(unit.limit_milli_c) if unit.limit_milli_c is not None else "-",
        unit.word,
        age_text(unit.since_s, later_s) if unit.since_s is not None else "-",
        age_text(unit.age_s, later_s),
        unit.sensor[-11:],
    )
    return Row(unit.sensor, cells)


def _detail(unit: ColdUnit, width: int) -> list[str]:
    known = [value for age_s, value in unit.recent if value is not None and age_s < GRAPH_WINDOW_S]
    heading = _(" {name}, last 2 hours (C)").format(name=safe_text(unit.name, 20))
    if known:
        heading += _("   min {low}   max {high}").format(
            low=temperature_text(min(known), with_unit=False), high=temperature_text(max(known), with_unit=False)
        )
    graph = draw_graph(
        unit.recent, width=width - 2, rows=GRAPH_ROWS, window_s=GRAPH_WINDOW_S, limit_milli_c=unit.limit_milli_c
    )
    axis = f"        {_('2 h ago')}{_('now'):>{max(4, width - 18)}}"
    lines = [heading, *(f" {line}" for line in graph)]
    lines += [axis] if graph else [f"   {_('No reading in the last 2 hours.')}"]
    return [*lines, *_advice(unit)]


def _advice(unit: ColdUnit) -> list[str]:
    word = unit.word
    if word in {"MISSING", "STALE", "SUSPECT"}:
        why = f" ({safe_text(unit.reason, 50)})" if unit.reason else ""
        return [_(" WHAT TO DO  Read a thermometer inside by hand{why}; check the sensor's cable.").format(why=why)]
    if word not in {"HIGH", "EXCURSION", "LOW"}:
        return []
    lines = [
        _(" WHAT TO DO  1 close the door, check the seal   2 move the food to another unit"),
        _("             3 read a probe   4 discard what was over its time limit (F4, d)"),
    ]
    if unit.decision_in_s is not None:
        lines.append(_(" Decide about the food inside within {time}.").format(time=age_text(unit.decision_in_s)))
    return lines
