"""Remember again, from the stored rows, what was known of each channel's recent past before the bridge was stopped.

Not the rule: that is `plausibility.py`. So the worth of a value does not depend on when the bridge was started.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firmware_bridge.store.descriptions import Description, in_force
from firmware_bridge.store.plausibility import REASONS_OF_PAST, RECALL_MS, SILENCE_MS, Past
from firmware_bridge.store.quality import QUALITY_GOOD, QUALITY_UNJUDGED, REASONS, judge, to_milli
from firmware_bridge.store.seeking import first_seq_at

Versions = Mapping[int, Sequence[Description]]


@dataclass(slots=True)
class Remembered:
    """A channel's past under one description; another description begins another past."""

    description: Description
    past: Past


def past_of(pasts: dict[int, Remembered], description: Description) -> Past:
    """Return what is remembered of a channel under this description."""
    known = pasts.get(description.channel)
    if known is None or known.description != description:
        known = Remembered(description, Past(description.kind))
        pasts[description.channel] = known
    return known.past


def recall(conn: sqlite3.Connection, device: int, boot: int, versions: Versions) -> dict[int, Remembered]:
    """Return the recent past of every channel of a boot, by channel."""
    newest_sql = "select dev_ms from {} where device = ? and boot = ? order by seq desc limit 1"
    newest = [conn.execute(newest_sql.format(table), (device, boot)).fetchone() for table in ("reading", "stage")]
    if newest == [None, None]:
        return {}
    # A channel that fell silent before then has nothing left that its next value could be compared with.
    since_ms = max(row[0] for row in newest if row is not None) - RECALL_MS - SILENCE_MS
    first_seq = first_seq_at(conn, device, boot, since_ms)
    columns = "seq, dev_ms, channel, status, value, quality, reason"
    rows = []
    if first_seq is not None:
        sql = f"select {columns} from reading where device = ? and boot = ? and seq >= ?"
        rows = conn.execute(sql, (device, boot, first_seq)).fetchall()
    sql = f"select {columns} from stage where device = ? and boot = ? and dev_ms >= ?"
    rows += conn.execute(sql, (device, boot, since_ms)).fetchall()
    rows.sort()
    pasts: dict[int, Remembered] = {}
    for seq, dev_ms, channel, status, raw, quality, reason in rows:
        description = in_force(versions.get(channel, ()), boot, seq)
        is_known = description is not None and quality != QUALITY_UNJUDGED and REASONS[reason] in REASONS_OF_PAST
        if description is None or not is_known or judge(status, raw, description)[0] != QUALITY_GOOD:
            continue
        milli = to_milli(raw, description.exp10)
        if milli is not None:
            past_of(pasts, description).take(dev_ms, raw, milli, REASONS[reason])
    return pasts
