"""Which moments seen on both sides are kept of each boot, and when a board is offered as a clock.

Not the map that is made of them (`clock_map.py`) and not the commit. LINK section 3: the samples of least round trip
are kept, one an hour; the first of a boot at once, so that its readings have an age. While the clock of this computer
is not set, a board whose boot has trusted samples says what the time is, once and then once an hour.
"""

import sqlite3

from firmware_bridge.clock import HostNow
from firmware_bridge.link.events import UptimeHeard
from firmware_bridge.link.identity import uid_text
from firmware_bridge.store.boards import SAMPLE_SLOT_MS, Board, SampleSlot
from firmware_bridge.store.clock_map import ClockSample
from firmware_bridge.store.moves import load_map
from firmware_bridge.store.notes import Statement, hint_rows

HINT_EACH_MS = 3_600_000  # a hint is carried forward by whoever reads it; more often only wears the card

_INSERT_SAMPLE = (
    "insert or replace into clock_sample (boot, dev_ms, host_boot_id, boottime_ms, wall_us, is_synced, rtt_ms)"
    " values (?, ?, ?, ?, ?, ?, ?)"
)


def take_sample(conn: sqlite3.Connection, board: Board, heard: UptimeHeard, now: HostNow) -> list[Statement]:
    """Note what a board's uptime is now; returns what is to be written with the next commit."""
    boot = board.current
    assert boot is not None, "an uptime comes only after a HELLO was reconciled"
    middle_ms = (heard.sent_at_ms + heard.heard_at_ms) // 2
    dev_ms = boot.uptime_ms(heard.now_ms, now)
    boot.heard(dev_ms, now)
    sample = ClockSample(
        dev_ms=dev_ms,
        host_boot_id=now.host_boot_id,
        boottime_ms=middle_ms,
        wall_us=now.wall_us - (now.boottime_ms - middle_ms) * 1000,
        is_synced=now.is_clock_trusted,
        rtt_ms=heard.heard_at_ms - heard.sent_at_ms,
    )
    board.slot, due = _compete(board.slot, sample)
    rows: list[Statement] = [(_INSERT_SAMPLE, (boot.boot, *_columns(each))) for each in due]
    if not sample.is_synced and sample.host_boot_id and _is_hint_due(board, sample):
        hint = load_map(conn, boot.boot).hint(sample)
        if hint is not None:
            board.hinted_at_ms = sample.boottime_ms
            rows += hint_rows(board.device, uid_text(board.uid), hint, sample.host_boot_id)
    return rows


def _is_hint_due(board: Board, sample: ClockSample) -> bool:
    return board.hinted_at_ms is None or sample.boottime_ms - board.hinted_at_ms >= HINT_EACH_MS


def _columns(sample: ClockSample) -> tuple[int | str, ...]:
    ours = (sample.host_boot_id, sample.boottime_ms, sample.wall_us, int(sample.is_synced))
    return (sample.dev_ms, *ours, sample.rtt_ms)


def _compete(slot: SampleSlot, sample: ClockSample) -> tuple[SampleSlot, list[ClockSample]]:
    """Return the slot after one more sample, and the samples whose place in the table is now decided.

    A sample of a set clock beats every other: the first one after the clock was set decides at once.
    """
    number = sample.dev_ms // SAMPLE_SLOT_MS
    if slot.slot is None or (sample.is_synced and not slot.has_synced):
        return SampleSlot(None, number, has_synced=sample.is_synced), [sample]
    if number == slot.slot:
        is_better = slot.best is None or sample.rtt_ms < slot.best.rtt_ms
        return (SampleSlot(sample, number, has_synced=slot.has_synced) if is_better else slot), []
    due = [] if slot.best is None else [slot.best]
    return SampleSlot(sample, number, has_synced=slot.has_synced), due
