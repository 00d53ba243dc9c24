"""Makes from a log of shim.c what a power cut could have left on the disk, and says what had been promised by then.

The model, on the careful side of what a journaling file system does:

- A sync of a file makes durable all that stood in the log for that file when the sync began. Nothing else is promised.
- Every later write is kept or lost by chance, sector by sector of 512 bytes; a truncation is kept or lost whole.
- Names (creating, renaming, removing) reach the disk in order. A sync of a file brings its own name and all changes of
  names before it; a sync of a folder brings those within it. Of the rest a beginning of random length is kept.
- A write to standard output is an acknowledgement. What was acknowledged before the cut must be in the image.
"""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

SECTOR_BYTES = 512
_HEAD = struct.Struct("<IB3xIIQ")  # size, kind, pid, path size, number: `struct record` of shim.c


@dataclass(frozen=True, slots=True)
class Record:
    """One operation. `position` and `end` are its place in the log; `number` is an offset, a size or a sync's reach."""

    kind: str
    path: str
    number: int
    data: bytes
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Image:
    """What a cut left: the files by path below the folder, and every whole line acknowledged before it."""

    files: dict[str, bytes]
    acknowledged: list[str]
    cut: int

    def write_to(self, folder: Path) -> Path:
        """Write the image into a folder, emptied first, and return it."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder


def read_log(path: Path) -> list[Record]:
    """Return the records of a log. A record cut short at the end (the process died in it) is left out."""
    raw = path.read_bytes()
    found, position = [], 0
    while position + _HEAD.size <= len(raw):
        size, kind, _pid, path_size, number = _HEAD.unpack_from(raw, position)
        end = position + size
        if end > len(raw):
            break
        name = raw[position + _HEAD.size : position + _HEAD.size + path_size].decode("utf-8", "surrogateescape")
        data = raw[position + _HEAD.size + path_size : end]
        found.append(Record(chr(kind), name, number, data, position, end))
        position = end
    return found


@dataclass(slots=True)
class _File:
    """A file without its name: what is surely on the disk, and the changes that are not."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Record] = field(default_factory=list)

    def settle(self, covers: int) -> None:
        for record in self.pending:
            if record.end <= covers:
                _apply(self.durable, record, 0, len(record.data))
        self.pending = [record for record in self.pending if record.end > covers]

    def after_cut(self, chance: random.Random) -> bytes:
        content = bytearray(self.durable)
        # All, none and the middle are each likely: they break different things.
        kept = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for record in self.pending:
            for start, end in _sectors(record):
                if chance.random() < kept:
                    _apply(content, record, start, end)
        return bytes(content)


def _sectors(record: Record) -> Iterator[tuple[int, int]]:
    """Yield the parts of a record's data that a disk writes whole."""
    if record.kind == "T":
        yield 0, 0
        return
    start = 0
    while start < len(record.data):
        end = min(len(record.data), start + SECTOR_BYTES - (record.number + start) % SECTOR_BYTES)
        yield start, end
        start = end


def _apply(content: bytearray, record: Record, start: int, end: int) -> None:
    size = record.number if record.kind == "T" else record.number + end
    if record.kind == "T":
        del content[size:]
    if len(content) < size:
        content.extend(bytes(size - len(content)))
    if record.kind == "W":
        content[record.number + start : size] = record.data[start:end]


@dataclass(frozen=True, slots=True)
class _Renaming:
    """A change of names: `file` gets `name` (None: the name goes), and `gone` is the old name of a renaming."""

    position: int
    name: str
    file: _File | None
    gone: str | None = None

    def apply(self, names: dict[str, _File]) -> None:
        if self.gone is not None:
            names.pop(self.gone, None)
        if self.file is None:
            names.pop(self.name, None)
        else:
            names[self.name] = self.file


class Disk:
    """Plays a log from its start and can be cut at any record."""

    def __init__(self, folder: Path, before: Path | None = None) -> None:
        """Begin with an empty `folder`, or with what a copy of it, `before`, held when the log began."""
        self._folder = str(folder.resolve())
        self._names: dict[str, _File] = {}
        self._renamings: list[_Renaming] = []
        self._output = bytearray()
        for path in sorted(before.rglob("*")) if before is not None else []:
            if path.is_file() and not path.name.endswith("-shm"):
                name = str(PurePosixPath(self._folder, path.relative_to(before or path)))
                self._names[name] = _File(bytearray(path.read_bytes()))
        self._durable_names = dict(self._names)

    def play(self, record: Record) -> None:
        """Take one record in."""
        if record.kind == "A":
            self._output += record.data
        elif record.kind == "S":
            self._sync(record)
        elif record.kind == "R":
            target = record.data.decode("utf-8", "surrogateescape")
            self._rename(_Renaming(record.position, target, self._file(record), record.path))
        elif record.kind in "UC":
            self._rename(_Renaming(record.position, record.path, None if record.kind == "U" else _File()))
        else:
            self._file(record).pending.append(record)

    def _file(self, record: Record) -> _File:
        if record.path not in self._names:
            # Written without a creation in the log: it was there before, and empty as far as anybody promised.
            self._durable_names[record.path] = self._names[record.path] = _File()
        return self._names[record.path]

    def _rename(self, change: _Renaming) -> None:
        change.apply(self._names)
        self._renamings.append(change)

    def _sync(self, record: Record) -> None:
        if record.path in self._names:
            self._names[record.path].settle(record.number)
        reached = [
            number
            for number, change in enumerate(self._renamings, start=1)
            if change.position < record.number
            and record.path in (change.name, change.gone, str(PurePosixPath(change.name).parent))
        ]
        for change in self._renamings[: max(reached, default=0)]:
            change.apply(self._durable_names)
        del self._renamings[: max(reached, default=0)]

    def cut(self, chance: random.Random, position: int) -> Image:
        """Return one image of a cut here; the disk itself plays on."""
        names = dict(self._durable_names)
        for change in self._renamings[: chance.randint(0, len(self._renamings))]:
            change.apply(names)
        below = {name[len(self._folder) + 1 :]: file.after_cut(chance) for name, file in sorted(names.items())}
        lines = bytes(self._output).decode("utf-8", "replace").split("\n")[:-1]
        return Image(below, lines, position)


def images(log: Path, folder: Path, *, count: int, seed: int, before: Path | None = None) -> Iterator[Image]:
    """Yield `count` power-cut images of a run, at cut points spread over the whole log, the same for the same seed."""
    records = read_log(log)
    chance = random.Random(seed)
    # Behind the record with this number; the end of the log is always among them.
    cuts = sorted([*(chance.randint(0, len(records)) for _ in range(count - 1)), len(records)])
    disk = Disk(folder, before)
    played = 0
    for cut in cuts:
        for record in records[played:cut]:
            disk.play(record)
        played = cut
        yield disk.cut(chance, cut)
