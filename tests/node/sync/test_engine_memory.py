"""What the engine keeps in memory stays small: a thousand streams, many neighbours, and whatever they send."""

from __future__ import annotations

import gc
import tracemalloc
from random import Random

from node.ledger.heads import StreamState
from node.sync import effects as fx
from node.sync.effects import FreeSpace, Kind
from node.sync.engine import Engine
from node.sync.intake import QUEUE_BYTES_MAX
from node.sync.messages import (
    BUCKETS,
    HEADS_PER_MESSAGE_MAX,
    Claim,
    ListedHeads,
    build_topic,
    encode_frames,
    encode_heads,
)
from tests.node.sync.bench import Bench, Member, dropped
from tests.simulation.store import GROUP, CheapKey, is_cheaply_signed

BYTES_MAX = 16 * 1024 * 1024
STREAMS = 1_000
NEIGHBOURS = 30


def an_engine(members: dict[bytes, bytes], heads: dict[bytes, StreamState]) -> Engine:
    """An engine that was started and linked."""
    key = CheapKey(0)
    engine = Engine(me=key.origin, group=GROUP, sign=key.sign, is_signed=is_cheaply_signed, rng=Random(1))
    engine.handle(fx.Started(heads, members, b"our-one!", 2, FreeSpace.PLENTY, "0.1.0"), 0.0, 0)
    engine.handle(fx.LinkUp("shared"), 0.0, 0)
    return engine


def test_a_thousand_streams_and_thirty_neighbours_take_less_than_sixteen_mebibytes() -> None:
    """Each neighbour claims more streams than may be kept, and frames fill the queue while the disk does not answer."""
    rng = Random(2)
    founder = CheapKey(0)
    neighbours = [Member(number, founder) for number in range(1, NEIGHBOURS + 1)]
    members = {key.origin: key.public_key for key in (founder, *(one.key for one in neighbours))}
    sent = {one.key.origin: what_one_sends(one, rng) for one in neighbours}
    gc.collect()
    tracemalloc.start()
    try:
        heads = {
            rng.randbytes(8): StreamState(rng.randbytes(16), False, 1_000, 64_000, rng.randbytes(32))
            for _ in range(STREAMS)
        }
        engine = an_engine(members, heads)
        for number, (origin, messages) in enumerate(sent.items(), start=1):
            peer = engine._peers.get(origin)
            assert peer is not None
            # It was compared with, as if its beacon had listed nothing.
            peer.compared_at_s = 0.0
            for message in messages:
                engine.handle(message, 6.0 * number, 0)
        gc.collect()
        kept, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept > QUEUE_BYTES_MAX // 2, "the queue was not filled, so nothing was measured"
    assert kept <= BYTES_MAX


def what_one_sends(member: Member, rng: Random) -> list[fx.Received]:
    """A beacon, as long a list of heads as fits a message, and frames of streams of its own."""
    claims = tuple(Claim(rng.randbytes(8), 9, False) for _ in range(HEADS_PER_MESSAGE_MAX))
    listed = encode_heads(ListedHeads(frozenset(range(BUCKETS)), claims))
    frames = [member.store.append(member.key, rng.randbytes(8), rng.randbytes(16_000)) for _ in range(20)]
    return [
        a_message(member, Kind.HEAD, member.beacon(claims=claims[:1])),
        a_message(member, Kind.GIVE, listed),
        *(a_message(member, Kind.BLOCKS, encode_frames([frame])) for frame in frames),
    ]


def a_message(member: Member, kind: Kind, payload: bytes) -> fx.Received:
    """A message of a member, to us where its kind has an addressee."""
    to = CheapKey(0).origin if kind is Kind.GIVE else None
    addressee = None if to is None else build_topic(GROUP, Kind.HEAD, to).rsplit("/", 1)[1]
    return fx.Received("shared", build_topic(GROUP, kind, member.key.origin, addressee), payload, False)


def test_claims_beyond_what_may_be_kept_are_not_kept() -> None:
    bench = Bench(members=1)
    member = bench.members[0]
    engine = bench.engine
    peer = engine._peers.get(member.key.origin)
    assert peer is not None
    for number in range(5):
        peer.compared_at_s = bench.now_s
        streams = tuple(
            Claim((number * HEADS_PER_MESSAGE_MAX + n).to_bytes(8, "big"), 1, False)
            for n in range(HEADS_PER_MESSAGE_MAX)
        )
        effects = bench.receive(member, Kind.GIVE, encode_heads(ListedHeads(frozenset(), streams)), to=bench.my_id)
        assert dropped(effects) == []
    assert len(peer.ahead) == 4_096
