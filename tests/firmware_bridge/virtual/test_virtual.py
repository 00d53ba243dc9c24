"""Virtual boards: plausible, repeatable, gone without a trace."""

import itertools
import random
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.link.messages import Kind
from firmware_bridge.link.ring import Ring, buffer_bytes
from firmware_bridge.virtual.board import Board, BoardPlan, descriptions, open_ring
from firmware_bridge.virtual.physics import Place, Shelf, a_place
from firmware_bridge.virtual.replay import read_replay
from tests.firmware_bridge.running import Shop, a_shop, until

UID = bytes.fromhex("01eeffc042000001")
DAY_S = 86_400
RECORDED = Path(__file__).parents[4] / "shared" / "data" / "sensors"


def a_plan(kind: str = "fridge", **changes: object) -> BoardPlan:
    facts: dict[str, object] = {"uid": UID, "name": f"{kind}-1", "kind": kind, "seed": 3}
    return BoardPlan(**(facts | changes))  # type: ignore[arg-type]


def a_day(kind: str, *, seed: int = 1, step_s: int = 10) -> list[int]:
    place: Place = a_place(kind, random.Random(seed))
    return [place.sample(at_s).value for at_s in range(0, DAY_S, step_s)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with a_shop(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("kind", ["fridge", "freezer", "shelf", "ambient"])
def test_the_same_seed_gives_the_same_day_and_another_seed_another(kind: str) -> None:
    assert a_day(kind) == a_day(kind)
    assert a_day(kind) != a_day(kind, seed=2)


def test_a_fridge_cycles_around_three_degrees() -> None:
    day = a_day("fridge")
    assert 2_000 < statistics.mean(day) < 4_500
    assert min(day) > 500
    assert max(day) < 12_000
    mean = statistics.mean(day)
    smooth = [statistics.mean(day[start : start + 12]) for start in range(0, len(day), 12)]
    crossings = sum((a < mean) != (b < mean) for a, b in itertools.pairwise(smooth))
    assert 12 <= crossings <= 200


def test_a_freezer_stays_around_minus_nineteen() -> None:
    day = a_day("freezer")
    assert -21_000 < statistics.mean(day) < -17_500
    assert max(day) < -8_000


def test_a_probe_speaks_in_sixteenths_of_a_degree() -> None:
    assert {(value % 1000) for value in a_day("fridge")} <= {
        0,
        62,
        125,
        187,
        250,
        312,
        375,
        437,
        500,
        562,
        625,
        687,
    } | {
        750,
        812,
        875,
        937,
    }


def test_a_shelf_loses_whole_units_and_is_filled_again() -> None:
    place = Shelf(random.Random(4))
    weights = [place.sample(at_s).value for at_s in range(0, DAY_S, 10)]
    levels = [round(weight / Shelf.UNIT_G) for weight in weights]
    assert all(abs(weight - level * Shelf.UNIT_G) < 10 for weight, level in zip(weights, levels, strict=True))
    steps = [b - a for a, b in itertools.pairwise(levels) if b != a]
    assert any(step < 0 for step in steps) and any(step > 5 for step in steps)


def test_a_board_describes_itself_completely() -> None:
    fridge, door = descriptions(a_plan(has_door=True, period_s=10))
    assert (fridge.kind, fridge.unit, fridge.exp10, fridge.period_ds, fridge.name) == (
        Kind.TEMPERATURE,
        "Cel",
        -3,
        100,
        "fridge-1",
    )
    assert (door.kind, door.unit, door.flags & 1, door.period_ds) == (Kind.DOOR, "/", 1, 600)
    (shelf,) = descriptions(a_plan("shelf"))
    assert (shelf.kind, shelf.unit) == (Kind.WEIGHT, "kg")


def test_a_board_measures_on_schedule_and_reports_what_it_made() -> None:
    made: list[tuple[int, ...]] = []
    ring = Ring(bytearray(buffer_bytes(256)), boot=7)
    board = Board(a_plan(has_door=True), ring, lambda *record: made.append(record))
    for now_ms in range(0, 10_000, 20):
        board.step(b"", now_ms)
    temperatures = [record for record in made if record[2] == 0]
    assert len(temperatures) == 10
    assert [record[1] for record in made] == list(range(len(made)))
    assert made[1][2] == 1


def test_a_ring_in_a_file_is_kept_and_another_size_begins_anew(tmp_path: Path) -> None:
    first = open_ring(tmp_path / "ring", 64, boot=5)
    assert not first.was_kept
    again = open_ring(tmp_path / "ring", 64, boot=99)
    assert (again.was_kept, again.boot) == (True, 6)
    assert not open_ring(tmp_path / "ring", 128, boot=5).was_kept


def test_a_recorded_log_is_read_with_its_own_times(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "timestamp,temperature\n2020-05-05T09:00:10+0200,1.73\n2020-05-05T09:00:00+0200,-0.5\nbroken,2\n"
        "2020-05-05T09:00:30+0200,nan\n"
    )
    replay = read_replay(path, None)
    assert (replay.rows, replay.skipped) == ([(0.0, -500), (10.0, 1730)], 2)
    with pytest.raises(ValueError, match="no column weight"):
        read_replay(path, "weight")


@pytest.mark.parametrize(("name", "rows"), [("ruuvi_fridge.csv", 368), ("ruuvi_fruits.csv", 213)])
def test_real_logs_can_be_replayed(name: str, rows: int) -> None:
    if not (RECORDED / name).exists():
        pytest.skip(f"the recorded log {name} is not beside the checkout")
    replay = read_replay(RECORDED / name, "temperature")
    assert (len(replay.rows), replay.skipped) == (rows, 0)


def test_the_link_goes_with_the_board_and_the_next_board_takes_it_over(shop: Shop) -> None:
    link = shop.ports / "fridge"
    first = shop.board()
    device = link.readlink()
    assert str(device).startswith("/dev/pts/")
    second = shop.board()
    assert link.readlink() != device
    assert first.end()[0] == 0
    assert link.is_symlink(), "the link belongs to the second board by now"
    assert second.end()[0] == 0
    assert list(shop.ports.iterdir()) == []


def test_a_killed_board_leaves_a_dead_link_that_the_next_one_replaces(shop: Shop) -> None:
    shop.board().kill(does_name_stay=True)
    assert (shop.ports / "fridge").is_symlink()
    shop.board()
    shop.bridge("--commit-interval-s", "1")
    shop.wait_linked()


def test_a_replayed_log_reaches_the_store(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("at_s,value\n" + "".join(f"{second},{second / 16}\n" for second in range(60)))
    shop.board("--replay", str(path), "--speed", "60", "--kind", "ambient")
    shop.bridge("--commit-interval-s", "1")
    until(lambda: len(shop.stored()) == 60, what="all sixty rows are stored")
    assert [value for _, _, _, value, _ in shop.stored()] == [round(second * 62.5) for second in range(60)]


def test_what_is_no_board_is_refused_as_usage(shop: Shop, tmp_path: Path) -> None:
    def refused(*options: str) -> int:
        arguments = ("--link", str(tmp_path / "x"), "--uid", UID.hex(), *options)
        return shop._start("firmware_bridge.virtual", *arguments).ended()[0]

    assert refused("--uid", "00" * 8) == 2
    assert refused("--name", "a name of more than sixteen") == 2
    assert refused("--replay", str(tmp_path / "absent.csv")) == 2
