"""Reading on from a place: in the board's order over both tables and all boots, whatever the boots are called."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from firmware_bridge.store.read import Place, following, is_of_this_file, newest_place, open_telemetry
from tests.node.scales import UID, Scale


@pytest.fixture
def scale(tmp_path: Path) -> Scale:
    return Scale(tmp_path / "telemetry" / "telemetry.db")


def seqs(path: Path, behind: Place, limit: int = 100) -> list[tuple[int, int]]:
    connection = open_telemetry(path)
    try:
        found = following(connection, UID, 0, behind, limit).rows
    finally:
        connection.close()
    return [(place.boot, place.seq) for place, _row in found]


def test_readings_are_told_once_and_in_order_from_both_tables_and_over_boots(scale: Scale, tmp_path: Path) -> None:
    path = tmp_path / "telemetry" / "telemetry.db"
    scale.stands(1000, 2)
    scale.start()
    scale.stands(990, 1)
    scale.conn.execute(
        "insert into reading select device, boot, seq, dev_ms, channel, status, value, quality, reason, null, 0"
        " from stage where boot = 1"
    )
    scale.conn.execute("delete from stage where boot = 1 and seq < 3")
    first = Place(0, 0, -1)
    assert seqs(path, first) == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)]
    assert seqs(path, first, 3) == [(1, 0), (1, 1), (1, 2)]
    assert seqs(path, Place(1, 59_223, 2)) == [(1, 3), (2, 0), (2, 1)]
    assert seqs(path, Place(2, 58_446, 1)) == []


def test_a_value_comes_exactly_with_what_its_scale_can_tell(scale: Scale, tmp_path: Path) -> None:
    scale.stands(1234.5, 0.5)
    connection = open_telemetry(tmp_path / "telemetry" / "telemetry.db")
    try:
        found = following(connection, UID, 0, Place(0, 0, -1), 10)
        assert found.rows[0][1].value == Decimal("1.2345")
        assert (found.noise, found.resolution) == (Decimal("0.0003"), Decimal("0.0001"))
        assert newest_place(connection, UID) == Place(1, 59_223, 0)
        assert newest_place(connection, "nobody") is None
        assert is_of_this_file(connection, UID, Place(1, 59_223, 0))
        assert not is_of_this_file(connection, UID, Place(1, 5, 0))
        assert following(connection, "nobody", 0, Place(0, 0, -1), 10).rows == ()
    finally:
        connection.close()
