"""A pairing card: what is written is read again, what was altered is not, and both sides decide alike."""

from __future__ import annotations

from hashlib import blake2b

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.errors import Refused
from node.ledger.card import (
    ADDRESSES_MAX,
    CARD_BYTES_MAX,
    CERTIFICATE_BYTES_MAX,
    LINE_CHARACTERS,
    PREFIX,
    ROSTER_FRAMES_MAX,
    Card,
    Meeting,
    check_digits,
    decode_card,
    encode_card,
    is_address,
    meeting,
    wrapped,
)
from node.ledger.names import group_of
from tests.node.ledger.authors import BAKERY, DAIRY, FOUNDER, NONCE, Author


def a_card(
    author: Author = FOUNDER,
    founder: Author | None = None,
    *,
    members: int = 1,
    nonce: bytes = NONCE,
    **changes: object,
) -> Card:
    """A card as a market makes it, of the group that `founder` made."""
    first = founder or author
    card = Card(
        group=group_of(first.public_key, NONCE),
        founder_key=first.public_key,
        founder_nonce=NONCE,
        public_key=author.public_key,
        name=author.name,
        members=members,
        addresses=["harbour.local:8883", "[fe80::1]:8883"],
        certificate=b"certificate",
        nonce=nonce,
        secret="s" * 43,
        made_ms=1_795_348_800_000,
        roster=[b"frame"],
    )
    return msgspec.structs.replace(card, **changes)


def test_a_card_is_read_as_it_was_written_whatever_its_line_breaks() -> None:
    card = a_card()
    text = encode_card(card)
    assert text.startswith(PREFIX)
    assert card == decode_card(text)
    assert card == decode_card(wrapped(text))
    assert card == decode_card("\r\n  " + wrapped(text).replace("\n", "\r\n") + "\t")
    assert max(len(line) for line in wrapped(text).splitlines()) <= LINE_CHARACTERS
    wide = a_card(name="東京\u3000市場\u00a01")
    assert wide == decode_card(encode_card(wide))
    assert (card.is_founder, a_card(BAKERY, FOUNDER).is_founder) == (True, False)


WRONG = {
    "another group": a_card(group=bytes(16)),
    "a short group": a_card(group=b"x"),
    "a short key": a_card(public_key=b"x" * 31),
    "a short founder": a_card(founder_key=b""),
    "a short nonce": a_card(nonce=b"x"),
    "a short secret": a_card(secret="s"),
    "a secret with a colon": a_card(secret="s" * 42 + ":"),
    "no name": a_card(name="  "),
    "a long name": a_card(name="x" * 61),
    "a name that steers": a_card(name="x\x1b[2J"),
    "a name on two lines": a_card(name="x\ny"),
    "nobody in the group": a_card(members=0),
    "a city in the group": a_card(members=10**6),
    "a time of never": a_card(made_ms=-1),
    "too many addresses": a_card(addresses=["a:1"] * (ADDRESSES_MAX + 1)),
    "no address": a_card(addresses=["http://harbour"]),
    "a large certificate": a_card(certificate=b"x" * (CERTIFICATE_BYTES_MAX + 1)),
    "a long roster": a_card(roster=[b"x"] * (ROSTER_FRAMES_MAX + 1)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_card_beyond_its_bounds_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        decode_card(encode_card(WRONG[name]))
    assert refused.value.error_id == "card.wrong"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "LARDER2:eyJ9",
        "LARDER1:",
        "LARDER1:!!!!",
        "LARDER1:AAAA",
        encode_card(a_card())[:-10],
        encode_card(a_card()) + "A" * 8,
        PREFIX + "A" * CARD_BYTES_MAX,
        PREFIX + "eyJmb3JtYXQiOiJsYXJkZXItY2FyZC8xIiwieCI6MX0",
    ],
)
def test_what_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        decode_card(text)
    assert refused.value.error_id == "card.wrong"


def test_a_field_that_no_card_has_is_refused() -> None:
    from base64 import urlsafe_b64encode

    known = msgspec.json.decode(msgspec.json.encode(a_card()))

    def text(fields: dict[str, object]) -> str:
        content = msgspec.json.encode(fields)
        checked = content + blake2b(content, digest_size=4).digest()
        return PREFIX + urlsafe_b64encode(checked).decode("ascii").rstrip("=")

    assert a_card() == decode_card(text(known))
    with pytest.raises(Refused):
        decode_card(text({**known, "role": "steward"}))


@given(place=st.integers(0, 10**6), character=st.characters(codec="ascii"))
def test_a_card_with_a_changed_character_is_refused_or_the_same_card(place: int, character: str) -> None:
    card = a_card()
    text = encode_card(card)
    at = place % len(text)
    try:
        read = decode_card(text[:at] + character + text[at + 1 :])
    except Refused:
        return
    # Two bits of the last character may mean nothing, and the character may be the one that stood there.
    assert card == read


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("harbour.local:8883", True),
        ("127.0.0.1:1", True),
        ("[::1]:8883", True),
        ("harbour:0", False),
        ("harbour:65536", False),
        ("harbour", False),
        ("har bour:1", False),
        ("mqtt://harbour:1", False),
        ("x" * 260 + ":1", False),
        ("harbour:1\n", False),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, is_one: bool) -> None:
    assert is_one == is_address(text)


def test_the_larger_group_stays_and_of_equal_ones_the_lower_id() -> None:
    bakery, dairy = a_card(BAKERY), a_card(DAIRY)
    low, high = sorted([bakery, dairy], key=lambda card: card.group)
    assert (meeting(low, high), meeting(high, low)) == (Meeting.WE_STAY, Meeting.WE_JOIN)
    large = msgspec.structs.replace(high, members=3)
    assert (meeting(large, low), meeting(low, large)) == (Meeting.WE_STAY, Meeting.WE_JOIN)
    both = msgspec.structs.replace(low, members=2)
    assert meeting(large, both) is meeting(both, large) is Meeting.TWO_GROUPS
    assert meeting(a_card(FOUNDER, members=2), a_card(BAKERY, FOUNDER, members=2)) is Meeting.SAME_GROUP


@given(ours=st.binary(min_size=16, max_size=16), theirs=st.binary(min_size=16, max_size=16), members=st.integers(1, 3))
def test_both_sides_show_the_same_digits_and_another_card_shows_others(
    ours: bytes, theirs: bytes, members: int
) -> None:
    bakery, dairy = a_card(BAKERY, nonce=ours, members=members), a_card(DAIRY, nonce=theirs)
    digits = check_digits(bakery, dairy)
    assert digits == check_digits(dairy, bakery)
    assert (len(digits), digits.isdigit()) == (6, True)


def test_the_digits_depend_on_both_keys_both_nonces_the_group_and_how_to_reach_each_other() -> None:
    base = check_digits(a_card(BAKERY), a_card(DAIRY))
    others = {
        check_digits(a_card(BAKERY, nonce=b"x" * 16), a_card(DAIRY)),
        check_digits(a_card(BAKERY), a_card(DAIRY, nonce=b"x" * 16)),
        check_digits(a_card(FOUNDER), a_card(DAIRY)),
        check_digits(a_card(BAKERY, FOUNDER, members=2), a_card(DAIRY)),
        check_digits(a_card(BAKERY, addresses=["elsewhere.local:8883"]), a_card(DAIRY)),
        check_digits(a_card(BAKERY, certificate=b"another"), a_card(DAIRY)),
        check_digits(a_card(BAKERY), a_card(DAIRY, secret="x" * 43)),
    }
    assert (len(others), base in others) == (7, False)
