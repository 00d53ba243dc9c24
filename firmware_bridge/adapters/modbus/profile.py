"""A profile: which registers of a probe mean what. TOML, shipped here or written by a person.

Not a poll. A wrong profile is one fault with file, line and reason, before any port is opened. LINK section 5.
"""

import tomllib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from firmware_bridge.adapters.modbus.frames import READ_HOLDING, READ_INPUT
from firmware_bridge.adapters.modbus.values import TYPES, registers_of
from firmware_bridge.adapters.session import ChannelFacts, facts_of_kind
from firmware_bridge.adapters.units import kind_of_unit
from firmware_bridge.adapters.values import as_milli
from firmware_bridge.errors import LocalFault
from firmware_bridge.language import _
from firmware_bridge.session_protocol import LineSettings
from firmware_bridge.settings import BAUDS, PARITIES, UNIT_MAX, WrongSetting, read_text, settings_fault
from firmware_bridge.settings_lines import line_in_message, line_of

SHIPPED = Path(__file__).parents[1] / "profiles"
PROBES_MAX = 64
NAME_CHARS_MAX = 32
PERIOD_S_MIN, PERIOD_S_MAX = 1, 3_600
_TOP_KEYS: Final = ("name", "source", "port", "probe")
_PORT_KEYS: Final = ("baud", "parity")
_PROBE_KEYS: Final = (
    "unit",
    "fc",
    "address",
    "type",
    "scale",
    "unit_name",
    "invalid",
    "period_s",
    "channel",
    "lo",
    "hi",
)


@dataclass(frozen=True, slots=True)
class Probe:
    """One value to read: station, function code, address (from 0), type, factor, and the channel it becomes."""

    unit: int
    function: int
    address: int
    type_name: str
    scale: Decimal
    invalid: frozenset[int]
    period_ms: int
    channel: ChannelFacts


@dataclass(frozen=True, slots=True)
class Profile:
    """All that is read of one kind of device, and how its line is set."""

    name: str
    line: LineSettings
    probes: tuple[Probe, ...]


def shipped_profiles() -> list[str]:
    """Return the names of the profiles that come with Larder."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_profile(name: str, beside: Path) -> Profile:
    """Read a shipped profile by its name, or a file by its path (relative to the folder `beside`).

    Raises LocalFault with file, line and reason.
    """
    if "/" not in name and not name.endswith(".toml"):
        if name not in shipped_profiles():
            reason = _("There is no profile {name}; shipped are: {names}")
            names = ", ".join(shipped_profiles())
            raise LocalFault(
                "profile.unknown",
                reason.format(name=name, names=names) + ".",
                _("Name one of these, or give the path of a file that ends in .toml."),
            )
        path = SHIPPED / f"{name}.toml"
    else:
        path = beside / name
    text = read_text(path)
    if text is None:
        raise settings_fault(path, 0, _("there is no such file"))
    return parse_profile(text, path)


def parse_profile(text: str, path: Path) -> Profile:
    """Read the text of a profile; path is only named in faults. Raises LocalFault with file, line and reason."""
    try:
        content = tomllib.loads(text)
    except ValueError as error:  # tomllib's own, and a number of thousands of digits
        raise settings_fault(path, line_in_message(str(error)), str(error)) from error
    except RecursionError as error:
        raise settings_fault(path, 0, _("it is nested too deeply")) from error
    try:
        return _profile(content)
    except WrongSetting as wrong:
        raise settings_fault(path, line_of(text, wrong.table, wrong.key, index=wrong.index), str(wrong)) from wrong


def _profile(content: dict[str, Any]) -> Profile:
    _only(content, _TOP_KEYS, "", 0)
    port = content.get("port", {})
    if not isinstance(port, dict):
        raise WrongSetting(_("[port] must be a table"), "", "port")
    _only(port, _PORT_KEYS, "port", 0)
    baud, parity = port.get("baud", 9_600), port.get("parity", "N")
    if type(baud) is not int or baud not in BAUDS:
        raise WrongSetting(_("baud must be one of: {names}").format(names=", ".join(map(str, BAUDS))), "port", "baud")
    if parity not in PARITIES:
        raise WrongSetting(_("parity must be N, E or O"), "port", "parity")
    probes = content.get("probe")
    if not isinstance(probes, list) or not 0 < len(probes) <= PROBES_MAX:
        raise WrongSetting(_("there must be 1 to 64 blocks [[probe]]"), "", "probe")
    read: list[Probe] = []
    for index, block in enumerate(probes):
        if not isinstance(block, dict):
            raise WrongSetting(_("a probe is a block [[probe]]"), "probe", "", index)
        probe = _probe(block, index)
        if any(probe.channel.name == other.channel.name for other in read):
            raise WrongSetting(_("this channel has a block already"), "probe", "channel", index)
        read.append(probe)
    return Profile(str(content.get("name", "")), LineSettings(baud, parity), tuple(read))


def _probe(block: dict[str, Any], index: int) -> Probe:
    _only(block, _PROBE_KEYS, "probe", index)

    def whole(key: str, lowest: int, highest: int, default: int | None = None) -> int:
        value = block.get(key, default)
        if type(value) is not int or not lowest <= value <= highest:
            reason = _("{key} must be a whole number from {lowest} to {highest}")
            raise WrongSetting(reason.format(key=key, lowest=lowest, highest=highest), "probe", key, index)
        return value

    type_name = block.get("type")
    if type_name not in TYPES:
        raise WrongSetting(_("type must be one of: {names}").format(names=", ".join(TYPES)), "probe", "type", index)
    function = whole("fc", READ_HOLDING, READ_INPUT)
    period_ms = whole("period_s", PERIOD_S_MIN, PERIOD_S_MAX, 10) * 1000
    return Probe(
        unit=whole("unit", 1, UNIT_MAX, 1),
        function=function,
        address=whole("address", 0, 0x10000 - registers_of(type_name)),
        type_name=type_name,
        scale=_decimal(block, "scale", index, "1"),
        invalid=_invalid(block, index),
        period_ms=period_ms,
        channel=_channel(block, index, period_ms),
    )


def _channel(block: dict[str, Any], index: int, period_ms: int) -> ChannelFacts:
    name = block.get("channel")
    is_name = isinstance(name, str) and 0 < len(name) <= NAME_CHARS_MAX and name.isascii() and name.isprintable()
    if not is_name or not isinstance(name, str):
        raise WrongSetting(_("channel must be a name of at most 32 plain letters"), "probe", "channel", index)
    unit = block.get("unit_name")
    kind = kind_of_unit(unit) if isinstance(unit, str) else None
    if kind is None or not isinstance(unit, str):
        raise WrongSetting(
            _("unit_name must be a unit of SenML, like Cel, %RH, V, W or kg"), "probe", "unit_name", index
        )
    facts = facts_of_kind(name, kind, unit, period_ms)
    lo, hi = facts.lo, facts.hi
    for key in ("lo", "hi"):
        if key in block:
            milli = as_milli(_decimal(block, key, index, "0"))
            if not isinstance(milli, int):
                raise WrongSetting(_("{key} is too large").format(key=key), "probe", key, index)
            lo, hi = (milli, hi) if key == "lo" else (lo, milli)
    if lo >= hi:
        raise WrongSetting(_("lo must be below hi"), "probe", "lo", index)
    return ChannelFacts(name, kind, unit, lo=lo, hi=hi, period_ms=period_ms)


def _decimal(block: dict[str, Any], key: str, index: int, default: str) -> Decimal:
    value = block.get(key, default)
    reason = _('{key} must be a number in quotes, like "0.1"').format(key=key)
    if not isinstance(value, str) or len(value) > NAME_CHARS_MAX:
        raise WrongSetting(reason, "probe", key, index)
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise WrongSetting(reason, "probe", key, index) from None
    if not number.is_finite() or abs(number.adjusted()) > 12 or (key == "scale" and number == 0):
        raise WrongSetting(reason, "probe", key, index)
    return number


def _invalid(block: dict[str, Any], index: int) -> frozenset[int]:
    values = block.get("invalid", [])
    is_list = isinstance(values, list) and len(values) <= 16
    if not is_list or not all(type(value) is int and 0 <= value <= 0xFFFFFFFF for value in values):
        raise WrongSetting(_("invalid must be at most 16 register values, like 0x8000"), "probe", "invalid", index)
    return frozenset(values)


def _only(table: dict[str, Any], keys: tuple[str, ...], where: str, index: int) -> None:
    for key in table:
        if key not in keys:
            reason = _("{key} is not known here; known are: {names}").format(key=key, names=", ".join(keys))
            raise WrongSetting(reason, where, key, index)
