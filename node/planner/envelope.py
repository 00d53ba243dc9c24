"""Bytes from outside to a plan: size, shape and numbers are judged before anything in them is believed.

Stage 1 of the validator. Not a judgement of the plan. Nothing is repaired: a fence around the JSON, a cut end or a
number with a fraction is a fault with a code of its own.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec

from node.errors import N_
from node.planner.plan import Fault, Plan, PlannedDish
from node.text import safe_text

PROPOSAL_BYTES_MAX = 256 * 1024
DEPTH_MAX = 8
DISHES_MAX = 100
CLASSES_PER_DISH_MAX = 100
REASONS_MAX = 20
REASON_CHARACTERS_MAX = 300
NAME_CHARACTERS_MAX = 200
INTEGER_MAX = 1_000_000
_DIGITS_MAX = len(str(INTEGER_MAX))


class EnvelopeError(Exception):
    """The bytes hold no plan. `fault` says which rule they broke."""

    def __init__(self, code: str, text: str, **values: str | int) -> None:
        self.fault = Fault(code, "", text, values)
        super().__init__(code)


class ProposedDish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dish on the wire."""

    day: str
    meal: str
    recipe: str
    portions: dict[str, int]


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A proposal on the wire, `plan-proposal/1`."""

    schema: Literal["plan-proposal/1"]
    snapshot_id: str
    planner: str
    dishes: list[ProposedDish]
    reasons: list[str] = []


def read_proposal(raw: bytes) -> Plan:
    """Return the plan in a body. Raises EnvelopeError with one fault: SIZE PARSE DUPLICATE_KEY DEPTH NUMBER SCHEMA
    or TRUNCATED. The planner's words come back safe to draw."""
    if len(raw) > PROPOSAL_BYTES_MAX:
        raise EnvelopeError("SIZE", N_("The answer is longer than {most} bytes."), most=PROPOSAL_BYTES_MAX)
    _check_depth(raw)
    value = _parsed(raw)
    try:
        proposal = msgspec.convert(value, Proposal)
    except msgspec.ValidationError as error:
        raise EnvelopeError(
            "SCHEMA", N_("The answer has not the agreed form: {reason}."), reason=safe_text(str(error), 200)
        ) from error
    _check_lengths(proposal)
    return Plan(
        proposal.snapshot_id,
        safe_text(proposal.planner, NAME_CHARACTERS_MAX),
        tuple(PlannedDish(dish.day, dish.meal, dish.recipe, dish.portions) for dish in proposal.dishes),
        tuple(safe_text(reason, REASON_CHARACTERS_MAX) for reason in proposal.reasons),
    )


def _check_depth(raw: bytes) -> None:
    """Walk the brackets without building anything, so that a deep or a cut body costs no memory."""
    depth, is_text, is_escaped = 0, False, False
    for byte in raw:
        if is_text:
            if is_escaped:
                is_escaped = False
            elif byte == 0x5C:  # backslash
                is_escaped = True
            elif byte == 0x22:  # quotation mark
                is_text = False
        elif byte == 0x22:
            is_text = True
        elif byte in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise EnvelopeError("DEPTH", N_("The answer is nested deeper than {most} levels."), most=DEPTH_MAX)
        elif byte in b"]}":
            depth -= 1
    if (depth > 0 or is_text) and raw.lstrip()[:1] in (b"{", b"["):
        raise EnvelopeError("TRUNCATED", N_("The answer ends in the middle."))


def _parsed(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_pairs, parse_float=_no_number, parse_constant=_no_number, parse_int=_whole
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone half of a character pair is no text
    except (ValueError, RecursionError) as error:
        raise EnvelopeError("PARSE", N_("The answer is not JSON.")) from error
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise EnvelopeError("DUPLICATE_KEY", N_("The answer names the same thing twice."))
    return found


def _no_number(_text: str) -> int:
    raise EnvelopeError("NUMBER", N_("A number in the answer is not a whole one."))


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > _DIGITS_MAX or abs(int(text)) > INTEGER_MAX:
        raise EnvelopeError("NUMBER", N_("A number in the answer is beyond {most}."), most=INTEGER_MAX)
    return int(text)


def _check_lengths(proposal: Proposal) -> None:
    names = [proposal.snapshot_id, proposal.planner]
    for dish in proposal.dishes[:DISHES_MAX]:
        names += [dish.day, dish.meal, dish.recipe, *dish.portions]
    if (
        len(proposal.dishes) > DISHES_MAX
        or len(proposal.reasons) > REASONS_MAX
        or any(len(dish.portions) > CLASSES_PER_DISH_MAX for dish in proposal.dishes)
        or any(len(name) > NAME_CHARACTERS_MAX for name in names)
        or any(len(reason) > REASON_CHARACTERS_MAX for reason in proposal.reasons)
    ):
        raise EnvelopeError("SCHEMA", N_("The answer is longer than agreed in one of its lists or texts."))
