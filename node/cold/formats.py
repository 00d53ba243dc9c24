"""Stored readings as text that other programs read: CSV, JSON lines, SenML. Streams; holds one row at a time.

Not a file and not a question to the store. Owns, for what leaves the market this way, that nothing is lost or made
better on the way: values are exact decimals, times are UTC with their quality, gaps are rows, and a doubtful value is
never a bare number (in SenML, which has no word for quality, it is text).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from firmware_bridge.store import read as telemetry
from firmware_bridge.store.read import GOOD, GapRow, ReadingRow, StoredRow, SummaryRow
from node.text import safe_text

Value = str | int | bool | Decimal | None

# What each column means is in the README, "Readings as a file"; a test compares.
COLUMNS = (
    "kind",
    "device",
    "channel",
    "name",
    "measured",
    "unit",
    "boot",
    "first",
    "last",
    "device_ms",
    "time",
    "until",
    "time_quality",
    "value",
    "quality",
    "reason",
    "unchecked",
    "merged",
    "status",
    "raw",
    "count",
    "lowest",
    "mean",
    "highest",
    "newest",
    "period_s",
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXT_CELLS_MAX = 64  # of what a device calls itself; it may end on a terminal
ROWS_A_PIECE = 100  # of CSV held before they are written
SENML_ABSOLUTE_S = 2**28  # a smaller time is relative to now (RFC 8428 section 4.5.3)
_SENML_NAME = re.compile(r"[^A-Za-z0-9:./_-]")
_FORMULA = ("=", "+", "-", "@")


@dataclass(slots=True)
class Told:
    """How many rows were written, and how many a format could not express since their time is not known."""

    rows: int = 0
    untimed: int = 0
    _device: str = field(default="", repr=False)
    _base_s: int = field(default=0, repr=False)


Format = Callable[[Iterable[StoredRow], Told], Iterator[str]]


def csv_lines(rows: Iterable[StoredRow], told: Told) -> Iterator[str]:
    """Yield CSV (RFC 4180, one header line): empty where there is nothing, 1 and 0 for yes and no."""
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = columns_of(row)
        writer.writerow([_cell(values.get(name)) for name in COLUMNS])
        told.rows += 1
        if told.rows % ROWS_A_PIECE == 0:
            yield page.getvalue()
            page.seek(0)
            page.truncate()
    yield page.getvalue()


def json_lines(rows: Iterable[StoredRow], told: Told) -> Iterator[str]:
    """Yield one JSON object a line, with the columns of the CSV as keys; what is not there is left out."""
    for row in rows:
        told.rows += 1
        pairs = [f'"{name}":{_json(value)}' for name, value in columns_of(row).items() if value is not None]
        yield "{" + ",".join(pairs) + "}\n"


def senml_lines(rows: Iterable[StoredRow], told: Told) -> Iterator[str]:
    """Yield one SenML pack (RFC 8428), a record a line. Good values are numbers; all else is text, never a number."""
    lead = "["
    for row in rows:
        records = list(_senml(row, told))
        told.rows += bool(records)
        for record in records:
            yield f"{lead}\n{record}"
            lead = ","
    yield "[]\n" if lead == "[" else "\n]\n"


FORMATS: dict[str, Format] = {"csv": csv_lines, "jsonl": json_lines, "senml": senml_lines}


def columns_of(row: StoredRow) -> dict[str, Value]:
    """Return what a row says, by column."""
    if isinstance(row, GapRow):
        return _gap_columns(row)
    if isinstance(row, SummaryRow):
        return _summary_columns(row)
    return {
        "kind": "reading",
        **_channel_columns(row.channel),
        "boot": row.boot,
        "first": row.seq,
        "last": row.seq,
        "device_ms": row.dev_ms,
        "time": time_text(row.at_utc_us),
        "time_quality": row.time_quality,
        "value": row.value,
        "quality": row.quality,
        "reason": row.reason or None,
        "unchecked": row.is_unchecked,
        "merged": row.is_merged,
        "status": row.status,
        "raw": row.raw,
    }


def time_text(utc_us: int | None) -> str | None:
    """Return microseconds since 1970 UTC as ISO 8601 with Z; None where it is unknown or in no year from 1 to 9999."""
    if utc_us is None:
        return None
    try:
        return (EPOCH + timedelta(microseconds=utc_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError:
        return None


@lru_cache(maxsize=1_024)
def _shown(text: str) -> str:
    """Return what a device calls itself as it may end on a terminal; the same few words in every row."""
    return safe_text(text, TEXT_CELLS_MAX)


def _channel_columns(channel: telemetry.Channel) -> dict[str, Value]:
    return {
        "device": _shown(channel.device_uid),
        "channel": channel.channel,
        "name": _shown(channel.name) or None,
        "measured": channel.kind,
        "unit": _shown(channel.unit) or None,
    }


def _summary_columns(row: SummaryRow) -> dict[str, Value]:
    return {
        "kind": "summary",
        **_channel_columns(row.channel),
        "boot": row.boot,
        "first": row.first_seq,
        "last": row.last_seq,
        "device_ms": row.first_ms,
        "time": time_text(row.from_utc_us),
        "until": time_text(row.to_utc_us),
        "time_quality": row.time_quality,
        "quality": row.quality,
        "reason": row.reason or None,
        "unchecked": row.is_unchecked,
        "count": row.count,
        "lowest": row.lowest,
        "mean": row.mean,
        "highest": row.highest,
        "newest": row.last,
        "period_s": row.period_s,
    }


def _gap_columns(row: GapRow) -> dict[str, Value]:
    return {
        "kind": "gap",
        "device": _shown(row.device_uid),
        "boot": row.boot,
        "first": row.first_seq,
        "time": time_text(row.from_utc_us),
        "until": time_text(row.to_utc_us),
        "reason": row.cause,
        "count": row.count,
    }


def _cell(value: Value) -> str | int | None:
    """Return what the CSV writer is to write; it leaves numbers as they are and nothing empty."""
    kind = type(value)
    if value is None or kind is int:
        return value  # type: ignore[return-value]
    if kind is bool:
        return int(value)
    text = format(value, "f") if kind is Decimal else str(value)
    # A board's text must not become a formula in somebody's spreadsheet.
    return f"'{text}" if kind is str and text.startswith(_FORMULA) else text


def _json(value: Value) -> str:
    if type(value) is int:
        return str(value)
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value)


def _senml(row: StoredRow, told: Told) -> Iterator[str]:
    at_us: int | None
    if isinstance(row, GapRow):
        device, at_us = row.device_uid, row.from_utc_us if row.from_utc_us is not None else row.noticed_utc_us
        said: list[tuple[str, str, str]] = [("gap", "", f"{row.cause} {row.count if row.count is not None else '?'}")]
    elif isinstance(row, SummaryRow):
        device, at_us = row.channel.device_uid, row.from_utc_us
        said = _said_of_summary(row)
    else:
        device, at_us = row.channel.device_uid, row.at_utc_us
        said = [_said(row)]
    if at_us is None or at_us < SENML_ABSOLUTE_S * 1_000_000:
        told.untimed += 1
        return
    for name, unit, value in said:
        fields = []
        if told._device != device:
            told._device, told._base_s = device, at_us // 1_000_000
            fields += [f'"bn":{json.dumps(_senml_name(device) + "/")}', f'"bt":{told._base_s}']
        fields.append(f'"n":{json.dumps(name)}')
        if unit:
            fields += [f'"u":{json.dumps(unit)}', f'"v":{value}']
        else:
            fields.append(f'"vs":{json.dumps(value)}')
        offset = Decimal(at_us - told._base_s * 1_000_000).scaleb(-6)
        yield "{" + ",".join([*fields, f'"t":{offset:f}']) + "}"


def _said(row: ReadingRow) -> tuple[str, str, str]:
    """Return (name, unit, value) of a good reading, (name, '', text) of one that is not to be trusted."""
    name = str(row.channel.channel)
    if row.quality == GOOD and row.value is not None:
        return name, row.channel.unit or "/", format(row.value, "f")
    number = "" if row.value is None else f" {row.value:f}"
    return name, "", f"{row.quality} {row.reason}{number}".strip()


def _said_of_summary(row: SummaryRow) -> list[tuple[str, str, str]]:
    name = str(row.channel.channel)
    if row.quality != GOOD:
        return [(name, "", f"{row.quality} {row.reason} x{row.count}")]
    values = (("lowest", row.lowest), ("mean", row.mean), ("highest", row.highest))
    unit = row.channel.unit or "/"
    numbers = [(f"{name}/{word}", unit, format(value, "f")) for word, value in values if value is not None]
    return [*numbers, (f"{name}/count", "count", str(row.count))]


def _senml_name(text: str) -> str:
    """Return a name of the characters SenML allows, beginning with a letter or digit (RFC 8428 section 4.5.1)."""
    safe = _SENML_NAME.sub("_", text)
    return safe if safe[:1].isalnum() else f"x{safe}"
