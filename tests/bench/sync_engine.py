"""One engine in a process of its own: `python -m tests.bench.sync_engine ENGINE COUNT PER_BLOCK FOLDER`, for `sync`."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def measured(engine: str, count: int, per_block: int, folder: Path) -> dict[str, float]:
    """Run one engine over the workload. Imports only what that engine needs, since its memory is measured too."""
    if engine == "raw":
        from tests.bench import sync_raw

        return sync_raw.merge(folder, count)
    if engine == "ours":
        from tests.bench import sync_ours

        return sync_ours.merge(folder, count, per_block)
    if engine == "one by one":
        from tests.bench import sync_ours

        return sync_ours.one_by_one(folder, count)
    from tests.bench import sync_crdt

    make = {"pycrdt": sync_crdt.PycrdtReplica, "loro": sync_crdt.LoroReplica}[engine]
    return sync_crdt.merge(make, folder, count)


def peak_rss_mb() -> float:
    """Return the most memory that this process ever held (the kernel's VmHWM, in kB there)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


if __name__ == "__main__":
    _engine, _count, _per_block, _folder = sys.argv[1:]
    found = measured(_engine, int(_count), int(_per_block), Path(_folder))
    print(json.dumps(found | {"peak_rss_mb": peak_rss_mb()}))
