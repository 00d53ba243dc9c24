"""A real disk of a few megabytes in a mount namespace of its own, that can be filled and freed again.

Processes enter it with `command`; a test looks into it from outside, through the folder of a process that lives there.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.components import leave_out, need_program

SIZE = "24m"  # the ballast of 16 MiB is made where a tenth stays free
CHUNK = bytes(4096)
WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """`inside` is its folder for processes that entered, `outside` the same folder for everybody else."""

    inside: Path
    outside: Path
    entry: tuple[str, ...]

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs in the disk's namespace."""
        return [*self.entry, *arguments]

    def number(self, database: str, sql: str) -> int:
        """Return the one number a query gives, asked by a process on the disk."""
        program = (
            "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1], uri=True, timeout=20);"
            "print(connection.execute(sys.argv[2]).fetchone()[0])"
        )
        command = self.command([sys.executable, "-c", program, f"file:{self.inside / database}?mode=ro", sql])
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def copy(self, database: str, folder: Path) -> Path:
        """Copy a database that nobody writes now to an ordinary disk, where SQLite finds it, and return it."""
        folder.mkdir(exist_ok=True)
        for path in (self.outside / database).parent.glob(f"{Path(database).name}*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, folder / path.name)
        return folder / Path(database).name

    def fill(self) -> None:
        """Take every byte that is free."""
        with (self.outside / "fill").open("ab", buffering=0) as file:
            try:
                while file.write(CHUNK) > 0:
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give it back."""
        (self.outside / "fill").unlink()


@contextmanager
def a_small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mount a small disk on a folder, for as long as the test runs. Leaves the test out where that is not allowed."""
    folder.mkdir()
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = f'mount -t tmpfs -o size={SIZE} larder "$1" && echo mounted && read _end'
    command = [need_program("unshare"), *as_root, "--mount", need_program("sh"), "-c", mount, "sh", str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        if holder.stdout.readline() != "mounted\n":
            leave_out("mounting a small disk is not allowed here")
        entry = [need_program("nsenter"), "--target", str(holder.pid), "--mount"]
        if as_root:
            entry += ["--user", "--preserve-credentials"]
        try:
            yield SmallDisk(folder, Path(f"/proc/{holder.pid}/root{folder}"), tuple(entry))
        finally:
            holder.stdin.close()
            holder.wait(WAIT_S)
