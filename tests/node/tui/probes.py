"""A market with sensors for the screen's tests: a real telemetry.db and the word of a running bridge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from node import clock
from node.actions.calibrations import calibrate
from node.actions.ids import new_action_id
from node.actions.keeping import open_market
from node.actions.people import person_named
from node.clock import boot_id
from node.domain.calibration import DAY_MS, Correction
from node.places import Places
from tests.firmware_bridge.store import years
from tests.node.tui.builders import NOW_MS, a_market, a_moment

BOARD, PROBE = "01eeffc042000001", "mb-cold-room"
STARTED_MS = NOW_MS - 1_000_000  # the boards were started with the computer


def probes(folder: Path) -> Places:
    """Make a market with a board of three probes and a transmitter that went silent; one was calibrated in January."""
    places = a_market(folder)
    places.telemetry_db.parent.mkdir(exist_ok=True)
    store = years.a_market(places.telemetry_db, probes=3)
    host = boot_id().replace("-", "")
    store.conn.execute("update clock_sample set host_boot_id = ?, wall_us = ?", (host, STARTED_MS * 1000))
    store.conn.executescript(
        "update channel set name = 'fridge-' || (channel + 1);"
        "update device set port = '/dev/serial/by-id/usb-board';"
        "insert into device (device, uid, protocol, firmware, epoch, dropped_total, conflicts, port, first_seen_us,"
        f" current_boot) values (2, '{PROBE}', 'modbus', 0, 0, 0, 0, '/dev/larder/probe', 1, 2);"
        "insert into boot (boot, device, number, reset_cause, last_now_ms, last_boottime_ms, last_host_boot_id)"
        f" values (2, 2, 1, 1, 0, 0, '{host}');"
        "insert into channel (device, channel, from_boot, from_seq, kind, exp10, flags, lo, hi, period_ds, noise, unit,"
        " name) values (2, 0, 2, 0, 2, -1, 0, 0, 1000, 100, 0, '%RH', 'humidity');"
        "update device set ring_records = 256 where device = 1;"
        f"insert into clock_sample values (2, 0, '{host}', 0, {STARTED_MS * 1000}, 1, 0);"
        "insert into gap (device, cause, noticed_us) values (1, 'power', 1);"
        f"insert into error_count values ('/dev/serial/by-id/usb-board', 'crc', 12, {NOW_MS * 1000});"
        "insert into link_stat (device, port, wall_us, rx_crc_err, retx, dropped, ring_used, vcc_mv, mcu_temp_c10)"
        " values (1, '/dev/serial/by-id/usb-board', 1, 2, 9, 0, 48, 4980, 210);"
        "insert into stage (device, boot, seq, dev_ms, channel, status, value, quality, reason) values"
        " (1, 1, 1, 900000, 2, 0, 4000, 1, 0), (1, 1, 2, 997000, 0, 0, 3875, 1, 0),"
        " (1, 1, 3, 997000, 1, 0, 85000, 2, 5), (2, 2, 1, 975000, 0, 0, 712, 1, 0);"
    )
    store.close()
    _calibrate(places)
    bridge_says(places, [a_port(), a_port(port="/dev/larder/probe", device_uid=PROBE, state="stale", frames_bad={})])
    return places


def _calibrate(places: Places) -> None:
    with patch.object(clock, "now", a_moment):
        store = open_market(places)
        try:
            store.act(
                "calibrate",
                lambda tx: calibrate(
                    tx,
                    action_id=new_action_id(),
                    who=person_named(tx, "Ana").number,
                    sensor=f"{BOARD}/0",
                    kind="temperature",
                    correction=Correction(points=((400, 0), (60_900, 60_000))),
                    reference="Fluke 1523",
                    certificate="C-118",
                    from_ms=NOW_MS - 340 * DAY_MS,
                ),
            )
        finally:
            store.close()


def a_port(**more: Any) -> dict[str, Any]:
    """A port on which the board speaks."""
    return {
        "port": "/dev/serial/by-id/usb-board",
        "state": "linked",
        "device_uid": BOARD,
        "frames_good": 4_021,
        "frames_bad": {"crc": 14, "cobs": 1},
        "waiting_records": 2,
        "last_error": "",
        **more,
    }


def bridge_says(places: Places, ports: list[dict[str, Any]]) -> None:
    """Write the heartbeat of a bridge that runs."""
    places.run.mkdir(exist_ok=True)
    content = {
        "format": "larder-bridge-heartbeat/1",
        "host_boot_id": boot_id().replace("-", ""),
        "boottime_ms": 999_000,
        "state": "running",
        "message": "",
        "ports": [*ports, {"port": "/dev/serial/by-id/usb-1a86-new", "state": "probing"}],
    }
    places.bridge_heartbeat.write_text(json.dumps(content), encoding="utf-8")
