"""Topics and payloads: the exact bytes, every round trip, and everything that must be refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.ledger.block import HEADER_BYTES, SIGNATURE_BYTES
from node.ledger.heads import BlockRange
from node.ledger.names import node_id
from node.sync import messages
from node.sync.effects import Kind
from node.sync.messages import Claim, Frames, Garbage, ListedHeads, Ranges

GROUP = bytes(range(16))
ORIGIN = bytes(range(16, 32))
ADDRESSEE = bytes(range(32, 48))
STREAM = b"stream-1"

streams = st.binary(min_size=8, max_size=8)
claims = st.lists(
    st.one_of(
        st.builds(Claim, streams, st.integers(1, messages.BLOCKS_MAX), st.booleans(), st.just(0)),
        st.builds(Claim, streams, st.just(0), st.booleans(), st.integers(1, messages.BLOCKS_MAX)),
    ),
    max_size=80,
    unique_by=lambda claim: claim.stream,
).map(tuple)
ranges = st.lists(
    st.tuples(streams, st.integers(0, 1000), st.integers(1, 1000)).map(lambda r: BlockRange(r[0], r[1], r[1] + r[2])),
    min_size=1,
    max_size=64,
    unique_by=lambda one: one.stream,
).map(tuple)


def a_frame(body: int = 1) -> bytes:
    """Something with the outer shape of a block."""
    content = bytes(HEADER_BYTES + SIGNATURE_BYTES + body)
    return len(content).to_bytes(2, "little") + content


DECODERS = (
    messages.decode_frames,
    messages.decode_heads,
    messages.decode_ranges,
    messages.decode_bucket_digests,
)


def test_topics_are_written_as_the_page_says() -> None:
    group = "000102030405060708090a0b0c0d0e0f"
    me = "caireeyuculbogazdinryhi6d4"
    assert f"larder/1/{group}/head/{me}" == messages.build_topic(GROUP, Kind.HEAD, ORIGIN)
    assert f"larder/1/{group}/pull/{me}/any" == messages.build_topic(GROUP, Kind.PULL, ORIGIN, "any")
    longest = messages.build_topic(GROUP, Kind.PULL, ORIGIN, node_id(ADDRESSEE))
    assert len(longest) == messages.TOPIC_CHARACTERS_MAX


@given(
    st.binary(min_size=16, max_size=16),
    st.sampled_from(Kind),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16) | st.none(),
)
def test_a_topic_reads_back_as_it_was_built(group: bytes, kind: Kind, publisher: bytes, to: bytes | None) -> None:
    addressee = None
    if kind in (Kind.PULL, Kind.GIVE):
        addressee = "any" if to is None else node_id(to)
    topic = messages.build_topic(group, kind, publisher, addressee)
    assert messages.Topic(group, kind, publisher, addressee) == messages.parse_topic(topic)


@pytest.mark.parametrize(
    "change",
    [
        lambda topic: topic + "/any",
        lambda topic: topic + "/",
        lambda topic: topic + "\n",
        lambda topic: "/" + topic,
        lambda topic: topic.upper(),
        lambda topic: topic.replace("larder/1", "larder/2"),
        lambda topic: topic.replace("head", "tail"),
        lambda topic: topic.replace("head", "pull"),
        lambda topic: topic.replace("head", "+"),
        lambda topic: topic[:-1],
        # The last of the 26 characters has two spare bits: only one spelling is a name.
        lambda topic: topic[:-1] + "5",
        lambda topic: topic.replace("00", "٠٠"),
        lambda topic: topic * 40,
        lambda topic: topic[:0],
    ],
)
def test_a_topic_that_is_not_ours_to_the_letter_is_refused(change) -> None:
    with pytest.raises(Garbage):
        messages.parse_topic(change(messages.build_topic(GROUP, Kind.HEAD, ORIGIN)))


def test_payloads_have_these_bytes() -> None:
    assert (
        "01"
        "07000000"
        "03" + a_frame().hex() == messages.encode_frames([a_frame()], request=7, is_last=True, is_cut=True).hex()
    )
    heads = ListedHeads(frozenset({0, 63}), (Claim(STREAM, 3, is_roster=True),))
    assert messages.encode_heads(heads).hex() == "020100000000000080010073747265616d2d3103000080"
    asked = Ranges(9, (BlockRange(STREAM, 2, 5),))
    assert messages.encode_ranges(asked).hex() == "03090000000173747265616d2d310200000005000000"
    assert messages.encode_bucket_digests([bytes(range(1, 9))] * 64).hex() == "04" + "0102030405060708" * 64


@given(st.integers(0, messages.REQUEST_MAX), st.booleans(), st.booleans(), st.lists(st.integers(1, 900), max_size=20))
def test_frames_read_back(request: int, is_last: bool, is_cut: bool, sizes: list[int]) -> None:
    frames = tuple(a_frame(size) for size in sizes)
    payload = messages.encode_frames(frames, request=request, is_last=is_last, is_cut=is_cut)
    assert Frames(request, is_last, is_cut, frames) == messages.decode_frames(payload)


@given(claims, st.frozensets(st.integers(0, 63)))
def test_heads_read_back(listed: tuple[Claim, ...], buckets: frozenset[int]) -> None:
    heads = ListedHeads(buckets, listed)
    assert heads == messages.decode_heads(messages.encode_heads(heads))


@given(ranges, st.integers(0, messages.REQUEST_MAX))
def test_ranges_read_back(asked: tuple[BlockRange, ...], request: int) -> None:
    assert Ranges(request, asked) == messages.decode_ranges(messages.encode_ranges(Ranges(request, asked)))


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=64, max_size=64))
def test_bucket_digests_read_back(digests: list[bytes]) -> None:
    assert tuple(digests) == messages.decode_bucket_digests(messages.encode_bucket_digests(digests))


@given(st.sampled_from(DECODERS), st.binary(max_size=600), st.integers(1, 4))
def test_random_bytes_are_read_or_refused_and_nothing_else(decode, garbage: bytes, kind: int) -> None:
    for payload in (garbage, bytes([kind]) + garbage):
        try:
            read = decode(payload)
        except Garbage:
            continue
        assert read is not None


@given(st.data(), ranges, claims)
def test_a_payload_cut_anywhere_or_with_a_byte_more_is_refused(data, asked, listed) -> None:
    whole = (
        messages.encode_frames([a_frame(), a_frame(20)]),
        messages.encode_heads(ListedHeads(frozenset(), listed)),
        messages.encode_ranges(Ranges(1, asked)),
        messages.encode_bucket_digests([bytes(8)] * 64),
    )
    place = data.draw(st.integers(0, 3))
    payload = whole[place]
    cut = data.draw(st.integers(0, len(payload) - 1))
    # A message of frames may end after any whole frame: its count is in nobody's hand.
    if place != 0 or cut not in (6, 6 + len(a_frame())):
        with pytest.raises(Garbage):
            DECODERS[place](payload[:cut])
    with pytest.raises(Garbage):
        DECODERS[place](payload + b"\0")


def test_impossible_ranges_are_refused() -> None:
    for asked in (
        [BlockRange(STREAM, 5, 5)],
        [BlockRange(STREAM, 6, 5)],
        [BlockRange(STREAM, 0, messages.BLOCKS_MAX + 1)],
        [BlockRange(STREAM, 0, 1), BlockRange(STREAM, 3, 4)],
        [],
        [BlockRange(bytes([n] * 8), 0, 1) for n in range(65)],
    ):
        with pytest.raises(Garbage):
            messages.decode_ranges(messages.encode_ranges(Ranges(1, tuple(asked))))


def test_a_head_listed_twice_or_without_blocks_is_refused() -> None:
    for listed in ((Claim(STREAM, 1, False), Claim(STREAM, 2, False)), (Claim(STREAM, 0, False),)):
        with pytest.raises(Garbage):
            messages.decode_heads(messages.encode_heads(ListedHeads(frozenset(), listed)))


def test_a_payload_that_is_too_long_or_of_no_kind_is_refused() -> None:
    for payload, reason in ((bytes(messages.PAYLOAD_BYTES_MAX + 1), "too long"), (b"", "kind"), (b"\x07", "kind")):
        with pytest.raises(Garbage) as refused:
            messages.kind_of(payload)
        assert reason == refused.value.reason


def test_frames_are_shared_out_over_messages_in_order_and_each_message_fits() -> None:
    frames = [a_frame(size) for size in (16_000, 16_000, 500, 100, 16_384, 16_384, 1)]
    packed = messages.pack_frames(frames)
    assert frames == [frame for message in packed for frame in message]
    assert all(len(messages.encode_frames(message)) <= messages.PAYLOAD_BYTES_MAX for message in packed)
    assert messages.pack_frames([]) == []
