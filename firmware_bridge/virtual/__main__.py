"""`python -m firmware_bridge.virtual`: one virtual sensor board on a pseudo terminal of its own.

Not a part of an installed market: for the demo, for tests, and for trying a bridge without hardware.
"""

import random
import signal
import sys
import threading
from pathlib import Path
from typing import TextIO

import click

from firmware_bridge import clock
from firmware_bridge.language import _
from firmware_bridge.link.messages import UID_BYTES
from firmware_bridge.link.ring import RING_RECORDS_MAX, RING_RECORDS_MIN, Ring
from firmware_bridge.virtual.board import Board, BoardPlan, Produced, open_ring
from firmware_bridge.virtual.line import Line
from firmware_bridge.virtual.replay import Replay, read_replay

POLL_S = 0.02  # the board's own loop
RING_DEFAULT = 4_096
BOOTS = 1 << 16
EXIT_REFUSED = 1


def _uid(_context: click.Context, _parameter: click.Parameter, text: str) -> bytes:
    try:
        uid = bytes.fromhex(text)
    except ValueError:
        uid = b""
    if len(uid) != UID_BYTES or uid in (bytes(UID_BYTES), b"\xff" * UID_BYTES):
        raise click.BadParameter(_("a uid is 16 hex digits, not all 0 and not all f"))
    return uid


@click.command(help=_("Be a sensor board on a pseudo terminal that PATH points to, until SIGTERM."))
@click.option("--link", type=click.Path(path_type=Path), required=True, metavar="PATH")
@click.option("--uid", callback=_uid, required=True, metavar="HEX")
@click.option("--name", default="fridge-1", show_default=True, help=_("Name of the measured channel, 16 characters."))
@click.option("--kind", type=click.Choice(["fridge", "freezer", "shelf", "ambient"]), default="fridge")
@click.option("--door", is_flag=True, help=_("Also report a door, edge by edge."))
@click.option("--period-s", type=click.FloatRange(0.01, 3600), default=1.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--replay", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE.csv")
@click.option("--column", help=_("The column of the value in the replayed file."))
@click.option("--speed", type=click.FloatRange(0.001, 1_000_000), default=1.0, help=_("Seconds of the place a second."))
@click.option("--ring", type=click.IntRange(RING_RECORDS_MIN, RING_RECORDS_MAX), default=RING_DEFAULT)
@click.option("--state", type=click.Path(path_type=Path), help=_("Keep the ring in this file over restarts."))
@click.option("--produced", type=click.Path(path_type=Path), help=_("Append a line for each record made."))
def command(
    link: Path,
    uid: bytes,
    name: str,
    kind: str,
    door: bool,
    period_s: float,
    seed: int,
    replay: Path | None,
    column: str | None,
    speed: float,
    ring: int,
    state: Path | None,
    produced: Path | None,
) -> None:
    """Be a sensor board until SIGTERM or SIGINT."""
    if len(name) > 16 or not name.isascii() or not name.isprintable():
        raise click.BadParameter(_("at most 16 printable ASCII characters"), param_hint="--name")
    recorded: Replay | None = None
    if replay is not None:
        try:
            recorded = read_replay(replay, column)
        except (OSError, ValueError) as error:
            raise click.BadParameter(str(error), param_hint="--replay") from error
    plan = BoardPlan(uid, name, kind, door, period_s, speed, seed, recorded)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_unused: stopping.set())
    try:
        _run(plan, link, open_ring(state, ring, random.Random().randrange(BOOTS)), produced, stopping)
    except OSError as error:
        click.echo(_("The virtual board cannot go on: {reason}").format(reason=error), err=True)
        sys.exit(EXIT_REFUSED)


def _run(plan: BoardPlan, link: Path, ring: Ring, produced: Path | None, stopping: threading.Event) -> None:
    log = produced.open("a", encoding="ascii") if produced is not None else None
    line: Line | None = None
    try:
        board = Board(plan, ring, None if log is None else _appending(log))
        started_ms = clock.boottime_ms()
        line = Line(link)
        click.echo(f"ready {link}")
        sys.stdout.flush()
        data = b""
        while not stopping.is_set():
            output = board.step(data, clock.boottime_ms() - started_ms)
            if output:
                line.write(output)
            data = line.wait(POLL_S)
    finally:
        if line is not None:
            line.close()
        if log is not None:
            log.close()


def _appending(log: TextIO) -> Produced:
    def append(boot: int, seq: int, channel: int, status: int, value: int, uptime_ms: int) -> None:
        log.write(f"{boot} {seq} {channel} {status} {value} {uptime_ms}\n")
        log.flush()

    return append


if __name__ == "__main__":
    command()
