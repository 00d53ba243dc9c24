"""Which description of a channel a record is read with: a pure rule.

Not the table. Settings never touch the backlog: what was measured before a change is read with the old description.
LINK section 8.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Description:
    """One version of what a channel is, in force from record from_seq of boot from_boot (small integer) on.

    Value in unit = raw x 10^exp10; lo, hi and noise are raw; period_ds in tenths of a second.
    """

    channel: int
    from_boot: int
    from_seq: int
    kind: int
    exp10: int
    flags: int
    lo: int
    hi: int
    period_ds: int
    noise: int
    unit: str
    name: str


def in_force(versions: Sequence[Description], boot: int, seq: int) -> Description | None:
    """Return the version a record is read with; versions are in order. Before the first one, the first one holds."""
    chosen = versions[0] if versions else None
    for version in versions:
        if (version.from_boot, version.from_seq) <= (boot, seq):
            chosen = version
    return chosen
