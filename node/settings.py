"""What differs from computer to computer: `larder.toml` in the data folder. Read, never written, by our programs.

Not a setting of the market (those are facts or rows). A missing file means the defaults; a wrong one is said in one
sentence and never half applied.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from node.errors import N_, LocalFault

SETTINGS_BYTES_MAX = 64 * 1024


class SyncSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The broker of this market: where we reach it ourselves, and where peers reach it (host:port, TLS)."""

    broker: str = "127.0.0.1:1883"
    advertise: list[str] = []


class PlannerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The central planner. No address, no central planner: plans are made here."""

    url: str = ""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in the file."""

    sync: SyncSettings = SyncSettings()
    planner: PlannerSettings = PlannerSettings()
    bridge: dict[str, Any] = {}
    """What larder-bridge reads and judges (`firmware_bridge/settings.py`); nothing here looks into it."""


def load_settings(path: Path) -> Settings:
    """Read `larder.toml`. Raises LocalFault where it is there and cannot be understood."""
    try:
        with path.open("rb") as file:
            content = file.read(SETTINGS_BYTES_MAX + 1)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise _fault(path, error.strerror or str(error)) from error
    if len(content) > SETTINGS_BYTES_MAX:
        raise _fault(path, "too long")
    try:
        return msgspec.toml.decode(content, type=Settings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _fault(path, str(error)) from error


def _fault(path: Path, reason: str) -> LocalFault:
    return LocalFault(
        "settings.wrong",
        N_("The settings in {path} cannot be used: {reason}."),
        N_("Correct that line, or move the file away to go on with the defaults."),
        path=str(path),
        reason=reason,
    )
