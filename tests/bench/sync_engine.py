"""One step of one engine in a process of its own, for `sync`.

`python -m tests.bench.sync_engine write|merge ENGINE COUNT PER_BLOCK FOLDER`. `write` makes the replicas that are
apart, `merge` opens their files and brings them together, so that it alone is measured, memory included.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ONE_BY_ONE = "one by one"


def step(name: str, engine: str, count: int, per_block: int, folder: Path) -> dict[str, float]:
    """Run a step. Imports only what its engine needs, since memory is measured too."""
    if engine == "raw":
        from tests.bench import sync_raw

        return sync_raw.merge(folder, count) if name == "merge" else {}
    if engine in {"ours", ONE_BY_ONE}:
        if name == "merge" and engine == "ours":
            from tests.bench import sync_ours

            return sync_ours.merge(folder, count)
        from tests.bench import sync_apart

        if name == "merge":
            return sync_apart.one_by_one(folder, count)
        if engine == "ours":
            sync_apart.write_apart(folder, count, per_block)
        return {}
    from tests.bench import sync_crdt

    make = {"pycrdt": sync_crdt.PycrdtReplica, "loro": sync_crdt.LoroReplica}[engine]
    if name == "merge":
        return sync_crdt.merge(make, folder, count)
    sync_crdt.write(make, folder, count)
    return {}


def peak_rss_mb() -> float:
    """Return the most memory that this process ever held (the kernel's VmHWM, in kB there)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


if __name__ == "__main__":
    _name, _engine, _count, _per_block, _folder = sys.argv[1:]
    # What the step before wrote must not have to reach the disk within the time of this one.
    os.sync()
    found = step(_name, _engine, int(_count), int(_per_block), Path(_folder))
    print(json.dumps(found | {"peak_rss_mb": peak_rss_mb()}))
