"""Runs a real Larder process on a disk that misbehaves: logged, slow, full, read-only, or cut at an exact operation.

A small C library (shim.c) is loaded into the process with LD_PRELOAD and stands between it and the files below one
folder. Nothing in Larder knows of it. power.py makes from the log what a power cut would have left behind.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from tests.components import need_program

__all__ = ["Kill", "faulty"]

SOURCE = Path(__file__).parent / "shim.c"
BUILT = Path(__file__).parents[1] / ".built"


@dataclass(frozen=True, slots=True)
class Kill:
    """Where the process kills itself: at the `at`-th write or sync of a file whose name ends with `suffix`.

    `note` is a file that gets the line `killed at PATH` first, so that a test knows the place was reached.
    """

    on: Literal["write", "sync"]
    at: int
    when: Literal["before", "after"] = "before"
    suffix: str = "-wal"
    note: Path | None = None


def faulty(
    folder: Path,
    *,
    log: Path | None = None,
    sync_ms: tuple[int, int] | None = None,
    seed: int = 0,
    kill: Kill | None = None,
    refuse: Literal["ENOSPC", "EROFS"] | None = None,
    refuse_from: int = 1,
    refuse_until: Path | None = None,
) -> dict[str, str]:
    """Return the environment that loads the shim into a process, building it first where needed.

    - `log`: a file outside `folder` that gets every write, truncation, sync, creation, renaming and removal below
      `folder` and every write to standard output, in order (read it with power.py).
    - `sync_ms`: every sync takes a random time between these two, in milliseconds, drawn from `seed`.
    - `kill`: where the process ends.
    - `refuse`: from write number `refuse_from` on, writes fail with this error until the file `refuse_until` exists.

    Leaves the running test out (or fails it under --strict) where there is no C compiler.
    """
    environment = {
        **os.environ,
        "LD_PRELOAD": str(shim()),
        "LARDER_FAULT_FOLDER": str(folder.resolve()),
        "LARDER_FAULT_SEED": str(seed),
    }
    if log is not None:
        environment["LARDER_FAULT_LOG"] = str(log.resolve())
    if sync_ms is not None:
        environment["LARDER_FAULT_DELAY_MS"] = f"{sync_ms[0]}:{sync_ms[1]}"
    if kill is not None:
        environment["LARDER_FAULT_KILL"] = f"{kill.on}:{kill.at}:{kill.when}:{kill.suffix}"
        if kill.note is not None:
            environment["LARDER_FAULT_KILL_NOTE"] = str(kill.note)
    if refuse is not None:
        environment["LARDER_FAULT_FAIL"] = f"{refuse}:{refuse_from}"
        if refuse_until is not None:
            environment["LARDER_FAULT_FAIL_UNTIL"] = str(refuse_until)
    return environment


def shim() -> Path:
    """Return the built library. Leaves the running test out where it cannot be built."""
    return _built(need_program("gcc"))


@lru_cache(maxsize=1)
def _built(compiler: str) -> Path:
    name = f"shim-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    # LD_PRELOAD is cut at spaces and colons, and nothing quotes them.
    is_usable = os.access(BUILT.parent, os.W_OK) and not {" ", ":"} & set(str(BUILT))
    folder = BUILT if is_usable else Path(tempfile.gettempdir()) / f"larder-built-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if (folder / name).exists():
        return folder / name
    # Built aside and renamed: several test processes start at the same moment.
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        output = Path(aside) / name
        command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(output), str(SOURCE)]
        done = subprocess.run([*command, "-ldl"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"the fault shim does not build: {done.stderr}"
        output.replace(folder / name)
    return folder / name
