"""Chooses what the demo's devices are made of: the C device where a compiler is found, else the Python one.

It is not a way to build firmware for a board. Both speak the same link and take the same options; what a device had not
delivered stays in a file of its own kind, since each has its own idea of memory.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from demo_processes import ROOT

FIRMWARE = ROOT / "firmware_bridge" / "firmware"
BUILT = Path(sys.prefix) / "cache" / "device"
# Compiling takes a second or two; a compiler that takes this long is stuck.
BUILD_WITHIN_S = 60.0
C, PYTHON = "C", "Python"


class DeviceKind(NamedTuple):
    """What devices are made of, how one is started, and how the file of its memory ends."""

    language: str
    command: list[str]
    suffix: str


def choose_device() -> DeviceKind:
    """Build the C device, or fall back to the Python one where that cannot be done."""
    build = [str(FIRMWARE / "build"), str(BUILT), str(FIRMWARE / "virtual_sensor.c"), "-O2"]
    try:
        done = subprocess.run(
            build, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BUILD_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is not None and done.returncode == 0:
        return DeviceKind(C, [done.stdout.strip()], "ring")
    return DeviceKind(PYTHON, [sys.executable, "-P", "-m", "firmware_bridge.virtual"], "state")
