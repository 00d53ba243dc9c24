"""What a power cut leaves holds all that was acknowledged: images cut from the log of real processes.

The same images from builds with `synchronous=NORMAL` must lose something; SIGKILL alone cannot tell the two apart.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from node.actions.keeping import verify
from node.ledger.read import open_reader
from node.places import Places
from tests.e2e.cutting import (
    DEADLINE_S,
    IMAGES,
    RECORDS,
    Run,
    a_market_with_milk,
    a_node,
    acknowledged_before,
    cut_telemetry,
    lost_readings,
    sell_many,
)
from tests.e2e.judging import damage, lost_sales, opened
from tests.e2e.market import TIMEOUT_S
from tests.e2e.mutants import AS_IT_IS, MARKET_NOT_SYNCED, TELEMETRY_NOT_SYNCED, Build, a_mutant
from tests.faults.power import Image, images
from tests.firmware_bridge.running import until

SALES = 150
FOUNDING_BLOCKS = 2

pytestmark = pytest.mark.timeout(TIMEOUT_S)


def cut_market(folder: Path, *, build: Build = AS_IT_IS, has_node: bool = False) -> Iterator[Image]:
    """Sell under the log and yield the images of cuts."""
    run, before = Run(folder / "data", folder / "log", build), folder / "before"
    a_market_with_milk(run.data)
    # Without the ballast: 16 MiB of nothing, 200 times.
    shutil.copytree(run.data, before, ignore=shutil.ignore_patterns("ballast"))
    if has_node:
        with a_node(run):
            told = sell_many(run, SALES // 2)
            until(lambda: blocks(run.data) > FOUNDING_BLOCKS, what="larder-node seals", deadline_s=DEADLINE_S)
            told += sell_many(run, SALES // 2)
    else:
        told = sell_many(run, SALES, "--seal")
    assert len(told) == SALES
    yield from images(run.log, run.data, count=IMAGES, seed=7, before=before)


def lost_from_market(image: Image, folder: Path) -> list[str]:
    """Return the acknowledged sales an image lacks, after checking that the image is a sound market."""
    places = Places(image.write_to(folder))
    assert damage(places.market_db) == []
    reader = open_reader(places)
    try:
        verify(reader, places)
    finally:
        reader.close()
    return lost_sales(places.market_db, set(image.acknowledged))


@pytest.mark.slow
@pytest.mark.parametrize("has_node", [False, True], ids=["sealing itself", "beside larder-node"])
def test_no_image_of_a_power_cut_lacks_an_acknowledged_sale(tmp_path: Path, has_node: bool) -> None:
    cuts = list(cut_market(tmp_path, has_node=has_node))
    losing = [image.cut for image in cuts if lost_from_market(image, tmp_path / "image")]
    assert (len(cuts), losing) == (IMAGES, [])
    assert len(cuts[-1].acknowledged) == SALES
    assert blocks(tmp_path / "image") >= FOUNDING_BLOCKS + 2  # the last image is the end of the log


def blocks(data: Path) -> int:
    """Return how many blocks are sealed."""
    with closing(opened(Places(data).market_db)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM block").fetchone()
    return int(count)


@pytest.mark.slow
def test_a_market_that_does_not_sync_its_commits_loses_sales(tmp_path: Path) -> None:
    build = a_mutant(tmp_path / "build", MARKET_NOT_SYNCED)
    cuts = cut_market(tmp_path, build=build)
    assert any(lost_from_market(image, tmp_path / "image") for image in cuts)


@pytest.mark.slow
def test_no_image_of_a_power_cut_lacks_an_acknowledged_reading(tmp_path: Path) -> None:
    cuts = list(cut_telemetry(tmp_path))
    losing = [image.cut for image in cuts if lost_readings(image, tmp_path / "image")]
    assert (len(cuts), losing) == (IMAGES, [])
    assert acknowledged_before(cuts[-1].acknowledged) == RECORDS


@pytest.mark.slow
def test_a_bridge_that_does_not_sync_its_commits_loses_readings(tmp_path: Path) -> None:
    build = a_mutant(tmp_path / "build", TELEMETRY_NOT_SYNCED)
    cuts = cut_telemetry(tmp_path, build=build)
    assert any(lost_readings(image, tmp_path / "image") for image in cuts)
