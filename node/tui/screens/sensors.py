"""Sensors (e): every channel with its age and worth, its port, what came damaged, how it is calibrated.

Not the state of cold units (`cold`). What is shown is read with each change and judged again as the rest of the status;
a value that is not GOOD stands in the detail alone, with the word that says why.
"""

from __future__ import annotations

from functools import partial
from textwrap import wrap

from textual.app import ComposeResult
from textual.containers import Vertical

from node.clock import Moment
from node.cold.sensors import SensorChannel, SensorDevice, SensorsView, need_of_channel, sensors
from node.errors import N_
from node.language import _
from node.text import safe_text
from node.tui.calibrating import ask_and_calibrate, ask_and_withdraw
from node.tui.deciding import Decisions
from node.tui.dialogs.read_text import ReadText
from node.tui.keys import SENSORS, Facts, bindings_of
from node.tui.screens.base import TALL_HEIGHT, WIDE_WIDTH, FactScreen
from node.tui.sensor_words import (
    NO_DAMAGE,
    NO_SENSOR,
    STATE_WORDS,
    board_damage_text,
    bridge_text,
    channel_text,
    damage_text,
    device_text,
    due_cell,
    free_port_text,
    history_lines,
    value_text,
)
from node.tui.status import Status
from node.tui.text import age_text
from node.tui.widgets.marked_table import Column, MarkedTable, Row
from node.tui.widgets.words import Words

HISTORY_LINES = 3
DETAIL_LINES, DETAIL_LINES_LOW, DETAIL_LINES_WIDE = 9, 4, 30
LINE_CELLS = 400
NO_VALUE = "?"


class SensorsScreen(FactScreen):
    """Every sensor and its port."""

    name_of_keys = SENSORS
    title_words = N_("Sensors")
    BINDINGS = bindings_of(SENSORS)
    AUTO_FOCUS = "#sensors"
    # Read with the first visit, not with the first paint of Home.
    CSS = """
    #bridge { height: 1; text-wrap: nowrap; }
    #sensors { min-height: 3; }
    SensorsScreen #detail { max-height: 9; }
    SensorsScreen.-low #detail { max-height: 4; }
    SensorsScreen.-wide #sensors-body { layout: horizontal; }
    SensorsScreen.-wide #sensors { width: 80; }
    SensorsScreen.-wide #detail { height: 1fr; max-height: 100%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._view: SensorsView | None = None
        self._read_at_ms = 0
        self._channels: dict[str, SensorChannel] = {}
        self._devices: dict[str, SensorDevice] = {}
        self._drawn: Status | None = None
        self._decisions = Decisions(self.app)

    def compose_body(self) -> ComposeResult:
        """Yield the list of channels and the detail of the selected one."""
        yield Words(id="bridge")
        with Vertical(id="sensors-body"):
            yield MarkedTable(
                [
                    Column(_("Sensor"), 16),
                    Column(_("Now"), 10),
                    Column(_("State"), 9),
                    Column(_("Age"), 8),
                    Column(_("Port"), 10, drops=4),
                    Column(_("Bad"), 5, drops=2),
                    Column(_("Gaps"), 5, drops=1),
                    Column(_("Cal. due"), 14, drops=3),
                ],
                id="sensors",
            )
            yield Words(id="detail")

    def facts(self) -> Facts:
        """Say what the keys depend on."""
        channel = self._selected()
        is_calibrated = channel is not None and any(not each.is_withdrawn for each in channel.history)
        steps = frozenset({"withdraw_calibration"}) if is_calibrated else frozenset[str]()
        return Facts(has_selection=channel is not None, can_go_back=True, steps=steps)

    def ask_again(self) -> None:
        """Read every sensor again."""
        app = self.app
        app.look_up(lambda connection: sensors(app.places, app.now(), connection), self._have, group="sensors")

    def on_tick(self, status: Status, moment: Moment) -> None:
        """Let the ages grow; the bridge's word about its ports comes in a file, with the status."""
        self._draw(moment)
        if status is not self._drawn:
            self._drawn = status
            self.ask_again()

    def on_data_table_row_highlighted(self) -> None:
        """Draw the detail of the line that is selected now."""
        self._draw_detail()

    # Keys.

    def do_calibrate(self) -> None:
        """Say by how much the selected sensor is off."""
        channel = self._selected()
        if channel is not None:
            self.app.in_background(partial(ask_and_calibrate, self.app, self._decisions, channel), "dialog")

    def do_take_back(self) -> None:
        """Take the last calibration of the selected sensor back."""
        channel = self._selected()
        if channel is not None:
            self.app.in_background(partial(ask_and_withdraw, self.app, self._decisions, channel), "dialog")

    def do_view(self) -> None:
        """Show everything that is known of the selected line, and every calibration."""
        lines = self._detail_lines(history_max=None)
        self.app.push_screen(ReadText(_("Everything about this sensor"), _wrapped(lines, 70)))

    def do_errors(self) -> None:
        """Show what came malformed, by port and kind."""
        view = self._view
        if view is None:
            return
        rows = [", ".join(damage_text(row)) for row in view.damage]
        boards = [", ".join(parts) for device in view.devices if (parts := board_damage_text(device))]
        self.app.push_screen(ReadText(_("What came malformed"), _wrapped([*(rows or [_(NO_DAMAGE)]), *boards], 70)))

    # Drawing.

    def _have(self, view: SensorsView) -> None:
        self._view = view
        self._read_at_ms = self.app.now().boottime_ms
        self._channels = {each.sensor: each for device in view.devices for each in device.channels}
        self._devices = {each.sensor: device for device in view.devices for each in device.channels}
        self._devices |= {device.stored.uid: device for device in view.devices if not device.channels}
        self._draw(self.app.now())

    def _draw(self, moment: Moment) -> None:
        view = self._view
        if view is None:
            return
        later_s = max(0, moment.boottime_ms - self._read_at_ms) / 1000
        found = [(each, device) for device in view.devices for each in device.channels]
        found.sort(key=lambda pair: need_of_channel(pair[0]))
        rows = [_row(channel, device, later_s) for channel, device in found]
        rows += [_bare_row(device) for device in view.devices if not device.channels]
        rows += [
            Row(port.path, (port.path.rpartition("/")[2], "", "", "", _(STATE_WORDS[port.state]), "", "", ""))
            for port in view.free
        ]
        self.query_one("#bridge", Words).show(f" {safe_text(bridge_text(view.bridge), max(20, self.size.width - 2))}")
        self.query_one("#sensors", MarkedTable).set_rows(rows)
        self._draw_detail()

    def _draw_detail(self) -> None:
        if self._view is None:
            return
        detail = self.query_one("#detail", Words)
        width = max(20, (detail.size.width or self.size.width) - 2)
        lines = _wrapped(self._detail_lines(history_max=HISTORY_LINES), width)
        is_wide, is_low = self.size.width >= WIDE_WIDTH, self.size.height < TALL_HEIGHT
        most = DETAIL_LINES_WIDE if is_wide else DETAIL_LINES_LOW if is_low else DETAIL_LINES
        if len(lines) > most:
            lines = [*lines[: most - 1], _("... v shows all")]
        detail.show("\n".join(f" {line}" for line in lines))

    def _detail_lines(self, *, history_max: int | None) -> list[str]:
        view = self._view
        key = self.query_one("#sensors", MarkedTable).selected_key
        if view is None:
            return []
        if view.problem is not None:
            return [safe_text(view.problem, LINE_CELLS)]
        if key is None:
            return [_(NO_SENSOR)]
        free = [port for port in view.free if port.path == key]
        if free:
            return [", ".join(free_port_text(free[0]))]
        channel, device = self._channels.get(key), self._devices.get(key)
        lines = [", ".join(channel_text(channel))] if channel is not None else []
        lines += [", ".join(device_text(device))] if device is not None else []
        if channel is not None:
            history = history_lines(channel.sensor, channel.history) if channel.due or channel.history else []
            lines += history if history_max is None else history[:history_max]
        return lines

    def _selected(self) -> SensorChannel | None:
        if not self.is_built:
            return None
        return self._channels.get(self.query_one("#sensors", MarkedTable).selected_key or "")


def _row(channel: SensorChannel, device: SensorDevice, later_s: float) -> Row:
    bad = sum(count for _kind, count in device.word.frames_bad) if device.word is not None else None
    cells = (
        channel.name,
        value_text(channel.value_milli, channel) if channel.quality == "GOOD" else NO_VALUE,
        _(channel.quality),
        age_text(channel.age_s, later_s),
        _(STATE_WORDS[device.state]),
        NO_VALUE if bad is None else str(bad),
        str(device.stored.gap_count),
        due_cell(channel),
    )
    return Row(channel.sensor, cells)


def _bare_row(device: SensorDevice) -> Row:
    state = _(STATE_WORDS[device.state])
    return Row(device.stored.uid, (device.stored.uid, NO_VALUE, "", "", state, "", str(device.stored.gap_count), "-"))


def _wrapped(lines: list[str], width: int) -> list[str]:
    return [part for line in lines for part in wrap(safe_text(line, LINE_CELLS), width, subsequent_indent="  ")]
