"""Building the device side for tests: the virtual device, and a shared library of the header for ctypes.

Not a test. Where no C compiler is installed the tests that need one are left out with that reason.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.components import leave_out

FIRMWARE = Path(__file__).parents[2] / "firmware_bridge" / "firmware"
BUILT = Path(sys.prefix) / "cache" / "device"
NO_COMPILER = 3  # exit code of the build script
STRICT = ("-Wshadow", "-Wpedantic", "-Wno-overlength-strings")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


def build(source: Path, *flags: str) -> Path:
    """Return the built program; built once for the same sources and flags. Fails with what the compiler said."""
    done = subprocess.run(
        [str(FIRMWARE / "build"), str(BUILT), str(source), *flags], capture_output=True, text=True, check=False
    )
    if done.returncode == NO_COMPILER:
        leave_out(done.stderr.strip())
    if done.returncode != 0:
        pytest.fail(f"{source.name} does not build with {' '.join(flags)}:\n{done.stderr}")
    return Path(done.stdout.strip())


def virtual_sensor(*flags: str) -> Path:
    """Return the virtual device, fast and without sanitizers unless flags say otherwise."""
    return build(FIRMWARE / "virtual_sensor.c", *(flags or ("-O2",)))
