"""The `[bridge]` table of larder.toml: which ports, how long things are kept, what hardware of others speaks where.

Read, never written, by the bridge (`larder-bridge ports probe` appends whole blocks for a person). A missing file means
the defaults; a wrong key or value is one fault that names file, line and reason, and nothing is half applied. Standard
library only: the bridge stays small. Options of the command line win; that is decided where both are known.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from firmware_bridge.decimals import milli_from_text
from firmware_bridge.errors import LocalFault
from firmware_bridge.language import _
from firmware_bridge.settings_lines import line_in_message, line_of

# LINK section 4; those that a rule of `larder ports assign` named come first, since they are named on purpose.
PORTS_DEFAULT: Final = ("/dev/larder/*", "/dev/serial/by-id/*")
DATA_DEFAULT = Path("/var/lib/larder")
SETTINGS_INSTALLED = Path("/etc/larder/larder.toml")  # of an installed node, whose data folder has none (OPS section 3)
SETTINGS_BYTES_MAX = 64 * 1024
PATTERNS_MAX = 64  # as many as there may be ports (LINK section 4)
TEXT_CHARS_MAX = 256  # a path or a pattern
ADAPTERS_MAX = 64  # as many as there may be ports
ALARMS_MAX = 256
UNITS_MAX = 32  # stations of one Modbus line that one bridge polls
UNIT_MAX = 247  # the highest station address (Modbus over Serial Line 1.02, section 2.2)

MODBUS, MYSENSORS, SENML, MT_SICS = "modbus", "mysensors", "senml", "mt-sics"
PROTOCOLS: Final = (MODBUS, MYSENSORS, SENML, MT_SICS)
PARITIES: Final = ("N", "E", "O")
BAUDS: Final = (1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600)

UID_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
# A label stands where a board shows its 16 hex digits, so it must not look like them.
BOARD_UID_PATTERN = re.compile(r"[0-9a-f]{16}")

COMMIT_INTERVAL_S_MIN, COMMIT_INTERVAL_S_MAX = 1, 60  # LINK section 3
KEEP_RAW_DAYS_MAX, KEEP_BUCKETS_DAYS_MAX = 3_660, 36_600
TELEMETRY_MB_MIN, TELEMETRY_MB_MAX = 16, 1_000_000  # below 16 MB there is no room for a week of one market

BRIDGE_KEYS: Final = (
    "ports",
    "exclude",
    "commit_interval_s",
    "keep_raw_days",
    "keep_buckets_days",
    "telemetry_max_mb",
    "alarm",
    "adapter",
)
ADAPTER_KEYS: Final[dict[str, tuple[str, ...]]] = {
    MODBUS: ("port", "protocol", "uid", "profile", "units", "baud", "parity"),
    MYSENSORS: ("port", "protocol", "uid", "baud"),
    SENML: ("port", "protocol", "uid", "baud"),
    MT_SICS: ("port", "protocol", "uid", "baud", "parity", "serial"),
}


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """One port with hardware of others behind it.

    uid: the label its readings are stored under. profile: a shipped name or a path to a TOML file (modbus only).
    units: station addresses that are read instead of the profile's own (modbus only). baud, parity: None means what
    the profile or the protocol says. serial: the scale's serial number, '' means any (mt-sics only). line: where the
    block begins in the file, for whoever finds a fault in it later.
    """

    port: str
    protocol: str
    uid: str
    profile: str = ""
    units: tuple[int, ...] = ()
    baud: int | None = None
    parity: str | None = None
    serial: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """Everything in `[bridge]`. alarm_above, alarm_below: by channel name, thousandths of the channel's unit.

    path: the file they were read from, None where there was none.
    """

    path: Path | None = None
    ports: tuple[str, ...] = PORTS_DEFAULT
    exclude: tuple[str, ...] = ()
    commit_interval_s: int = 5
    keep_raw_days: int = 7
    keep_buckets_days: int = 730
    telemetry_max_mb: int = 2_048
    alarm_above: Mapping[str, int] = field(default_factory=dict)
    alarm_below: Mapping[str, int] = field(default_factory=dict)
    adapters: tuple[AdapterSettings, ...] = ()


class WrongSetting(ValueError):
    """A value that cannot be used; table, key and index say which, the text says why."""

    def __init__(self, reason: str, table: str, key: str = "", index: int = 0) -> None:
        super().__init__(reason)
        self.table, self.key, self.index = table, key, index


def settings_path(data: Path) -> Path:
    """Return where the settings of a data folder stand; those of an installed node stand in /etc/larder."""
    own = data / "larder.toml"
    return SETTINGS_INSTALLED if data == DATA_DEFAULT and not own.exists() else own


def load_settings(path: Path) -> BridgeSettings:
    """Read the bridge's part of larder.toml. Raises LocalFault where it is there and cannot be understood."""
    text = read_text(path)
    return BridgeSettings() if text is None else parse_settings(text, path)


def parse_settings(text: str, path: Path) -> BridgeSettings:
    """Read the bridge's part of a text; path is where it stands, or is to. Raises LocalFault."""
    try:
        content = tomllib.loads(text)
    except ValueError as error:  # tomllib's own, and a number of thousands of digits
        raise settings_fault(path, line_in_message(str(error)), str(error)) from error
    except RecursionError as error:
        raise settings_fault(path, 0, _("it is nested too deeply")) from error
    try:
        return _bridge(path, text, content.get("bridge", {}))
    except WrongSetting as wrong:
        line = line_of(text, wrong.table, wrong.key, index=wrong.index)
        raise settings_fault(path, line, str(wrong)) from wrong


def read_text(path: Path) -> str | None:
    """Return what stands in a settings file, None when there is none. Raises LocalFault."""
    try:
        with path.open("rb") as file:
            content = file.read(SETTINGS_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise settings_fault(path, 0, error.strerror or str(error)) from error
    if len(content) > SETTINGS_BYTES_MAX:
        raise settings_fault(path, 0, _("it is too long"))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise settings_fault(path, line, _("it is not UTF-8 text")) from error


def settings_fault(path: Path, line: int, reason: str) -> LocalFault:
    """Return the fault for a settings or profile file: file, line (0: unknown) and reason."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in reason)
    if line:
        message = _("{path}, line {line}: {reason}.").format(path=path, line=line, reason=printable)
    else:
        message = _("{path}: {reason}.").format(path=path, reason=printable)
    return LocalFault("settings.wrong", message, _("Correct that line and start the bridge again."))


def _bridge(path: Path, text: str, table: Any) -> BridgeSettings:
    if not isinstance(table, dict):
        raise WrongSetting(_("[bridge] must be a table"), "", "bridge")
    _only(table, BRIDGE_KEYS, "bridge")
    above, below = _alarms(table.get("alarm", {}))
    return BridgeSettings(
        path=path,
        ports=_texts(table, "ports", PORTS_DEFAULT),
        exclude=_texts(table, "exclude", ()),
        commit_interval_s=_whole(table, "commit_interval_s", 5, COMMIT_INTERVAL_S_MIN, COMMIT_INTERVAL_S_MAX),
        keep_raw_days=_whole(table, "keep_raw_days", 7, 1, KEEP_RAW_DAYS_MAX),
        keep_buckets_days=_whole(table, "keep_buckets_days", 730, 1, KEEP_BUCKETS_DAYS_MAX),
        telemetry_max_mb=_whole(table, "telemetry_max_mb", 2_048, TELEMETRY_MB_MIN, TELEMETRY_MB_MAX),
        alarm_above=above,
        alarm_below=below,
        adapters=_adapters(text, table.get("adapter", [])),
    )


def _alarms(table: Any) -> tuple[dict[str, int], dict[str, int]]:
    if not isinstance(table, dict) or len(table) > ALARMS_MAX:
        raise WrongSetting(_("alarm must be tables [bridge.alarm.NAME], at most 256"), "bridge", "alarm")
    bounds: dict[str, dict[str, int]] = {"above": {}, "below": {}}
    for name, alarm in table.items():
        where = f"bridge.alarm.{name}"
        if not isinstance(alarm, dict):
            raise WrongSetting(_("an alarm is a table with above and below"), "bridge.alarm", name)
        _only(alarm, ("above", "below"), where)
        for key, value in alarm.items():
            try:
                # A number in quotes is read as written; a bare one would already have been rounded to binary.
                bounds[key][name] = milli_from_text(value if isinstance(value, str) else str(_int(value)))
            except ValueError:
                reason = _('{key} must be a number in quotes with at most 3 decimals, like "5.0"').format(key=key)
                raise WrongSetting(reason, where, key) from None
    return bounds["above"], bounds["below"]


def _adapters(text: str, blocks: Any) -> tuple[AdapterSettings, ...]:
    if not isinstance(blocks, list) or len(blocks) > ADAPTERS_MAX:
        raise WrongSetting(_("adapter must be blocks [[bridge.adapter]], at most 64"), "bridge", "adapter")
    adapters: list[AdapterSettings] = []
    for index, block in enumerate(blocks):
        try:
            adapter = _adapter(block, line_of(text, "bridge.adapter", index=index))
            for other in adapters:
                if other.port == adapter.port:
                    raise WrongSetting(_("this port has a block already"), "", "port")
                if other.uid == adapter.uid:
                    raise WrongSetting(_("this uid has a block already"), "", "uid")
        except WrongSetting as wrong:
            raise WrongSetting(str(wrong), "bridge.adapter", wrong.key, index) from None
        adapters.append(adapter)
    return tuple(adapters)


def _adapter(block: Any, line: int) -> AdapterSettings:
    if not isinstance(block, dict):
        raise WrongSetting(_("an adapter is a block [[bridge.adapter]]"), "")
    protocol = block.get("protocol")
    if protocol not in PROTOCOLS:
        reason = _("protocol must be one of: {names}").format(names=", ".join(PROTOCOLS))
        raise WrongSetting(reason, "", "protocol")
    _only(block, ADAPTER_KEYS[protocol], "")
    uid = _text(block, "uid")
    if UID_PATTERN.fullmatch(uid) is None or BOARD_UID_PATTERN.fullmatch(uid):
        reason = _("uid must be up to 32 small letters, digits, dots, dashes, and not 16 hex digits, like mb-cold-room")
        raise WrongSetting(reason, "", "uid")
    profile = _text(block, "profile") if protocol == MODBUS else ""
    baud, parity = block.get("baud"), block.get("parity")
    if baud is not None and (not isinstance(baud, int) or isinstance(baud, bool) or baud not in BAUDS):
        raise WrongSetting(_("baud must be one of: {names}").format(names=", ".join(map(str, BAUDS))), "", "baud")
    if parity is not None and parity not in PARITIES:
        raise WrongSetting(_("parity must be N, E or O"), "", "parity")
    serial = _text(block, "serial") if "serial" in block else ""
    return AdapterSettings(
        _text(block, "port"), protocol, uid, profile, _units(block), baud, parity, serial=serial, line=line
    )


def _units(block: dict[str, Any]) -> tuple[int, ...]:
    units = block.get("units", [])
    is_list = isinstance(units, list) and len(units) <= UNITS_MAX and len(set(map(repr, units))) == len(units)
    if not is_list or not all(type(unit) is int and 1 <= unit <= UNIT_MAX for unit in units):
        raise WrongSetting(_("units must be different station addresses from 1 to 247, at most 32"), "", "units")
    return tuple(units)


def _only(table: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in keys:
            reason = _("{key} is not known here; known are: {names}").format(key=key, names=", ".join(keys))
            raise WrongSetting(reason, where, key)


def _text(block: dict[str, Any], key: str) -> str:
    value = block.get(key)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= TEXT_CHARS_MAX:
        raise WrongSetting(_("{key} is missing or is no text").format(key=key), "", key)
    return value


def _texts(table: dict[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    values = table.get(key, list(default))
    is_list = isinstance(values, list) and len(values) <= PATTERNS_MAX
    if not is_list or not all(isinstance(value, str) and 0 < len(value) <= TEXT_CHARS_MAX for value in values):
        raise WrongSetting(_("{key} must be a list of at most 64 texts").format(key=key), "bridge", key)
    return tuple(values)


def _whole(table: dict[str, Any], key: str, default: int, lowest: int, highest: int) -> int:
    value = table.get(key, default)
    if type(value) is not int or not lowest <= value <= highest:
        reason = _("{key} must be a whole number from {lowest} to {highest}")
        raise WrongSetting(reason.format(key=key, lowest=lowest, highest=highest), "bridge", key)
    return value


def _int(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(value)
    return value
