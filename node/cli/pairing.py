"""`larder pair`: make this market's card, answer another's, list who is paired, retire or forget one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from node import clock
from node.cli.asking import act_after_questions
from node.cli.desk import Desk, reading, writing
from node.cli.files import move_in, read_file, write_beside
from node.cli.options import as_json, confirmed
from node.cli.output import answer
from node.cli.own_broker import broker_of, owner_of
from node.cli.peers import known_peer, pairing_word
from node.cli.sentences import name_text
from node.errors import N_, LocalFault, Refused
from node.language import _, ngettext
from node.ledger.card import (
    CARD_BYTES_MAX,
    Card,
    Meeting,
    decode_card,
    encode_card,
    wrapped,
)
from node.ledger.read.members import member_named
from node.ledger.read.peers import peers
from node.places import Places

if TYPE_CHECKING:
    from node.ledger.block import Signer

# A QR code of version 40 at the lowest level of correction holds 2,953 bytes (ISO/IEC 18004, table 7).
QR_BYTES_MAX = 2_900

MEETING_WORDS = {
    Meeting.WE_STAY: N_("{name} is a member of this market's group now"),
    Meeting.WE_JOIN: N_("this market joined the group of {name}; what it has was said again there"),
    Meeting.SAME_GROUP: N_("{name} and this market are in one group"),
}


class CardAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder pair card --json` prints. `card` is null where it went into a file."""

    format: str = "larder-pair-card/1"
    saved: bool = True
    node_id: str
    addresses: list[str]
    file: str | None
    card: str | None


class AddAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder pair add --json` prints. `digits` empty: answered before. `card`: give this to them now."""

    format: str = "larder-pair-add/1"
    saved: bool = True
    name: str
    node_id: str
    digits: str
    meeting: str
    facts_carried: int
    file: str | None
    card: str | None


class PairedAnswer(msgspec.Struct, frozen=True):
    """One other market and whether our broker is open to it."""

    name: str
    node_id: str
    state: str


class ListAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder pair list --json` prints."""

    format: str = "larder-pair-list/1"
    markets: list[PairedAnswer]
    has_open_card: bool


class RetireAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder pair retire --json` prints."""

    format: str = "larder-pair-retire/1"
    saved: bool = True
    name: str
    node_id: str
    blocks: int


class ForgetAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder pair forget --json` prints."""

    format: str = "larder-pair-forget/1"
    saved: bool = True
    name: str
    node_id: str


@click.group("pair", help=_("Let another market in: each hands the other a card, both compare six digits."))
@as_json
def pair_verb() -> None:
    """Hold the parts together."""


@pair_verb.command("card", help=_("Make this market's card, good for a day and for one other market."))
@click.option("--out", "out", metavar="FILE", type=click.Path(path_type=Path), help=_("Write it into a file."))
@click.option("--qr", "is_qr", is_flag=True, help=_("Show it as a QR code."))
@as_json
@click.pass_obj
def card_verb(desk: Desk, out: Path | None, is_qr: bool) -> None:
    """Make the card and say how it reaches the other market."""
    from node.actions.binding import bind_streams
    from node.actions.cards import build_card, keep_card

    addresses, certificate = broker_of(desk.places)
    with writing(desk) as market:
        market.act("pair", lambda tx, who: bind_streams(tx, who=who, load_signer=_signer_of(desk.places)))
        card = build_card(market.reader, clock.now(), addresses=addresses, certificate=certificate)
        text = encode_card(card)
        # The last card holds until this one is on the disk: a full stick must not leave the market without any.
        beside = write_beside(out, wrapped(text)) if out is not None else None
        market.act("pair", lambda tx, _who: keep_card(tx, card))
        if out is not None and beside is not None:
            move_in(beside, out)
    value = CardAnswer(
        node_id=card.node_id, addresses=card.addresses, file=str(out) if out else None, card=None if out else text
    )
    answer(desk, value, [*_card_lines(card, text, out, is_qr=is_qr), *_hints(card)])


@pair_verb.command("add", help=_("Answer the card of another market: FILE, or - for what is typed or scanned."))
@click.argument("file")
@click.option("--out", "out", metavar="FILE", type=click.Path(path_type=Path), help=_("Where our own card goes."))
@confirmed
@as_json
@click.pass_obj
def add_verb(desk: Desk, file: str, out: Path | None, yes: bool) -> None:
    """Pair with the market of a card, after a yes to the digits."""
    from node.actions.binding import bind_streams
    from node.actions.cards import build_card, open_card
    from node.actions.pairing import add_peer

    theirs = decode_card(_read_card(file))
    addresses, certificate = broker_of(desk.places)
    with writing(desk) as market:
        market.act("pair", lambda tx, who: bind_streams(tx, who=who, load_signer=_signer_of(desk.places)))
        fresh = build_card(market.reader, clock.now(), addresses=addresses, certificate=certificate)
        done = act_after_questions(
            market,
            "pair",
            lambda tx, who, given: add_peer(
                tx, who=who, theirs=theirs, load_signer=_signer_of(desk.places), fresh=fresh, yes=given
            ),
            is_yes=yes,
        )
        has_card = open_card(market.reader, clock.now()) is not None
    text = encode_card(done.our_card) if done.our_card else None
    if text and out is not None:
        move_in(write_beside(out, wrapped(text)), out)
    value = AddAnswer(
        name=done.name,
        node_id=done.node_id,
        digits=done.digits,
        meeting=done.meeting.value,
        facts_carried=done.facts_carried,
        file=str(out) if text and out else None,
        card=text if not out else None,
    )
    lines = [_("saved: {what}").format(what=_(MEETING_WORDS[done.meeting]).format(name=name_text(done.name)))]
    if done.is_known:
        lines = _known_lines(done.name, has_card=has_card)
    if done.digits:
        lines.append(_("digits {digits}: the other computer must show the same").format(digits=done.digits))
    if done.our_card and text:
        lines.append(_("now give this card to {name}, it has not seen it yet:").format(name=name_text(done.name)))
        lines += _card_lines(done.our_card, text, out, is_qr=False)
    answer(desk, value, lines)


@pair_verb.command("list", help=_("Show which markets may reach this one."))
@as_json
@click.pass_obj
def list_verb(desk: Desk) -> None:
    """Print every other market and whether it is paired."""
    from node.actions.cards import open_card

    moment = clock.now()
    with reading(desk) as connection:
        rows = peers(connection, moment)
        has_card = open_card(connection, moment) is not None
    value = ListAnswer(
        markets=[PairedAnswer(row.name, row.node_id, pairing_word(row)) for row in rows], has_open_card=has_card
    )
    lines = [
        _("{state} {name}, node {node_id}").format(state=_(pairing_word(row)), name=row.name, node_id=row.node_id)
        for row in rows
    ]
    lines = lines or [_("No other market yet. Pair one with: larder pair card")]
    if has_card:
        lines.append(_("a card of this market waits for its answer"))
    answer(desk, value, lines)


@pair_verb.command("retire", help=_("Take a market out of the group for good; only where the group was founded."))
@click.argument("name")
@click.option("--reason", metavar="TEXT", help=_("Why, for the log of all markets."))
@confirmed
@as_json
@click.pass_obj
def retire_verb(desk: Desk, name: str, reason: str | None, yes: bool) -> None:
    """Retire a member after a yes."""
    from node.actions.retiring import retire

    with writing(desk) as market:
        member = member_named(market.reader, name)
        if member is None:
            raise _nobody(name)
        done = act_after_questions(
            market,
            "retire",
            lambda tx, who, given: retire(tx, who=who, member=member, reason=reason, yes=given),
            is_yes=yes,
        )
    blocks = ngettext("{count} block of it counts", "{count} blocks of it count", done.blocks).format(count=done.blocks)
    line = _("saved: retired {name}; {blocks}").format(name=member.name, blocks=blocks)
    answer(desk, RetireAnswer(name=member.name, node_id=member.node_id, blocks=done.blocks), [line])


@pair_verb.command("forget", help=_("Close our broker to a market and stop calling it; it stays a member."))
@click.argument("name")
@as_json
@click.pass_obj
def forget_verb(desk: Desk, name: str) -> None:
    """Close our side of a pairing."""
    from node.actions.pairing import forget

    with writing(desk) as market:
        row = known_peer(market.reader, clock.now(), name)
        if row is None or not market.act("forget", lambda tx, _who: forget(tx, row.origin)):
            raise _nobody(name)
    line = _("saved: this market's broker is closed to {name}; pair again to open it").format(name=row.name)
    answer(desk, ForgetAnswer(name=row.name, node_id=row.node_id), [line])


def _known_lines(name: str, *, has_card: bool) -> list[str]:
    lines = [_("nothing new: {name} was paired by this card already").format(name=name_text(name))]
    if has_card:
        # Whoever answered that one has another password of ours than the one that was given out with the last pairing.
        words = _("a newer card of this market waits; if {name} has it: larder pair forget {name}, then run this again")
        lines.append(words.format(name=name_text(name)))
    return lines


def _signer_of(places: Places) -> Callable[[], Signer]:
    def load() -> Signer:
        from node.ledger.keys import load_key

        try:
            return load_key(places.node_key)
        except LocalFault as fault:
            raise Refused(
                "pair.needs_key",
                N_("Facts of this market wait for their signature, and only {owner} can read its key."),
                N_("Start larder-node and try again in a minute, or run this as {owner}."),
                owner=owner_of(places.node_key.parent),
            ) from fault

    return load


def _read_card(file: str) -> str:
    if file == "-":
        return sys.stdin.read(CARD_BYTES_MAX + 1)
    return read_file(Path(file), CARD_BYTES_MAX).decode("ascii", "replace")


def _card_lines(card: Card, text: str, out: Path | None, *, is_qr: bool) -> list[str]:
    lines = []
    if out is not None:
        lines.append(_("saved: the card of {name} in {file}").format(name=name_text(card.name), file=str(out)))
    if is_qr and len(text) > QR_BYTES_MAX:
        lines.append(_("this card is too long for a QR code; use larder pair card --out FILE"))
    elif is_qr:
        lines += _qr_lines(text)
    return lines if out is not None or is_qr else wrapped(text).splitlines()


def _qr_lines(text: str) -> list[str]:
    # Loaded only here: no other verb draws one.
    from io import StringIO

    import segno

    drawn = StringIO()
    segno.make_qr(text.encode("ascii"), error="l", mode="byte").save(drawn, kind="txt", border=4)
    rows = drawn.getvalue().splitlines()
    blocks = {("0", "0"): "█", ("1", "0"): "▄", ("0", "1"): "▀", ("1", "1"): " "}
    pairs = zip(rows[::2], [*rows[1::2], "0" * len(rows[0])], strict=False)
    return ["".join(blocks[cell] for cell in zip(upper, lower, strict=True)) for upper, lower in pairs]


def _hints(card: Card) -> list[str]:
    lines = []
    if not card.addresses:
        lines.append(
            _("note: larder.toml names no address ([sync] advertise); the two meet at the other market's broker only")
        )
    return [*lines, _("next: on the other computer, larder pair add FILE; keep the card private, it holds a password")]


def _nobody(name: str) -> Refused:
    return Refused(
        "pair.nobody",
        N_("No paired market is named {name}."),
        N_("See: larder pair list"),
        name=name_text(name),
    )
