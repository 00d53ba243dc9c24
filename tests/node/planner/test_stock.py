"""Free stock: how urgent food is agrees with the uses it would come from, whatever was taken before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.planner.plan import LATER_DAY, StockBucket
from node.planner.stock import FreeStock, grams
from tests.node.planner.builders import a_bucket, a_snapshot

AMOUNTS = st.integers(0, 5_000_000)
DAYS = st.integers(0, LATER_DAY + 1)


@given(
    buckets=st.lists(st.builds(a_bucket, st.sampled_from(["food/a", "food/b"]), AMOUNTS, st.integers(0, LATER_DAY))),
    before=AMOUNTS,
    needed=st.dictionaries(st.sampled_from(["food/a", "food/b", "food/c"]), AMOUNTS),
    piece_g=st.dictionaries(st.just("food/a"), st.integers(1, 200)),
    day=DAYS,
)
def test_urgency_is_the_grams_of_each_use_times_its_days(
    buckets: list[StockBucket], before: int, needed: dict[str, int], piece_g: dict[str, int], day: int
) -> None:
    snapshot = a_snapshot(stock=tuple(buckets), piece_g=piece_g)
    stock = FreeStock(snapshot.stock)
    stock.take("food/a", before, day)
    expected = sum(
        grams(snapshot, item_id, use.amount_milli) * (LATER_DAY - use.bucket.last_day)
        for item_id, amount in needed.items()
        for use in stock.uses(item_id, amount, day)[0]
    )
    assert expected == stock.gram_days(needed, day, piece_g)
