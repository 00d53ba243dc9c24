"""Items: numbers that are the same everywhere, names, par levels, units."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.actions import items, people, units
from node.actions.drafts import DRAFT_BYTES_MAX, drop_draft, load_draft, save_draft
from node.actions.ids import new_action_id
from node.cold.watch import unit_key
from node.domain.words import Unit
from node.errors import Refused
from node.ledger.read import find_items, item, item_for_code, stock
from node.ledger.registers import shown
from node.ledger.store import MarketStore
from tests.node.builders import MILK_GTIN, a_received_lot, an_item, an_open_market


def add(store: MarketStore, **fields: object) -> items.Item:
    """Add an item with some fields."""
    given = {"action_id": new_action_id(), "who": 0, "name": "Oat drink", "unit": Unit.EACH, **fields}
    return store.act("item", lambda tx: items.add_item(tx, **given))  # type: ignore[arg-type]


def test_an_item_with_a_number_has_the_same_id_in_every_market(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with an_open_market(tmp_path / name) as store:
            assert an_item(store).item_id == f"gtin/{MILK_GTIN}"
            assert item_for_code(store.reader, MILK_GTIN) == item(store.reader, f"gtin/{MILK_GTIN}")


def test_an_item_like_a_food_takes_its_storage_but_never_its_allergens(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        model = next(food for food in find_items(store.reader, "", 500) if food.allergens and food.storage == "fridge")
        found = add(store, gtin14=MILK_GTIN, like=model.item_id)
        assert (found.storage, found.shelf_life_days) == (model.storage, model.shelf_life_days)
        assert found.allergens is None
        declared = add(store, name="Oat drink plain", gtin14="00000096385074", allergens=("milk", "gluten"))
        assert declared.allergens == ("gluten", "milk")


def test_an_item_without_a_number_is_named_by_its_event(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        action_id = new_action_id()
        found = add(store, action_id=action_id)
        stream, _, seq = found.item_id.partition(":")
        assert len(stream) == 16
        assert int(seq) > 0
        assert add(store, action_id=action_id) == found


@pytest.mark.parametrize(
    ("fields", "error_id"),
    [
        ({"name": ""}, "text.empty"),
        ({"name": "x" * 61}, "text.too_long"),
        ({"name": "[red]x[/]\x1b[2J\u202e"}, "text.control"),
        ({"name": "Milk 1 L"}, "item.name_taken"),
        ({"gtin14": MILK_GTIN}, "item.exists"),
        ({"gtin14": "04006381333932"}, "item.bad_number"),
        ({"storage": "attic"}, "item.bad_storage"),
        ({"allergens": ("gluten", "dust")}, "item.bad_allergen"),
        ({"like": "food/nothing"}, "item.unknown"),
        ({"like": f"gtin/{MILK_GTIN}"}, "item.bad_model"),
    ],
)
def test_a_wrong_field_is_refused_with_a_reason(tmp_path: Path, fields: dict[str, object], error_id: str) -> None:
    with an_open_market(tmp_path) as store:
        an_item(store)
        before = store.reader.execute("SELECT count(*) FROM pending").fetchone()
        with pytest.raises(Refused) as refused:
            add(store, **fields)
        assert refused.value.error_id == error_id
        assert before == store.reader.execute("SELECT count(*) FROM pending").fetchone()


def test_below_its_par_level_an_item_reads_low(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        milk = an_item(store)
        a_received_lot(store, milk, 5_000)
        for par_milli, state in ((10_000, "LOW"), (5_000, "ok")):
            store.act(
                "par",
                lambda tx, par_milli=par_milli: items.set_par(
                    tx, action_id=new_action_id(), who=0, item_id=milk.item_id, par_milli=par_milli
                ),
            )
            assert [row.state for row in stock(store.reader, today=None)] == [state]


def test_a_search_holds_every_word_and_no_pattern(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        an_item(store, "Milk 100% whole")
        an_item(store, "Milk 1 L", "00000096385074")
        assert [found.name for found in find_items(store.reader, "milk %")] == ["Milk 100% whole"]
        assert [found.name for found in find_items(store.reader, "96385074")] == ["Milk 1 L"]
        assert find_items(store.reader, "_________") == []


def test_a_unit_gets_a_name_and_a_kind_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    def describe(store: MarketStore, sensor: str, **fields: str) -> None:
        store.act(
            "unit",
            lambda tx: units.describe_unit(tx, action_id=new_action_id(), who=0, sensor=sensor, **fields),
        )

    with an_open_market(tmp_path) as store:
        describe(store, "01eeffc042000000/0", name="Fridge 1", kind="fridge")
        assert shown(store.reader, unit_key("01eeffc042000000/0", "name")) == "Fridge 1"
        for sensor, fields in (
            ("../../etc/0", {"name": "x"}),
            ("01eeffc042000000/0", {"kind": "oven"}),
            ("01eeffc042000000/0", {}),
        ):
            with pytest.raises(Refused):
                describe(store, sensor, **fields)


def test_a_draft_is_kept_until_it_is_dropped(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        store.act("draft", lambda tx: save_draft(tx, "receive", b"24 milk"))
        assert load_draft(store.reader, "receive") == b"24 milk"
        with pytest.raises(Refused):
            store.act("draft", lambda tx: save_draft(tx, "receive", bytes(DRAFT_BYTES_MAX + 1)))
        store.act("draft", lambda tx: drop_draft(tx, "receive"))
        assert load_draft(store.reader, "receive") is None


def test_a_person_keeps_their_number(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        first = store.act("person", lambda tx: people.person_named(tx, "Ana"))
        assert store.act("person", lambda tx: people.person_named(tx, " Ana ")) == first
