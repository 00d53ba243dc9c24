"""Says which programs a test needs, and leaves the test out with a visible reason where one is missing.

It is not a way to leave out what Larder itself lacks. Under `deploy/test --strict` a missing program is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NoReturn

import pytest

SEARCH_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def need_program(name: str) -> str:
    """Return the path of a program, or leave the running test out (fail it under --strict)."""
    path = shutil.which(name, path=SEARCH_PATH)
    if path is None:
        leave_out(f"the program {name} is not installed")
    return path


def need_no_network() -> list[str]:
    """Return the command prefix that runs a program without any network but loopback, or leave the test out."""
    need_program("ip")
    # Without root, a user namespace is what allows the other one, where the system allows that.
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    prefix = [need_program("unshare"), *as_root, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        leave_out("making a network namespace is not allowed here")
    return prefix


def leave_out(reason: str) -> NoReturn:
    """End the running test as skipped with this reason, or as failed under --strict."""
    if os.environ.get("LARDER_STRICT") == "1":
        pytest.fail(f"missing and --strict was asked for: {reason}")
    pytest.skip(reason)
