"""keep.json: what larder-node says is sealed and what must stay as it was measured.

Not a promise of the other side: the file is hostile until checked, bounded, and replaced atomically by its writer. Its
absence means that nobody seals here; then excursions are judged by the bridge's own alarm bounds (`protection.py`).
A file that cannot be understood keeps everything until it can. DESIGN "The parts", SAFETY section 1.4.

    {"version": 1, "sealed": {"UID": {"BOOT": NEXT_SEQ}}, "keep": [["UID", BOOT, FIRST_SEQ, LAST_SEQ]]}

BOOT is the number that readers see (`Reading.boot`). Of a boot that is not listed nothing is sealed.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.plain_file import read_plain_file

KEEP_FILE = "keep.json"
KEEP_BYTES_MAX = 256 * 1024  # some 4,000 ranges; more is no list of excursions
RANGES_MAX = 4_096
NUMBER_MAX = 2**62  # far beyond any sequence number, and still an integer of SQLite


@dataclass(frozen=True, slots=True)
class Keep:
    """What must stay. is_sealing: somebody seals, so what is not in `sealed` stays. problem: why nothing may go.

    sealed: by (uid, boot number) the first record that is not sealed. ranges: by the same, first and last record.
    """

    is_sealing: bool = False
    problem: str = ""
    sealed: dict[tuple[str, int], int] = field(default_factory=dict)
    ranges: dict[tuple[str, int], tuple[tuple[int, int], ...]] = field(default_factory=dict)


def read_keep(folder: Path) -> Keep:
    """Read keep.json of the folder of telemetry.db. Never raises: what cannot be read keeps everything."""
    try:
        content = read_plain_file(folder / KEEP_FILE, KEEP_BYTES_MAX + 1)
    except FileNotFoundError:
        return Keep()
    except OSError as error:
        return Keep(is_sealing=True, problem=error.strerror or "unreadable")
    try:
        return _understood(content)
    except (ValueError, RecursionError):
        return Keep(is_sealing=True, problem="not understood")


def _understood(content: bytes) -> Keep:
    if len(content) > KEEP_BYTES_MAX:
        raise ValueError("too long")
    told = json.loads(content)
    if not isinstance(told, dict) or set(told) != {"version", "sealed", "keep"} or told["version"] != 1:
        raise ValueError("not version 1")
    if not isinstance(told["sealed"], dict) or not isinstance(told["keep"], list) or len(told["keep"]) > RANGES_MAX:
        raise ValueError("wrong shape")
    sealed = {}
    for uid, boots in told["sealed"].items():
        if not isinstance(boots, dict):
            raise ValueError("wrong shape")
        for boot, next_seq in boots.items():
            sealed[uid, _number(int(boot))] = _number(next_seq)
    ranges: dict[tuple[str, int], tuple[tuple[int, int], ...]] = {}
    for entry in told["keep"]:
        if not isinstance(entry, list) or len(entry) != 4 or not isinstance(entry[0], str):
            raise ValueError("wrong shape")
        boot, first, last = map(_number, entry[1:])
        ranges[entry[0], boot] = (*ranges.get((entry[0], boot), ()), (first, last))
    return Keep(True, "", sealed, ranges)


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= NUMBER_MAX:
        raise ValueError("not a number")
    return value
