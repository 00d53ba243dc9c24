"""A market whose older file was put back in place wrote its log twice: real processes carry both branches."""

from __future__ import annotations

from base64 import b32decode
from pathlib import Path

import pytest

from node.domain.words import MoveKind
from node.ledger.forks import is_forked
from node.ledger.keys import load_key
from node.ledger.read import open_reader
from node.ledger.seal import seal
from tests.node.sync.brokers import wait_until, who
from tests.node.sync.markets import Market, a_market, agree, opened, pair, running


def seal_all(market: Market) -> None:
    with opened(market) as store:
        store.batch("seal", lambda tx: seal(tx, load_key(market.places.node_key), blocks_max=100))


def forked_streams(market: Market) -> int:
    reader = open_reader(market.places)
    try:
        return sum(is_forked(reader, stream) for (stream,) in reader.execute("SELECT stream FROM head").fetchall())
    finally:
        reader.close()


@pytest.mark.slow
def test_both_branches_of_a_log_that_was_written_twice_come_to_both_markets(tmp_path: Path) -> None:
    harbour, mill_road = a_market(tmp_path / "harbour", "Harbour"), a_market(tmp_path / "mill", "Mill Road")
    harbour.sell(1)
    mill_road.sell(1)
    pair(harbour, mill_road)
    seal_all(harbour)
    with opened(harbour) as store:
        store.checkpoint_if_due(is_idle=True)
    before = harbour.places.market_db.read_bytes()
    harbour.sell(2)
    with running(harbour, mill_road):
        agree(harbour, mill_road)
    # The older file comes back in place: same boot, same inode, so nothing here can notice it.
    Path(f"{harbour.places.market_db}-wal").unlink(missing_ok=True)
    Path(f"{harbour.places.market_db}-shm").unlink(missing_ok=True)
    with harbour.places.market_db.open("r+b") as file:
        file.truncate(0)
        file.write(before)
    harbour.sell(3)
    seal_all(harbour)
    with running(harbour, mill_road):
        wait_until(lambda: forked_streams(harbour) == forked_streams(mill_road) == 1, "both to see both branches")
        agree(harbour, mill_road)
        wait_until(lambda: mill_road.count("SELECT count(*) FROM fork_seen") > 0, "the fork to be noted")
        agree(harbour, mill_road)
    sold = (
        f"SELECT count(*) FROM movement WHERE kind = {int(MoveKind.SELL)}"
        " AND stream NOT IN (SELECT stream FROM home_stream)"
        f" AND member = X'{b32decode(who(harbour.places)[0].upper() + '======').hex()}'"
    )
    for market in (harbour, mill_road):
        market.verify()
        # Whichever branch counts: what staff saw saved in the file that is in use now is there.
        assert market.count(sold) >= 3
        assert market.log() == ""
