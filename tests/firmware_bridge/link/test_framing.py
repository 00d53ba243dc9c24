"""Framing against everything a line can do to bytes, and against a receiver that is blind on purpose."""

import itertools
import random
import zlib

import pytest
from cobs.cobs import DecodeError
from cobs.cobs import decode as cobs_decode
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.link.decoding import decode_from_device
from firmware_bridge.link.framing import SILENCE_MS, TEXT_LINES_PER_MINUTE_MAX, FrameReader, encode_frame
from firmware_bridge.link.messages import Data, FrameRefused, encode

BODIES = st.binary(min_size=4, max_size=244)


def a_data_frame(source: random.Random) -> bytes:
    records = [
        (source.randrange(1000), source.randrange(4), 0, source.randrange(-20_000, 20_000))
        for _ in range(source.randrange(1, 30))
    ]
    return encode_frame(encode(Data(9, source.randrange(1 << 32), source.randrange(1 << 32), records)))


@given(bodies=st.lists(BODIES, max_size=8), cuts=st.lists(st.integers(0, 2000), max_size=20))
def test_whatever_the_cuts_bodies_come_back_as_they_went(bodies: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(encode_frame(body) for body in bodies)
    reader = FrameReader()
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    heard = [body for start, end in itertools.pairwise(places) for body in reader.receive(wire[start:end], 0)]
    assert heard == bodies
    assert not reader.errors


@given(body=BODIES)
def test_a_frame_is_what_cobs_and_crc_say_on_their_own(body: bytes) -> None:
    wire = encode_frame(body)
    assert wire.count(0) == 1 and wire.endswith(b"\0")
    assert cobs_decode(wire[:-1]) == body + zlib.crc32(body).to_bytes(4, "little")


@given(noise=st.binary(max_size=4000), body=BODIES)
def test_after_any_noise_the_next_delimiter_makes_frames_good_again(noise: bytes, body: bytes) -> None:
    reader = FrameReader()
    reader.receive(noise, 0)
    assert reader.held_bytes <= 255
    assert reader.receive(b"\0" + encode_frame(body), 0)[-1] == body


def test_two_seconds_of_silence_drop_an_unfinished_segment() -> None:
    body = b"\x01\x80\x00\x00"
    wire = encode_frame(body)
    reader = FrameReader()
    assert reader.receive(wire[:5], 0) == []
    assert reader.receive(wire, SILENCE_MS + 1) == [body]
    assert (reader.silence_drops, dict(reader.errors)) == (1, {})


def test_silence_also_ends_an_oversized_segment() -> None:
    body = b"\x01\x80\x00\x00"
    reader = FrameReader()
    reader.receive(b"\xaa" * 1000, 0)
    assert reader.receive(encode_frame(body), SILENCE_MS + 1) == [body]


def test_board_text_is_kept_line_by_line_twenty_a_minute() -> None:
    reader = FrameReader()
    for number in range(30):
        reader.receive(f"line {number}\r\n\0".encode("ascii"), 1000)
    assert reader.take_text() == [f"line {number}" for number in range(TEXT_LINES_PER_MINUTE_MAX)]
    assert (reader.text_drops, dict(reader.errors)) == (10, {})
    reader.receive(b"next minute\0", 61_000)
    assert reader.take_text() == ["next minute"]


@pytest.mark.slow
def test_no_corrupted_frame_is_accepted_and_a_blind_receiver_shows_that_the_test_sees() -> None:
    source = random.Random(11)
    accepted = accepted_blind = 0
    frames = [a_data_frame(source) for _ in range(200)]
    for _ in range(200_000):
        frame = bytearray(source.choice(frames))
        start = source.randrange(len(frame) - 1)
        for place in range(start, min(start + 4, len(frame) - 1)):
            frame[place] = source.randrange(1, 256)
        if bytes(frame) in frames:
            continue
        accepted += len(FrameReader().receive(bytes(frame), 0))
        accepted_blind += accepts_without_crc(bytes(frame))
    assert accepted == 0
    assert accepted_blind > 1000


def accepts_without_crc(frame: bytes) -> bool:
    try:
        decode_from_device(cobs_decode(frame[:-1])[:-4])
    except (DecodeError, FrameRefused, IndexError):
        return False
    return True
