"""A typed temperature, read into thousandths of a degree Celsius. No float ever holds one."""

from __future__ import annotations

import re

from node.errors import N_, Refused

_CELSIUS = re.compile(r"(-?)([0-9]{1,3})(?:[.,]([0-9]{1,3}))?\s*[cC]?\Z")
_SHOWN_CHARACTERS = 40


def parse_celsius(text: str) -> int:
    """Read `4.2`, `4,2 C` or `-18` and return thousandths of a degree. Raises Refused for anything else."""
    match = _CELSIUS.match(text.strip())
    if match is None:
        raise Refused(
            "temperature.unreadable",
            N_("'{text}' is not a temperature."),
            N_("Type degrees Celsius, such as 4.2 or -18."),
            text=text[:_SHOWN_CHARACTERS],
        )
    sign, whole, part = match.groups()
    milli_c = int(whole) * 1000 + int((part or "").ljust(3, "0"))
    return -milli_c if sign else milli_c
