"""Steps of a shelf in a real market: kept once, decided once, booked as a sale, expired into a suspicion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node import clock
from node.actions import shelves, undo
from node.actions.calibrations import calibrate
from node.actions.counting import count
from node.actions.ids import new_action_id
from node.actions.keeping import open_market, verify
from node.actions.people import person_named
from node.actions.shelves_decided import Confirmed, confirm_step, dismiss_step
from node.actions.shelves_kept import (
    EXPIRES_AFTER_MS,
    OPEN_PER_SHELF_MAX,
    begin_mark,
    end_tare,
    expire_steps,
    find_step,
    has_overdue_steps,
    hold_for_tare,
    open_steps,
    suspicions,
)
from node.clock import ClockQuality
from node.cold import shelf_scales
from node.cold.shelf_scales import ShelfScales
from node.domain.calibration import Correction
from node.domain.shelf import ShelfItem
from node.errors import Refused
from node.ledger.read import Item, lots, movements
from node.ledger.store import MarketStore, Transaction
from node.places import Places
from tests.node.builders import a_market_folder, a_received_lot, an_item
from tests.node.scales import SENSOR, Scale, a_shelf, caught_up


@contextmanager
def refused(error_id: str) -> Iterator[None]:
    with pytest.raises(Refused) as caught:
        yield
    assert caught.value.error_id == error_id


class Shop:
    """A market with milk on a scale."""

    def __init__(self, places: Places, store: MarketStore) -> None:
        self.places, self.store = places, store
        self.milk = an_item(store)
        a_received_lot(store, self.milk, 24_000, batch="M-1")
        self.scale = Scale(places.telemetry_db)

    def on_hand(self, item: Item | None = None) -> int:
        return sum(lot.on_hand_milli for lot in lots(self.store.reader, (item or self.milk).item_id))

    def take(self, *weights_g: float, held_s: float = 4) -> None:
        """Let the scale come to rest at each of these weights, and read it."""
        for grams in weights_g:
            self.scale.stands(grams, held_s)
        caught_up(self.store, self.places)

    def confirm(self, step_id: int, **said: object) -> Confirmed:
        given = {"action_id": new_action_id(), "who": 0, **said}
        return self.store.act("confirm", lambda tx: confirm_step(tx, step_id=step_id, **given))

    def steps(self) -> list[tuple[str, int, str]]:
        return [(s.state, s.candidates[0].units, s.reason) for s in open_steps(self.store.reader)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    places = a_market_folder(tmp_path / "shop")
    store = open_market(places)
    try:
        yield Shop(places, store)
    finally:
        store.close()


def test_a_step_is_proposed_and_moves_nothing_until_somebody_confirms_it(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(12_000, 11_000)
    assert shop.steps() == [("open", -2, "")] and shop.on_hand() == 24_000
    (step,) = open_steps(shop.store.reader)
    done = shop.confirm(step.step_id)
    assert (done.units, done.back_milli, shop.on_hand()) == (-2, 0, 22_000)
    assert done.sold is not None and done.sold.takes[0].lot.batch == "M-1"
    assert shop.steps() == []


def test_a_confirmation_sent_again_books_once_and_a_second_one_is_refused(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(12_000, 11_500)
    action_id = new_action_id()
    first = shop.confirm(1, action_id=action_id)
    again = shop.confirm(1, action_id=action_id)
    assert (first.item_id, first.units) == (again.item_id, again.units)
    with refused("shelf.already"):
        shop.confirm(1)
    assert shop.on_hand() == 23_000


def test_what_was_confirmed_is_taken_back_by_undo_and_may_then_be_decided_again(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(12_000, 11_500)
    shop.confirm(1)
    shop.store.act("undo", lambda tx: undo.undo(tx, action_id=new_action_id(), who=0))
    assert shop.on_hand() == 24_000
    assert shop.confirm(1, units=-3).units == -3
    assert shop.on_hand() == 21_000


def test_a_person_may_say_that_it_was_another_number_or_nothing(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(12_000, 11_500, 11_000)
    shop.confirm(1, units=-4)
    shop.store.act("dismiss", lambda tx: dismiss_step(tx, step_id=2))
    assert shop.on_hand() == 20_000 and shop.steps() == []
    shop.confirm(2)
    assert shop.on_hand() == 19_000
    with refused("shelf.booked"):
        shop.store.act("dismiss", lambda tx: dismiss_step(tx, step_id=2))


def test_a_question_is_not_confirmed_without_being_told_what_it_was(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(12_000, 11_800)
    assert [reason for _state, _units, reason in shop.steps()] == ["unlikely"]
    with refused("shelf.question"):
        shop.confirm(1)
    with refused("shelf.units"):
        shop.confirm(1, units=0)
    shop.confirm(1, units=-1)
    assert shop.on_hand() == 23_000


def test_what_is_put_back_at_once_comes_back_and_a_refill_moves_nothing(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(6_000, 5_000, 5_500, 9_500)
    assert [units for _state, units, _reason in shop.steps()] == [-2, 1, 8]
    shop.confirm(1)
    assert shop.confirm(2).back_milli == 1_000
    assert shop.on_hand() == 23_000
    assert shop.confirm(3).back_milli == 0
    assert shop.on_hand() == 23_000
    assert [m.kind.name for m in movements(shop.store.reader, shop.milk.item_id)][:2] == ["ADJUST", "SELL"]
    shop.store.act("undo", lambda tx: undo.undo(tx, action_id=new_action_id(), who=0))
    assert shop.on_hand() == 22_000


def test_what_comes_back_goes_into_the_lots_it_was_taken_from(shop: Shop) -> None:
    a_received_lot(shop.store, shop.milk, 5_000, batch="M-0", best_before=date(2031, 1, 1))
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(14_000, 11_000, 11_500, 12_500)
    for number in (1, 2, 3):
        shop.confirm(number)
    left = {lot.batch: lot.on_hand_milli for lot in lots(shop.store.reader, shop.milk.item_id)}
    assert left == {"M-0": 2_000, "M-1": 24_000}


def test_what_is_put_long_after_the_last_was_taken_is_a_refill(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(6_000, 5_500)
    shop.take(5_500, 6_000, held_s=310)
    assert shop.confirm(1).back_milli == shop.confirm(2).back_milli == 0
    assert shop.on_hand() == 23_000


def test_a_first_filling_of_a_shelf_is_no_new_stock(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(0, 12_000)
    done = shop.confirm(1)
    assert (done.units, done.back_milli, done.sold, shop.on_hand()) == (24, 0, None, 24_000)
    with refused("shelf.already"):
        shop.confirm(1)


def test_a_trusted_shelf_books_what_is_probable_in_its_own_name_and_undo_takes_it_back(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500), is_trusted=True)
    shop.take(12_000, 11_000, 10_800)
    assert shop.on_hand() == 22_000
    assert [reason for _state, _units, reason in shop.steps()] == ["unlikely"]
    (sold,) = [m for m in movements(shop.store.reader, shop.milk.item_id) if m.quantity_milli < 0]
    assert sold.who_name == "shelf Front"
    step = find_step(shop.store.reader, 1)
    assert step is not None and step.action_id is not None
    shop.store.act("undo", lambda tx: undo.undo(tx, action_id=new_action_id(), who=0, target=step.action_id))
    assert shop.on_hand() == 24_000


def test_a_trusted_shelf_waits_for_a_person_where_the_books_have_less(shop: Shop) -> None:
    tea = an_item(shop.store, "Tea", "04006381333948")
    a_received_lot(shop.store, tea, 1_000)
    a_shelf(shop.store, shop.places, (tea, 120), is_trusted=True, spread_g=2)
    shop.take(2_400, 2_040)
    assert shop.on_hand(tea) == 1_000 and shop.steps() == [("open", -3, "")]
    with refused("sale.beyond_on_hand"):
        shop.confirm(1)
    shop.confirm(1, yes=frozenset({"sale.beyond_on_hand"}))
    assert shop.on_hand(tea) == -2_000


def test_steps_that_nobody_decides_become_suspicions_until_the_item_is_counted(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    known = replace(clock.now(), quality=ClockQuality.TRUSTED)
    with patch.object(clock, "now", lambda: known):
        shop.take(12_000, 11_000, 10_500)
    later = replace(known, wall_ms=known.wall_ms + EXPIRES_AFTER_MS + 1)
    with patch.object(clock, "now", lambda: replace(later, quality=ClockQuality.NOT_SET)):
        assert not has_overdue_steps(shop.store.reader, clock.now())
        assert shop.store.act("expire", expire_steps) == 0
    assert has_overdue_steps(shop.store.reader, later)
    with patch.object(clock, "now", lambda: later):
        assert shop.store.act("expire", expire_steps) == 2
    assert shop.steps() == [] and shop.on_hand() == 24_000
    (found,) = suspicions(shop.store.reader)
    assert (found.item_id, found.steps, found.units) == (shop.milk.item_id, 2, -3)
    (lot,) = lots(shop.store.reader, shop.milk.item_id)
    with patch.object(clock, "now", lambda: later):
        shop.store.act(
            "count",
            lambda tx: count(tx, action_id=new_action_id(), who=0, lot_id=lot.lot_id, counted_milli=23_000),
        )
    assert suspicions(shop.store.reader) == []


def test_steps_noticed_before_the_clock_was_set_do_not_expire_by_its_setting(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    unset = replace(clock.now(), quality=ClockQuality.NOT_SET, wall_ms=1_000)
    with patch.object(clock, "now", lambda: unset):
        shop.take(12_000, 11_000)
    with patch.object(clock, "now", lambda: replace(unset, quality=ClockQuality.TRUSTED, wall_ms=2_000_000_000_000)):
        assert shop.store.act("expire", expire_steps) == 0
    assert shop.steps() == [("open", -2, "")]


def test_other_items_on_a_shelf_do_not_judge_what_was_weighed_before(shop: Shop) -> None:
    before = a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.scale.stands(12_000, 4)
    shop.take(12_100)
    tea = an_item(shop.store, "Tea", "04006381333948")
    after = replace(before, items=(ShelfItem(tea.item_id, 50_000, 1_000),))
    start = shelf_scales.start_of(shop.places, SENSOR)

    def changed(tx: Transaction) -> None:
        shelves.set_shelf(tx, action_id=new_action_id(), who=0, name=after.name, sensor=after.sensor, items=after.items)
        begin_mark(tx, after, start, before=before)

    shop.store.act("change", changed)
    shop.take(12_100, 12_000)
    assert shop.steps() == [("open", 1, "unlikely"), ("open", -2, "")]


def test_more_steps_than_fit_expire_the_oldest(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.scale.stands(12_000, 4)
    for number in range(OPEN_PER_SHELF_MAX + 3):
        shop.scale.stands(11_500 if number % 2 == 0 else 12_000, 3)
    caught_up(shop.store, shop.places)
    assert len(open_steps(shop.store.reader)) == OPEN_PER_SHELF_MAX
    assert suspicions(shop.store.reader)[0].steps == 3


def test_two_processes_that_read_the_same_scale_keep_each_step_once(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    other = open_market(shop.places)
    try:
        one, two = ShelfScales(shop.places, shop.store.act), ShelfScales(shop.places, other.act)
        for grams in (12_000, 11_500, 11_000, 10_000):
            shop.scale.stands(grams, 4)
            one.catch_up(shop.store.reader, clock.now())
            two.catch_up(other.reader, clock.now())
    finally:
        other.close()
    assert [units for _state, units, _reason in shop.steps()] == [-1, -1, -2]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 90), max_size=8), page=st.integers(1, 40), restarts=st.booleans())
def test_the_same_weights_give_the_same_steps_in_whatever_portions_they_are_read(
    shop: Shop, cuts: list[int], page: int, restarts: bool
) -> None:
    if not shelves.shelves(shop.store.reader):
        shop.scale.stands(6_000, 5)
        for grams in (5_500, 5_540, 4_500, 9_000, 8_900, 6_000):
            shop.scale.stands(grams, 4)
            shop.scale.stands(grams + 2_000, 0.5)
            shop.scale.stands(grams, 3)
        a_shelf(shop.store, shop.places, (shop.milk, 500))
    whole = list(shop.scale.conn.execute("select boot, seq, dev_ms, status, value, quality, reason from stage"))
    whole = whole[: shop.scale.seq]
    expected = _read_in_portions(shop, whole, [], 2_000, is_new=False)
    assert len(expected) >= 5
    assert _read_in_portions(shop, whole, sorted(set(cuts)), page, is_new=restarts) == expected


def _read_in_portions(
    shop: Shop, rows: list[tuple[int, ...]], cuts: list[int], page: int, *, is_new: bool
) -> list[tuple[object, ...]]:
    """Read these weights again from the beginning, cut at these places."""
    shop.scale.conn.execute("delete from stage")

    def again(tx) -> None:  # type: ignore[no-untyped-def]
        tx.connection.execute("DELETE FROM shelf_step")
        tx.connection.execute("DELETE FROM shelf_mark")
        begin_mark(tx, shelves.shelves(tx.connection)[0], (0, 0, -1))

    shop.store.act("again", again)
    with patch.object(shelf_scales, "READ_ROWS_MAX", page):
        scales = ShelfScales(shop.places, shop.store.act)
        for first, last in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            shop.scale.put(rows[first:last])
            scales = ShelfScales(shop.places, shop.store.act) if is_new else scales
            scales.catch_up(shop.store.reader, clock.now())
    return [(s.before_mg, s.after_mg, s.reason, s.candidates) for s in open_steps(shop.store.reader)]


def test_what_happened_before_a_shelf_was_set_is_not_looked_at(shop: Shop) -> None:
    shop.scale.stands(12_000, 4)
    shop.scale.stands(6_000, 4)
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(6_000)
    assert shop.steps() == []


def test_another_boot_of_the_board_is_read_behind_the_one_before_and_asks(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(12_000)
    shop.scale.start()
    shop.take(11_500, 11_000)
    assert shop.steps() == [("open", -1, "gap"), ("open", -1, "")]


def test_a_log_that_was_begun_anew_is_read_from_its_beginning(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(12_000)
    shop.scale.conn.execute("update boot set number = 17")
    shop.scale.conn.execute("delete from stage")
    shop.scale.seq = 0
    shop.take(9_000, 8_500)
    assert shop.steps() == [("open", -1, "")]


def test_the_jump_of_a_tare_is_no_step(shop: Shop) -> None:
    shelf = a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(510)
    shop.store.act("hold", lambda tx: hold_for_tare(tx, shelf))
    first = shop.scale.seq
    shop.take(0)
    assert shop.steps() == []
    shop.store.act("tared", lambda tx: end_tare(tx, shelf, tared=(1, first)))
    shop.take(1_000)
    assert shop.steps() == [("open", 2, "")]
    assert caught_up(shop.store, shop.places)[0].weight_mg == 1_000_000


def test_a_shelf_without_a_tare_of_its_own_takes_what_lies_there_as_zero(shop: Shop) -> None:
    shelf = a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(700)
    shop.store.act("tared", lambda tx: end_tare(tx, shelf, zero_mg=700_000))
    shop.take(1_700)
    assert caught_up(shop.store, shop.places)[0].weight_mg == 1_000_000
    shop.take(600)
    assert shop.steps()[-1][2] == "half_gone"
    shop.take(100)
    assert shop.steps()[-1][2] == "negative"


def test_a_saturated_or_doubted_weight_is_no_weight(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(12_000)
    shop.scale.stands(90_000, 3, status=0x01 | 6 << 5, quality=2, reason=7)
    shop.take(11_500)
    assert shop.steps() == [("open", -1, "saturated")]
    shop.scale.stands(90_000, 3, quality=2, reason=9)
    shop.take(11_500)
    assert len(shop.steps()) == 1


def test_weights_are_read_with_the_calibration_of_their_time_and_a_new_one_is_no_step(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(10_000)
    shop.store.act("calibrate", a_calibration)
    shop.take(10_000)
    assert shop.steps() == []
    assert caught_up(shop.store, shop.places)[0].weight_mg == 10_500_000
    shop.take(10_000 - 500 / 1.05)
    assert shop.steps() == [("open", -1, "")]


def a_calibration(tx: Transaction) -> None:
    """Two points: the cell shows 5 % too little."""
    who = person_named(tx, "Ana").number
    calibrate(
        tx,
        action_id=new_action_id(),
        who=who,
        sensor=SENSOR,
        kind="weight",
        unit="kg",
        correction=Correction(points=((0, 0), (10_000, 10_500))),
        reference="5 kg weight",
        certificate="",
        yes=frozenset(),
    )


def test_an_unstable_weight_settles_nothing(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(12_000)
    shop.scale.stands(11_500, 10, status=0x08)
    caught_up(shop.store, shop.places)
    assert shop.steps() == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"name": "a/b"}, "shelf.name"),
        ({"sensor": "../../etc"}, "unit.bad_sensor"),
        ({"items": ()}, "shelf.items"),
        ({"items": (ShelfItem("nothing", 500_000, 5_000),)}, "item.unknown"),
        ({"unit_mg": 10}, "shelf.unit_weight"),
        ({"spread_mg": 400_000}, "shelf.unit_weight"),
    ],
)
def test_a_shelf_that_makes_no_sense_is_refused(shop: Shop, change: dict[str, object], error: str) -> None:
    item = ShelfItem(shop.milk.item_id, change.pop("unit_mg", 500_000), change.pop("spread_mg", 5_000))  # type: ignore[arg-type]
    said = {"name": "Front", "sensor": SENSOR, "items": (item,), **change}
    with refused(error):
        shop.store.act("shelf", lambda tx: shelves.set_shelf(tx, action_id=new_action_id(), who=0, **said))
    assert shelves.shelves(shop.store.reader) == []


def test_a_scale_carries_one_shelf_and_what_is_no_scale_none(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    with refused("shelf.scale_taken"):
        a_shelf(shop.store, shop.places, (shop.milk, 500), name="Back")
    a_shelf(shop.store, shop.places, (shop.milk, 480), name="FRONT")
    (shelf,) = shelves.shelves(shop.store.reader)
    assert (shelf.name, shelf.items[0].unit_mg) == ("Front", 480_000)
    shop.scale.conn.execute("update channel set kind = 1, unit = 'Cel'")
    with refused("shelf.no_weight"):
        shelf_scales.start_of(shop.places, SENSOR)


def test_a_forgotten_shelf_leaves_suspicions_and_the_log_verifies(shop: Shop) -> None:
    a_shelf(shop.store, shop.places, (shop.milk, 500))
    shop.take(12_000, 11_500)
    shop.store.act("forget", lambda tx: shelves.forget_shelf(tx, action_id=new_action_id(), who=0, name="front"))
    assert shelves.shelves(shop.store.reader) == [] and shop.steps() == []
    assert suspicions(shop.store.reader)[0].units == -1
    with refused("shelf.unknown"):
        shelves.shelf_named(shop.store.reader, "Front")
    verify(shop.store.reader, shop.places)
