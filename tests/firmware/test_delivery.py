"""The C device and the real bridge as processes on pseudo terminals: a recorded log, kills, resets, full rings."""

import csv
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from firmware_bridge.virtual.board import BoardPlan, descriptions
from tests.firmware.building import SANITIZED, virtual_sensor
from tests.firmware.chaos import chaos
from tests.firmware.shop import DeviceShop, a_device_shop
from tests.firmware_bridge.running import UID, until

FRIDGE = Path(__file__).parents[3] / "shared" / "data" / "sensors" / "ruuvi_fridge.csv"
COLUMNS = ("temperature", "humidity")
PPM_MAX = 500  # how much the rate of a map made in a second may be wrong
MS_JITTER = 60  # the round trips by which two readings are dated
ROWS, PEAKS = 900, (120, 420, 760)  # the rows of the log, and its excursions: one in each stretch below
FIRST_OUTAGE, LIVE, BEFORE_FAULT, AFTER_FAULT = 300, 200, 150, 250  # rows
PEAK = 9_000  # thousandths; the other rows have 2,000 and the number of the row
WRAP = 1 << 32


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[DeviceShop]:
    with a_device_shop(tmp_path) as opened:
        yield opened


def larder(shop: DeviceShop, *arguments: str) -> str:
    """Type a verb and return what it prints."""
    command = [sys.executable, "-m", "node.cli.main", "--data", str(shop.data), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"TZ": "UTC"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def source_rows() -> list[tuple[int, dict[str, Decimal]]]:
    """Return (ms since the first row, values) of the recorded log, read by Python's own means."""
    with FRIDGE.open(newline="", encoding="utf-8") as lines:
        read = list(csv.DictReader(lines))
    first = datetime.fromisoformat(read[0]["timestamp"])
    return [
        (
            round((datetime.fromisoformat(row["timestamp"]) - first).total_seconds() * 1000),
            {name: Decimal(row[name]) for name in COLUMNS},
        )
        for row in read
    ]


def test_a_recorded_day_of_a_fridge_comes_out_as_it_was_measured(shop: DeviceShop, tmp_path: Path) -> None:
    if not FRIDGE.exists():
        pytest.skip("the recorded log ruuvi_fridge.csv is not beside the checkout")
    expected = source_rows()
    columns = [word for name in COLUMNS for word in ("--column", name)]
    # A day without a bridge: the board has it all in its ring, with the times at which it was measured.
    shop.device("--script", str(FRIDGE), *columns, "--backlog", "--name", "fridge-1", "--boot", "3")
    larder(shop, "init", "--name", "Harbour")
    bridge = shop.bridge("--commit-interval-s", "1")
    shop.wait_stored(len(expected) * len(COLUMNS))
    stored = shop.query("select channel, value, dev_ms, status from readings order by seq")
    assert [
        (channel, int(values[name] * 1000), at_ms, 0)
        for at_ms, values in expected
        for channel, name in enumerate(COLUMNS)
    ] == stored
    until(lambda: shop.query("select 1 from clock_sample"), what="the bridge knows how late it is on the board")
    assert bridge.end()[0] == 0
    assert shop.gaps() == [], "a hole in the measurements is not a gap of the link"
    exported = tmp_path / "fridge.csv"
    larder(shop, "readings", "export", "--format", "csv", "--out", str(exported))
    came_back = exported_rows(exported)
    for name in COLUMNS:
        rows = came_back[name]
        assert [values[name] for _, values in expected] == [value for _, value in rows]
        for at_ms, (out_ms, _) in zip((at for at, _ in expected), rows, strict=True):
            assert abs((out_ms - rows[0][0]) - at_ms) <= MS_JITTER + at_ms * PPM_MAX / 1_000_000
        assert max(b - a for (a, _), (b, _) in pairwise(rows)) > 8_400_000, "the longest hole is still one"


def exported_rows(path: Path) -> dict[str, list[tuple[int, Decimal]]]:
    """Return (ms, value in its unit) of each exported reading, by what it measures."""
    kinds = {"Cel": "temperature", "%RH": "humidity"}
    rows: dict[str, list[tuple[int, Decimal]]] = {name: [] for name in COLUMNS}
    with path.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(line for line in lines if not line.startswith("#")):
            if row.get("unit") not in kinds or not row["value"]:
                continue
            at_ms = round(datetime.fromisoformat(row["time"]).timestamp() * 1000)
            rows[kinds[row["unit"]]].append((at_ms, Decimal(row["value"])))
    return rows


def test_kills_and_a_damaged_line_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    outcome = chaos(tmp_path, records=2_000, kills=3)
    assert (outcome.lost, outcome.twice, outcome.wrong) == (0, 0, 0)
    assert outcome.stored == outcome.made == 2_000


def write_excursions(path: Path) -> None:
    """Write a log of values that occur once each, with a peak that must not be forgotten in each outage."""
    lines = ["at_s,temperature"]
    for row in range(ROWS):
        value = PEAK + PEAKS.index(row) if row in PEAKS else 2_000 + row
        lines.append(f"{row / 1000:.3f},{value / 1000:.3f}")
    path.write_text("\n".join(lines) + "\n", "utf-8")


def made(shop: DeviceShop) -> list[tuple[int, int, int]]:
    """Return (boot, value, uptime in ms modulo 2^32) of every reading made; its number may still change."""
    lines = shop.produced_file.read_text("ascii").splitlines()
    return [(int(boot), int(value), int(ms)) for boot, _, _, _, value, ms in (line.split() for line in lines)]


def kept(shop: DeviceShop) -> list[tuple[int, int, int]]:
    return [
        (boot % 65_536, value, dev_ms % WRAP)
        for boot, value, dev_ms in shop.query(
            "select b.number, r.value, r.dev_ms from readings r join boot b using (boot) order by b.boot, r.seq"
        )
    ]


def assert_worst_is_kept(produced: list[tuple[int, int, int]], stored: list[tuple[int, int, int]]) -> None:
    """Assert that whatever is not stored was merged into a stored neighbour that is at least as bad.

    Of each boot only what lies before its last stored reading: what was lost with the ring has no neighbour.
    """
    known = set(stored)
    for boot in {record[0] for record in stored}:
        records = [record for record in produced if record[0] == boot]
        places = [place for place, record in enumerate(records) if record in known]
        for before, after in pairwise([None, *places]):
            worst = max(records[place][1] for place in (before, after) if place is not None)
            merged = records[0 if before is None else before + 1 : after]
            assert all(value <= worst for _, value, _ in merged), "the worst of each stretch is stored"


@pytest.mark.parametrize(
    ("does_keep_ring", "first_seq", "first_ms"),
    [(True, 0, 0), (True, WRAP - 100, WRAP - 150), (False, WRAP - 100, WRAP - 150)],
)
def test_resets_full_rings_and_wraps_lose_only_what_is_declared(
    shop: DeviceShop, tmp_path: Path, does_keep_ring: bool, first_seq: int, first_ms: int
) -> None:
    script = tmp_path / "excursions.csv"
    write_excursions(script)
    options = ["--script", str(script), "--column", "temperature", "--boot", "9"]
    options += ["--seq-start", str(first_seq), "--ms-start", str(first_ms)]
    device = shop.device(*options, "--orders", program=virtual_sensor("-O2", "-DLL_RING=64"))

    def make(rows: int) -> None:
        before = len(made(shop))
        device.order(f"make {rows}")
        until(lambda: len(made(shop)) == before + rows, what=f"{rows} more readings are made")

    def stores(value: int) -> bool:
        return value in {stored_value for _, stored_value, _ in kept(shop)}

    make(FIRST_OUTAGE)
    first_bridge = shop.bridge("--commit-interval-s", "1")
    until(lambda: stores(PEAK), what="the worst of the first outage is stored")
    make(LIVE)
    until(lambda: stores(PEAK + 1), what="the worst of the good hours is stored")
    first_bridge.kill()
    make(BEFORE_FAULT)
    device.order("reset" if does_keep_ring else "cut")
    make(AFTER_FAULT)
    shop.bridge("--commit-interval-s", "1")
    until(lambda: made(shop)[-1] in kept(shop)[-1:], what="the last reading is stored")
    tally = shop.tally(device)
    stored, produced = kept(shop), made(shop)
    assert tally["made"] == ROWS
    assert len(stored) == len(set(stored)), "nothing is stored twice"
    assert set(stored) <= set(produced), "nothing is stored that was not measured"
    assert [record for record in produced if record in set(stored)] == stored, "the order is the board's"
    assert tally["merged"] > 0, "the ring was full, or this proves nothing"
    assert_worst_is_kept(produced, stored)
    assert {PEAK, PEAK + 1, PEAK + 2} <= {value for _, value, _ in stored}, "the worst of each outage is stored"
    gaps = shop.gaps()
    most = tally["made"] - tally["merged"] - sum(count or 0 for _, count, _ in gaps)
    if does_keep_ring:
        assert len(stored) == most
    else:
        # What was lost with the power is declared without a number: nobody can know it.
        assert [count for _, count, cause in gaps if cause == "power"] == [None]
        assert most - tally["lost"] <= len(stored) <= most


def test_a_device_with_every_fault_at_once_still_delivers(shop: DeviceShop) -> None:
    options = ["--kind", "counter", "--count", "400", "--period-s", "0.005", "--seed", "7", "--baud", "115200"]
    options += ["--noise", "0.001", "--drop", "0.001", "--dup", "0.001", "--stall", "0.9", "--clock-ppm", "300"]
    device = shop.device(*options, program=virtual_sensor(*SANITIZED))
    shop.bridge("--commit-interval-s", "1")
    until(lambda: len(shop.stored()) == 400, what="all is stored")
    assert [value for _, _, _, value in shop.stored_records()] == list(range(400))
    assert shop.tally(device)["resent"] > 0, "the line was bad, or this proves nothing"


def test_a_device_that_hears_only_noise_goes_on_and_answers_the_next_host(shop: DeviceShop) -> None:
    device = shop.device(
        "--kind", "counter", "--count", "50", "--period-s", "0.005", program=virtual_sensor(*SANITIZED)
    )
    source = random.Random(11)
    with (shop.ports / "fridge").open("r+b", buffering=0) as port:
        for _ in range(50):
            port.write(source.randbytes(4_000))
    shop.bridge("--commit-interval-s", "1")
    until(lambda: len(shop.stored()) == 50, what="all is stored")
    assert shop.tally(device)["merged"] == 0


def test_a_device_keeps_its_ring_in_a_file_when_it_is_killed(shop: DeviceShop, tmp_path: Path) -> None:
    options = ("--kind", "counter", "--period-s", "0.005", "--state", str(tmp_path / "memory"))
    device = shop.device(*options, "--count", "100", "--boot", "4")
    until(lambda: len(shop.produced()) == 100, what="a hundred readings are made")
    device.kill()
    shop.device(*options, "--count", "10")
    shop.bridge("--commit-interval-s", "1")
    until(lambda: len(shop.stored()) == 110, what="the readings of both lives are stored")
    assert [row[0] for row in shop.stored()] == [4] * 100 + [5] * 10
    assert [row[1] for row in shop.stored()] == list(range(110))


def test_a_device_that_is_told_to_end_takes_its_link_with_it(shop: DeviceShop) -> None:
    first = shop.device()
    assert str((shop.ports / "fridge").readlink()).startswith("/dev/pts/")
    second = shop.device()
    assert first.end()[0] == 0
    assert (shop.ports / "fridge").is_symlink(), "the link is the second one's by now"
    assert shop.tally(second)["merged"] == 0
    assert list(shop.ports.iterdir()) == []


def test_the_c_device_describes_a_place_as_the_python_device_does(shop: DeviceShop) -> None:
    expected = []
    for number, kind in enumerate(("fridge", "freezer", "shelf", "ambient"), start=1):
        uid = f"{UID[:-2]}{number:02x}"
        plan = BoardPlan(bytes.fromhex(uid), f"{kind}-1", kind, has_door=True, period_s=2)
        expected += [(uid, *msgspec.structs.astuple(desc)) for desc in descriptions(plan)]
        shop.device("--kind", kind, "--name", f"{kind}-1", "--door", "--period-s", "2", link=kind, uid=uid)
    shop.bridge("--commit-interval-s", "1")
    columns = "uid, channel, kind, exp10, flags, lo, hi, period_ds, noise, unit, name"
    sql = f"select {columns} from channel join device using (device) order by uid, channel"
    until(lambda: len(shop.query(sql)) == len(expected), what="all are described")
    assert expected == shop.query(sql)
