"""One line of SenML JSON (RFC 8428) or `{"ch": ..., "v": ..., "u": ...}` to resolved records. Sans-IO, pure.

Not a session. Owns, for SenML, invariant 7: duplicate keys, numbers as text, NaN, deep or long lines, fields that must
be understood and are not, all are malformed; nothing is guessed. Numbers are decimals, never floats.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from firmware_bridge.adapters.lines import Malformed

LINE_BYTES_MAX = 4_096  # LINK section 5
RECORDS_MAX = 64  # LINK section 5
DEPTH_MAX = 4  # LINK section 5
VERSION_MAX = 10  # RFC 8428 section 4.4
RELATIVE_BELOW = 1 << 28  # times below are relative to now (RFC 8428 section 4.5.3)
NAME_CHARS_MAX = 96
EXPONENT_MAX = 12  # beyond it a number is nonsense here, and a decimal of it would be long
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*")  # RFC 8428 section 4.5.1, ASCII
_VALUES: Final = ("v", "vb", "vs", "vd")
_NUMBERS: Final = ("bt", "bv", "bs", "bver", "v", "s", "t", "ut")
_TEXTS: Final = ("bn", "bu", "n", "u", "vs", "vd", "ch")


@dataclass(frozen=True, slots=True)
class Resolved:
    """One value with all that its base fields say. at_s: seconds since 1970 UTC, or relative to now (is_relative)."""

    name: str
    unit: str
    value: Decimal | bool
    at_s: Decimal
    is_relative: bool


def read_line(line: bytes) -> list[Resolved]:
    """Resolve one line. Raises Malformed with the first kind that fits."""
    content = _parse(line)
    if isinstance(content, dict):
        content = [_as_record(content)]
    if not isinstance(content, list) or not 0 < len(content) <= RECORDS_MAX:
        raise Malformed("records")
    return list(_resolve(content))


def _parse(line: bytes) -> Any:
    if len(line) > LINE_BYTES_MAX:
        raise Malformed("oversize")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("text") from None
    if _depth(text) > DEPTH_MAX:
        raise Malformed("depth")
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_doubles,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_no_constant,
        )
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise error if isinstance(error, Malformed) else Malformed("json") from None


def _depth(text: str) -> int:
    """Return how deep brackets nest, without reading what is between them; those in texts count, which is harmless."""
    depth = deepest = 0
    for letter in text:
        if letter in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "]}":
            depth -= 1
    return deepest


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("duplicate_key")
    return found


def _no_constant(_text: str) -> Any:
    raise Malformed("number")


def _as_record(content: dict[str, Any]) -> dict[str, Any]:
    """Read a plain object as the one record it is: `ch` is its name."""
    if "ch" not in content or any(key in content for key in ("n", "bn")):
        raise Malformed("name")
    return {("n" if key == "ch" else key): value for key, value in content.items()}


def _resolve(content: list[Any]) -> Iterable[Resolved]:
    base_name = base_unit = ""
    base_time = base_value = Decimal(0)
    for record in content:
        _check(record)
        base_name, base_unit = record.get("bn", base_name), record.get("bu", base_unit)
        base_time, base_value = record.get("bt", base_time), record.get("bv", base_value)
        given = [key for key in _VALUES if key in record]
        if len(given) > 1:
            raise Malformed("values")
        if not given:
            if "s" in record or not _is_measurement(record):
                continue  # a sum alone, or a record that only sets the base for those behind it
            raise Malformed("values")
        name = base_name + record.get("n", "")
        if len(name) > NAME_CHARS_MAX or _NAME.fullmatch(name) is None:
            raise Malformed("name")
        if given[0] in ("vs", "vd"):
            continue  # a text or data is right and is no measurement
        at_s = base_time + record.get("t", Decimal(0))
        value = record[given[0]]
        if given[0] == "v":
            value += base_value
        yield Resolved(name, record.get("u", base_unit), value, at_s, at_s < RELATIVE_BELOW)


def _is_measurement(record: dict[str, Any]) -> bool:
    return any(key in record for key in ("n", "u", "t")) or not any(key.startswith("b") for key in record)


def _check(record: Any) -> None:
    """Check the types of the fields of one record; unknown ones may stay unless they end in `_` (RFC 8428, 4.4)."""
    if not isinstance(record, dict):
        raise Malformed("records")
    for key, value in record.items():
        if key.endswith("_"):
            raise Malformed("must_understand")
        if key in _NUMBERS and not _is_number(value):
            raise Malformed("number")
        if key in _TEXTS and not isinstance(value, str):
            raise Malformed("field")
        if key == "vb" and not isinstance(value, bool):
            raise Malformed("field")
    if record.get("bver", 0) > VERSION_MAX:
        raise Malformed("version")


def _is_number(value: Any) -> bool:
    return isinstance(value, Decimal) and value.is_finite() and (not value or abs(value.adjusted()) <= EXPONENT_MAX)
