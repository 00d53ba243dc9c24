"""Holds on lots, as one market sees them: what is on hold with all its descendants, less what its own people lifted.

Not where a hold comes from (`transfers`). Owns the rule that a hold is lifted market by market: a lift names one hold
of one lot, acts at the market whose word it is, and leaves a hold that was raised at the same moment elsewhere.
"""

from __future__ import annotations

from node.domain.lots import Dot

LIFT_KEY_PREFIX = "lift/"
# A register that was set to nothing, as it stands in `reg_head`: the hold acts again.
_NOTHING = "x'C0'"
OURS = "(SELECT origin FROM writer WHERE id = 1)"


def lift_key(lot_id: Dot, reason: str) -> str:
    """Return the register key under which a lot's hold for one reason is lifted; each market has a value of its own."""
    return f"{LIFT_KEY_PREFIX}{lot_id}/{reason}"


def held_lots_at(member: str) -> str:
    """Return the first part of a query that begins with WITH RECURSIVE: `held` are the lots on hold at a market.

    `member` is the SQL expression of that market's origin. A hold reaches all descendants of a lot.
    """
    return f"""held(stream, seq) AS (SELECT h.stream, h.seq FROM lot_hold h WHERE {is_not_lifted_at(member)}
  UNION SELECT p.stream, p.seq FROM lot_parent p JOIN held h ON p.parent_stream = h.stream AND p.parent_seq = h.seq)"""


def is_not_lifted_at(member: str) -> str:
    """Return the SQL condition that the row `h` of `lot_hold` acts at a market."""
    return f"""NOT EXISTS (SELECT 1 FROM reg_head r
  WHERE r.key = '{LIFT_KEY_PREFIX}' || lower(hex(h.stream)) || ':' || h.seq || '/' || h.reason
    AND r.member = {member} AND r.value <> {_NOTHING})"""
