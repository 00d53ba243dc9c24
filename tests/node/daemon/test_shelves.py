"""The shelf worker in a running larder-node: a trusted shelf is booked while nobody looks, and it survives a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from node.actions.keeping import open_market
from node.actions.shelves_kept import open_steps
from node.ledger.read import Item, lots, open_reader
from node.places import Places
from tests.node.builders import a_market_folder, a_received_lot, an_item
from tests.node.cli.verbs import CHECKOUT, environment
from tests.node.scales import Scale, a_shelf

DEADLINE_S = 30.0
POLL_S = 0.05


def until_on_hand(places: Places, item: Item, quantity_milli: int) -> None:
    """Wait until the books have this much."""
    end_s = time.monotonic() + DEADLINE_S
    with closing(open_reader(places)) as reader:
        while sum(lot.on_hand_milli for lot in lots(reader, item.item_id)) != quantity_milli:
            assert time.monotonic() < end_s, "larder-node never booked it"
            time.sleep(POLL_S)


@pytest.mark.slow
def test_a_trusted_shelf_is_booked_while_nobody_looks_and_once_over_a_kill(tmp_path: Path) -> None:
    places = a_market_folder(tmp_path / "shop")
    with closing(open_market(places)) as store:
        milk = an_item(store)
        a_received_lot(store, milk, 24_000)
        scale = Scale(places.telemetry_db)
        a_shelf(store, places, (milk, 500), is_trusted=True)
    scale.stands(12_000, 4)
    for left_milli, grams in ((23_000, 11_500), (21_000, 10_500)):
        node = subprocess.Popen(
            [sys.executable, "-m", "node.daemon.main", "--data", str(places.root)], cwd=CHECKOUT, env=environment()
        )
        try:
            scale.stands(grams, 4)
            until_on_hand(places, milk, left_milli)
        finally:
            os.kill(node.pid, signal.SIGKILL)
            node.wait()
    with closing(open_reader(places)) as reader:
        assert open_steps(reader) == []
        assert reader.execute("SELECT count(*) FROM shelf_step WHERE state = 'confirmed'").fetchone() == (2,)
