"""What is taken along equals what was stored: each format read back, with extremes, gaps and doubtful values."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.clock import HostNow
from firmware_bridge.store import moves, read
from firmware_bridge.store.quality import QUALITY_GOOD, QUALITY_SUSPECT, QUALITY_UNCHECKED, REASONS
from firmware_bridge.store.read import Channel, GapRow, ReadingRow, StoredRow, SummaryRow, Wanted, whole
from firmware_bridge.store.store import Store
from node.cold.formats import COLUMNS, EPOCH, Told, csv_lines, json_lines, senml_lines, time_text
from tests.firmware_bridge.store.test_store import START, a_desc, a_hello, arrived, dated, described, linked
from tests.firmware_bridge.store.test_store import UID as BOARD
from tests.firmware_bridge.store.years import EPOCH_US, a_market, stored

README = Path(__file__).parents[3] / "README.md"
UID = "01eeffc042000001"
I32 = st.integers(-(2**31), 2**31 - 1)
RECORDS = st.lists(
    st.tuples(
        I32,
        st.sampled_from([-12, -3, 0, 2, 12]),
        st.sampled_from([0, 0, 0, 1, 4, 0x41]),
        st.sampled_from([QUALITY_GOOD, QUALITY_UNCHECKED, QUALITY_SUSPECT]),
        st.integers(0, len(REASONS) - 1),
    ),
    max_size=20,
)
A_CHANNEL = Channel(UID, 0, "fridge-1", "temperature", "Cel", 10_000, is_event=False)


def a_reading(**changes: Any) -> ReadingRow:
    facts: dict[str, Any] = {
        "channel": A_CHANNEL,
        "boot": 9,
        "seq": 5,
        "dev_ms": 61_000,
        "at_utc_us": EPOCH_US,
        "time_quality": "trusted",
        "value": Decimal("3.875"),
        "quality": "GOOD",
        "reason": "",
        "is_unchecked": False,
        "is_merged": False,
        "status": 0,
        "raw": 3875,
    }
    return ReadingRow(**(facts | changes))


def as_csv(rows: list[StoredRow]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(csv_lines(rows, Told())), newline="")))


def resolved(text: str) -> list[tuple[str, Decimal, Any]]:
    """Resolve a SenML pack as RFC 8428 section 4.6 says: (name, time, value)."""
    found = []
    base: dict[str, Any] = {"bn": "", "bt": Decimal(0)}
    for record in json.loads(text, parse_float=Decimal, parse_int=Decimal):
        base |= {key: record[key] for key in ("bn", "bt") if key in record}
        (value,) = (record[key] for key in ("v", "vs") if key in record)
        name = base["bn"] + record["n"]
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9:./_-]*", name)
        found.append((name, base["bt"] + record.get("t", 0), value))
    return found


@settings(max_examples=25, deadline=None)  # each makes a file
@given(records=RECORDS)
def test_every_format_read_back_equals_what_was_stored(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[int, int, int, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("export") / "telemetry.db"
    store = a_market(path, probes=1)
    conn = store.conn
    conn.execute("delete from channel")
    conn.executemany(
        "insert into channel (device, channel, from_boot, from_seq, kind, exp10, flags, lo, hi, period_ds, noise, unit,"
        " name) values (1, 0, 1, ?, 1, ?, 0, 0, 0, 100, 0, 'Cel', 'probe, \"one\"')",
        [(seq, exp10) for seq, (_, exp10, *_rest) in enumerate(records)],
    )
    rows = [
        (1, 1, seq, seq * 7_001, 0, status, raw, quality, reason, EPOCH_US + seq * 7_001_000, 2)
        for seq, (raw, _, status, quality, reason) in enumerate(records)
    ]
    stored(conn, iter(rows))
    found = list(whole(conn, Wanted()))
    store.close()
    expected = [
        (seq, seq * 7_001, None if status & 1 else Decimal(raw).scaleb(exp10), REASONS[reason], status, raw)
        for seq, (raw, exp10, status, _, reason) in enumerate(records)
    ]
    read_back = [
        (
            int(row["first"]),
            int(row["device_ms"]),
            Decimal(row["value"]) if row["value"] else None,
            row["reason"],
            int(row["status"]),
            int(row["raw"]),
        )
        for row in as_csv(found)
    ]
    assert read_back == expected
    assert [row["quality"] for row in as_csv(found)] == [
        "SUSPECT" if quality == QUALITY_SUSPECT else "GOOD" for _, _, _, quality, _ in records
    ]
    objects = [json.loads(line, parse_float=Decimal) for line in json_lines(found, Told())]
    assert [
        (each["first"], each["device_ms"], each.get("value"), each.get("reason", ""), each["status"], each["raw"])
        for each in objects
    ] == expected
    senml = resolved("".join(senml_lines(found, Told())))
    assert [time for _, time, _ in senml] == [
        Decimal(EPOCH_US + seq * 7_001_000).scaleb(-6) for seq, *_rest in expected
    ]
    assert [value for _, _, value in senml if not isinstance(value, str)] == [
        value
        for (_, _, value, *_rest), (_, _, _, quality, _) in zip(expected, records, strict=True)
        if quality != QUALITY_SUSPECT and value is not None
    ]


def test_a_doubtful_value_is_text_in_senml_and_keeps_its_number_there() -> None:
    rows: list[StoredRow] = [a_reading(), a_reading(quality="SUSPECT", reason="slope"), a_reading(value=None, status=1)]
    values = [value for _, _, value in resolved("".join(senml_lines(rows, Told())))]
    assert values == [Decimal("3.875"), "SUSPECT slope 3.875", "GOOD"]


def test_what_has_no_known_time_is_left_out_of_senml_and_counted() -> None:
    told = Told()
    rows: list[StoredRow] = [a_reading(at_utc_us=None), a_reading(at_utc_us=60_000_000), a_reading()]
    assert len(resolved("".join(senml_lines(rows, told)))) == 1
    assert (told.rows, told.untimed) == (1, 2)
    assert resolved("".join(senml_lines([], Told()))) == []


def test_a_gap_and_a_summary_are_rows_of_their_own() -> None:
    summary = SummaryRow(
        A_CHANNEL, 9, 5, 34, 1000, 299_000, EPOCH_US, EPOCH_US + 298_000_000, "trusted", 300, 30,
        Decimal("3.1"), Decimal("3.5"), Decimal("4.0"), Decimal("3.9"), "GOOD", "", is_unchecked=False,
    )  # fmt: skip
    gap = GapRow(UID, 9, 35, None, EPOCH_US, EPOCH_US + 1, "power", EPOCH_US + 2)
    first, second = as_csv([summary, gap])
    assert (first["kind"], first["count"], first["lowest"], first["mean"], first["highest"], first["newest"]) == (
        "summary",
        "30",
        "3.1",
        "3.5",
        "4.0",
        "3.9",
    )
    assert (second["kind"], second["first"], second["count"], second["reason"]) == ("gap", "35", "", "power")
    assert resolved("".join(senml_lines([summary, gap], Told()))) == [
        (f"{UID}/0/lowest", Decimal(EPOCH_US).scaleb(-6), Decimal("3.1")),
        (f"{UID}/0/mean", Decimal(EPOCH_US).scaleb(-6), Decimal("3.5")),
        (f"{UID}/0/highest", Decimal(EPOCH_US).scaleb(-6), Decimal("4.0")),
        (f"{UID}/0/count", Decimal(EPOCH_US).scaleb(-6), Decimal(30)),
        (f"{UID}/gap", Decimal(EPOCH_US).scaleb(-6), "power ?"),
    ]


def test_a_boards_text_becomes_no_formula_in_a_spreadsheet() -> None:
    hostile = Channel(UID, 0, "=cmd|'/c x'!A1", "temperature", "@Cel", 0, is_event=False)
    (row,) = as_csv([a_reading(channel=hostile, value=Decimal("-3.5"))])
    assert (row["name"][0], row["unit"][0], row["value"]) == ("'", "'", "-3.5")


def test_a_boards_text_steers_no_terminal() -> None:
    hostile = Channel("u\x1b[2J", 0, "a\x1b[2Jb\u202e", "temperature", "C\n", 0, is_event=False)
    told = "".join(
        [*csv_lines([a_reading(channel=hostile)], Told()), *json_lines([a_reading(channel=hostile)], Told())]
    )
    told += "".join(senml_lines([a_reading(channel=hostile)], Told()))
    assert set(told) & {"\x1b", "\u202e"} == set()
    (row,) = as_csv([a_reading(channel=hostile)])
    assert (row["device"], row["name"], row["unit"]) == ("u?[2J", "a?[2Jb?", "C?")


@given(utc_us=st.integers(-(2**63), 2**63 - 1))
def test_a_time_is_exact_or_absent(utc_us: int) -> None:
    text = time_text(utc_us)
    if text is not None:
        assert datetime.fromisoformat(text) == EPOCH + (datetime.fromisoformat(text) - EPOCH)
        assert (datetime.fromisoformat(text) - EPOCH).total_seconds() == pytest.approx(utc_us / 1e6)
    else:
        assert not -62_135_596_800_000_000 <= utc_us <= 253_402_300_799_999_999


def test_every_column_is_explained_in_the_readme_and_no_other() -> None:
    section = README.read_text(encoding="utf-8").split("## Readings as a file")[1].split("\n## ")[0]
    named = re.findall(r"^\| ([a-z_, ]+) \|", section, flags=re.MULTILINE)
    assert [name for cell in named for name in cell.split(", ") if cell != "column"] == list(COLUMNS)
    assert read.GOOD in section


def test_the_recorded_fridge_taken_along_equals_its_source_holes_included(tmp_path: Path) -> None:
    source = README.parent.parent / "shared" / "data" / "sensors" / "ruuvi_fridge.csv"
    if not source.exists():
        pytest.skip("the recorded fridge is not beside the checkout")
    with source.open(newline="", encoding="utf-8") as file:
        recorded = [
            (datetime.strptime(row["timestamp"], "%Y-%m-%dT%H:%M:%S%z"), Decimal(row["temperature"]))
            for row in csv.DictReader(file)
        ]
    began = recorded[0][0]
    store = Store(tmp_path / "telemetry.db", START)
    linked(store, a_hello(now_ms=0))
    described(store, a_desc(exp10=-2, lo=-5_500, hi=12_500))
    start = HostNow(START.host_boot_id, START.boottime_ms, (began - EPOCH) // timedelta(microseconds=1), True)
    dated(store, start, 0, rtt_ms=0)
    for seq, (at, celsius) in enumerate(recorded):
        passed_ms = (at - began) // timedelta(milliseconds=1)
        now = start._replace(boottime_ms=start.boottime_ms + passed_ms, wall_us=start.wall_us + passed_ms * 1000)
        dated(store, now, passed_ms, rtt_ms=0)
        store.records(BOARD, arrived(seq, int(celsius * 100), base_ms=passed_ms), now)
        if seq % 40 == 39:
            store.commit()
            moves.move_some(store.conn)
    store.commit()
    found = as_csv(list(whole(store.conn, Wanted())))
    store.close()
    assert [(datetime.fromisoformat(row["time"]), Decimal(row["value"])) for row in found] == recorded
    assert {(row["kind"], row["quality"], row["reason"], row["time_quality"]) for row in found} == {
        ("reading", "GOOD", "", "trusted")
    }
    assert len(found) == 368
