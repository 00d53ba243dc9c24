"""A pairing card: what one market hands another so that the two can meet, as text within bounds. Pure.

Not the pairing (`node.actions.pairing`). The card holds a secret for one broker login, so it goes from hand to hand: as
a file, a stick or a QR code. Nothing on it is believed but what its own hashes prove.
"""

from __future__ import annotations

import re
import textwrap
from base64 import urlsafe_b64decode, urlsafe_b64encode
from enum import Enum
from hashlib import blake2b
from typing import Literal

import msgspec

from node.errors import N_, Refused
from node.ledger.names import GROUP_BYTES, NONCE_BYTES, PUBLIC_KEY_BYTES, group_of, node_id, origin_of
from node.text import safe_text

PREFIX = "LARDER1:"
CARD_BYTES_MAX = 64 * 1024
LINE_CHARACTERS = 76
NAME_CHARACTERS_MAX = 60
ADDRESSES_MAX = 8
ADDRESS_CHARACTERS_MAX = 255
CERTIFICATE_BYTES_MAX = 2 * 1024
ROSTER_FRAMES_MAX = 16
MEMBERS_MAX = 1_000
# 32 random bytes in unpadded base64url.
SECRET_CHARACTERS = 43
WALL_MS_MAX = 253_402_300_799_999  # the last millisecond of the year 9999
DIGITS = 6
# At the end of a card, so that a letter lost or mistyped is seen at once; who alters it on purpose meets the digits.
CHECKSUM_BYTES = 4
_ADDRESS = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_SECRET = re.compile(r"[A-Za-z0-9_-]+")


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One market's card. `members` counts its group; `roster` holds the founder's first frames where it is the founder.

    `addresses` are host:port of its broker (TLS), `certificate` the one that broker shows (DER), `secret` the password
    by which the holder of the card may log in there.
    """

    format: Literal["larder-card/1"] = "larder-card/1"
    group: bytes
    founder_key: bytes
    founder_nonce: bytes
    public_key: bytes
    name: str
    members: int
    addresses: list[str]
    certificate: bytes | None
    nonce: bytes
    secret: str
    made_ms: int
    roster: list[bytes]

    @property
    def origin(self) -> bytes:
        """Return the 16 bytes that name the market."""
        return origin_of(self.public_key)

    @property
    def node_id(self) -> str:
        """Return the market's id as people read it."""
        return node_id(self.origin)

    @property
    def is_founder(self) -> bool:
        """Tell whether this market founded its group, and so may let others in."""
        return self.public_key == self.founder_key


class Meeting(Enum):
    """What becomes of the groups of two markets whose cards met."""

    SAME_GROUP = "same_group"
    WE_STAY = "we_stay"
    WE_JOIN = "we_join"
    TWO_GROUPS = "two_groups"


def encode_card(card: Card) -> str:
    """Return the card as one line of text."""
    content = msgspec.json.encode(card)
    return PREFIX + urlsafe_b64encode(content + _checksum(content)).decode("ascii").rstrip("=")


def wrapped(text: str) -> str:
    """Return a card's text in lines of at most 76 characters, for a file."""
    return "\n".join(textwrap.wrap(text, LINE_CHARACTERS)) + "\n"


def decode_card(text: str) -> Card:
    """Read a card, whatever its line breaks. Raises Refused with what is wrong with it; nothing of it is used then."""
    if len(text) > CARD_BYTES_MAX:
        raise _refused(N_("it is too long"))
    joined = "".join(text.split())
    if not joined.startswith(PREFIX):
        raise _refused(N_("it does not begin with LARDER1:"))
    encoded = joined.removeprefix(PREFIX)
    if not _SECRET.fullmatch(encoded):
        raise _refused(N_("it has characters that no card has"))
    try:
        decoded = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        content = decoded[:-CHECKSUM_BYTES]
        if decoded[-CHECKSUM_BYTES:] != _checksum(content):
            raise ValueError("another checksum")
        card = msgspec.json.decode(content, type=Card)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise _refused(N_("it is cut or was altered")) from error
    _check(card)
    return card


def meeting(ours: Card, theirs: Card) -> Meeting:
    """Decide who stays in its group: the one in the larger, in equal ones the one with the lower group id.

    Both sides decide alone and alike, since both look at the same two cards.
    """
    if ours.group == theirs.group:
        return Meeting.SAME_GROUP
    if ours.members > 1 and theirs.members > 1:
        return Meeting.TWO_GROUPS
    we_stay = (-ours.members, ours.group) < (-theirs.members, theirs.group)
    return Meeting.WE_STAY if we_stay else Meeting.WE_JOIN


def check_digits(ours: Card, theirs: Card) -> str:
    """Return the 6 digits that both markets show when each holds the card that the other made.

    They cover all that the two cards say: with another address and certificate, somebody could sit between the two.
    """
    group = theirs.group if meeting(ours, theirs) is Meeting.WE_JOIN else ours.group
    parts = sorted(blake2b(msgspec.json.encode(card), digest_size=32).digest() for card in (ours, theirs))
    hashed = blake2b(group + b"".join(parts), digest_size=8).digest()
    return f"{int.from_bytes(hashed, 'big') % 10**DIGITS:0{DIGITS}d}"


def is_address(text: str) -> bool:
    """Tell whether a text is a host and a port that a broker can be dialled at."""
    found = _ADDRESS.fullmatch(text)
    return found is not None and len(text) <= ADDRESS_CHARACTERS_MAX and 0 < int(found[2]) < 65_536


def _checksum(content: bytes) -> bytes:
    return blake2b(content, digest_size=CHECKSUM_BYTES).digest()


def _is_safe(name: str) -> bool:
    """Tell whether a name can be drawn as it is: the rule by which a market may be named at all."""
    return safe_text(name, 2 * len(name)) == name


def _check(card: Card) -> None:
    lengths = (
        (card.group, GROUP_BYTES),
        (card.founder_key, PUBLIC_KEY_BYTES),
        (card.founder_nonce, NONCE_BYTES),
        (card.public_key, PUBLIC_KEY_BYTES),
        (card.nonce, NONCE_BYTES),
        (card.secret, SECRET_CHARACTERS),
    )
    if any(len(value) != length for value, length in lengths) or not _SECRET.fullmatch(card.secret):
        raise _refused(N_("a key or a secret on it has the wrong length"))
    if group_of(card.founder_key, card.founder_nonce) != card.group:
        raise _refused(N_("its group was not founded by the key it names"))
    if not card.name.strip() or len(card.name) > NAME_CHARACTERS_MAX or not _is_safe(card.name):
        raise _refused(N_("the name of its market cannot be shown"))
    if not 1 <= card.members <= MEMBERS_MAX or not 0 <= card.made_ms <= WALL_MS_MAX:
        raise _refused(N_("a number on it is out of range"))
    if len(card.addresses) > ADDRESSES_MAX or not all(is_address(address) for address in card.addresses):
        raise _refused(N_("an address on it is not a host and a port"))
    if len(card.certificate or b"") > CERTIFICATE_BYTES_MAX or len(card.roster) > ROSTER_FRAMES_MAX:
        raise _refused(N_("it holds more than a card may"))


def _refused(reason: str) -> Refused:
    return Refused(
        "card.wrong",
        N_("This is not a card that can be used: {reason}."),
        N_("Ask for the card again: larder pair card --out FILE on the other computer."),
        reason=reason,
    )
