"""The shim and the model of a power cut, tried on a small script before anything of Larder is judged by them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults import Kill, faulty
from tests.faults.power import Disk, Image, Record, images, read_log

# Commits numbers one by one and says each aloud after its commit; checkpoints and closes like Larder does.
WRITER = """
import os, sqlite3, sys
path, synchronous, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
db = sqlite3.connect(path, isolation_level=None)
db.execute("PRAGMA page_size=1024")
db.execute("PRAGMA journal_mode=WAL")
db.execute(f"PRAGMA synchronous={synchronous}")
db.execute("PRAGMA wal_autocheckpoint=0")
db.execute("CREATE TABLE IF NOT EXISTS told (number INTEGER PRIMARY KEY, text TEXT)")
for number in range(rows):
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO told VALUES (?, ?)", (number, "x" * (number * 37 % 900)))
    db.execute("COMMIT")
    os.write(1, f"{number}\\n".encode())
    if number % 25 == 24:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
db.close()
"""


def run_writer(
    folder: Path, environment: dict[str, str], *, synchronous: str = "FULL", rows: int = 80
) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", WRITER, str(folder / "told.db"), synchronous, str(rows)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def lost(image: Image, folder: Path) -> set[str]:
    """Return the acknowledged numbers that the image does not hold."""
    path = image.write_to(folder) / "told.db"
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        held = {str(number) for (number,) in db.execute("SELECT number FROM told")}
    except sqlite3.OperationalError as error:
        assert "no such table" in str(error)
        held = set()
    finally:
        db.close()
    return set(image.acknowledged) - held


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
def test_a_power_cut_loses_nothing_acknowledged_only_with_full_syncs(tmp_path: Path, synchronous: str) -> None:
    folder, log = tmp_path / "disk", tmp_path / "log"
    done = run_writer(folder, faulty(folder, log=log), synchronous=synchronous)
    assert done.returncode == 0, done.stderr
    cuts = list(images(log, folder, count=200, seed=1))
    losing = [image.cut for image in cuts if lost(image, tmp_path / "image")]
    assert len(cuts) == 200
    assert len(cuts[-1].acknowledged) == 80
    assert (losing == []) == (synchronous == "FULL")


def test_what_was_there_before_the_log_is_part_of_every_image(tmp_path: Path) -> None:
    folder, log, before = tmp_path / "disk", tmp_path / "log", tmp_path / "before"
    assert run_writer(folder, dict(os.environ), rows=30).returncode == 0
    shutil.copytree(folder, before)
    program = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('DELETE FROM told WHERE number < 10')"
    command = [sys.executable, "-c", f"{program}; db.commit()", str(folder / "told.db")]
    subprocess.run(command, env=faulty(folder, log=log), check=True)
    seen = set()
    for image in images(log, folder, count=60, seed=3, before=before):
        with sqlite3.connect(image.write_to(tmp_path / "image") / "told.db") as db:
            seen.add(tuple(number for (number,) in db.execute("SELECT number FROM told ORDER BY number")))
        db.close()
    assert seen == {tuple(range(30)), tuple(range(10, 30))}


def test_the_log_holds_what_reached_the_files(tmp_path: Path) -> None:
    """Played to its end without a cut, the log gives the very bytes on the disk."""
    folder, log = tmp_path / "disk", tmp_path / "log"
    run_writer(folder, faulty(folder, log=log))
    disk = Disk(folder)
    records = read_log(log)
    for record in records:
        disk.play(record)
    end = records[-1].end
    for name in disk._names:
        disk.play(Record("S", name, end, b"", end, end))
    image = disk.cut(random.Random(0), len(records))
    assert image.files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {record.kind for record in records} >= {"A", "C", "S", "T", "U", "W"}
    assert [record for record in records if record.path.endswith("-shm")] == []


def test_renaming_over_a_file_leaves_the_old_or_the_new_one(tmp_path: Path) -> None:
    folder, log = tmp_path / "disk", tmp_path / "log"
    folder.mkdir()
    program = (
        "import os, sys\nos.chdir(sys.argv[1])\n"
        "def put(name, text):\n    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)\n"
        "    os.write(fd, text)\n    os.fsync(fd)\n    os.close(fd)\n"
        "put('state', b'old')\nput('state.new', b'new')\nos.rename('state.new', 'state')\nos.write(1, b'renamed\\n')\n"
    )
    subprocess.run([sys.executable, "-c", program, str(folder)], env=faulty(folder, log=log), check=True)
    after = [image.files for image in images(log, folder, count=200, seed=5) if image.acknowledged]
    assert {files["state"] for files in after} == {b"old", b"new"}


@pytest.mark.parametrize("on", ["write", "sync"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_process_dies_at_the_operation_that_was_named(tmp_path: Path, on: str, when: str) -> None:
    folder, log, note = tmp_path / "disk", tmp_path / "log", tmp_path / "note"
    kill = Kill(on=on, at=7, when=when, note=note)  # type: ignore[arg-type]
    done = run_writer(folder, faulty(folder, log=log, kill=kill))
    assert done.returncode == -signal.SIGKILL
    assert note.read_text() == f"killed at {folder / 'told.db-wal'}\n"
    kinds = [record for record in read_log(log) if record.path.endswith("-wal")]
    assert len([record for record in kinds if record.kind == on[0].upper()]) == (7 if when == "after" else 6)
    with sqlite3.connect(folder / "told.db") as db:
        held = {str(number) for (number,) in db.execute("SELECT number FROM told")}
    assert set(done.stdout.split()) <= held
    db.close()


def test_a_full_disk_refuses_until_space_is_freed(tmp_path: Path) -> None:
    folder, freed = tmp_path / "disk", tmp_path / "freed"
    environment = faulty(folder, refuse="ENOSPC", refuse_from=40, refuse_until=freed)
    done = run_writer(folder, environment)
    assert done.returncode == 1
    assert "database or disk is full" in done.stderr
    said = done.stdout.split()
    assert 0 < len(said) < 80
    freed.touch()
    command = (
        "import sqlite3,sys; db=sqlite3.connect(sys.argv[1]); print(db.execute('SELECT count(*) FROM told').fetchone())"
    )
    again = subprocess.run(
        [sys.executable, "-c", command, str(folder / "told.db")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout == f"({len(said)},)\n"


def test_a_read_only_disk_refuses_every_write(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    done = run_writer(folder, faulty(folder, refuse="EROFS"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert not (folder / "told.db").exists()


def test_a_slow_disk_makes_every_sync_wait(tmp_path: Path) -> None:
    folder, log = tmp_path / "disk", tmp_path / "log"
    started = time.monotonic()
    done = run_writer(folder, faulty(folder, log=log, sync_ms=(50, 80), seed=4), rows=5)
    assert done.returncode == 0, done.stderr
    syncs = [record for record in read_log(log) if record.kind == "S"]
    # A lower bound: the waiting itself is what is promised, not how long the rest takes.
    assert time.monotonic() - started >= 0.050 * len(syncs)
    assert len(syncs) >= 5
