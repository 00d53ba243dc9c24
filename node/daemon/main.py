"""`larder-node`: starts the keeper, restarts it when it fails, says how it is, ends cleanly.

Not the work itself. One per market: a second one is refused. Restarts follow one named policy.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import sys
import threading
from pathlib import Path

import click
from tenacity import Retrying, retry_if_exception_type, stop_never, wait_exponential_jitter

from node import VERSION, clock
from node.daemon.keeper import Keeper, sentence_of
from node.daemon.notify import notify, report
from node.errors import N_, LarderError, Refused
from node.health import write_heartbeat
from node.language import _, error_text
from node.ledger.read import open_reader
from node.places import Places, places_from_environment

HEARTBEAT_EVERY_S = 10.0
# A worker whose last beat is older than this is stuck, and the watchdog must not be fed.
BEAT_MAX_AGE_S = 45.0
STOP_WITHIN_S = 8.0
RESTART_FIRST_S = 0.5
RESTART_LAST_S = 30.0

EXIT_REFUSED = 1
EXIT_AGAIN = 3


class Node:
    """One running larder-node: its worker, the last word of the worker, and the stop signal."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._stop = threading.Event()
        self._news = threading.Event()
        self._beaten_s = clock.monotonic_s()
        self._trouble = ""

    def stop(self) -> None:
        """Ask everything to end."""
        self._stop.set()
        self._news.set()

    def run(self) -> None:
        """Work until stopped."""
        worker = threading.Thread(target=self._keep, name="keeper", daemon=True)
        worker.start()
        notify("READY=1", f"STATUS={_('Keeping the ledger.')}")
        while not self._stop.is_set():
            self._news.clear()
            self._say("running")
            self._news.wait(HEARTBEAT_EVERY_S)
        notify("STOPPING=1")
        worker.join(STOP_WITHIN_S)
        self._say("stopped")

    def _keep(self) -> None:
        keeper = Keeper(self._places, stop=self._stop, beat=self._beat)
        policy = Retrying(
            retry=retry_if_exception_type((LarderError, OSError, sqlite3.Error)),
            wait=wait_exponential_jitter(multiplier=RESTART_FIRST_S, max=RESTART_LAST_S),
            stop=stop_never,
            sleep=self._pause,
        )
        for attempt in policy:
            with attempt:
                if self._stop.is_set():
                    return
                self._keep_once(keeper)

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _keep_once(self, keeper: Keeper) -> None:
        try:
            keeper.run()
        except LarderError as error:
            self._in_trouble(sentence_of(error))
            raise
        except (OSError, sqlite3.Error) as error:
            self._in_trouble(str(error))
            raise

    def _in_trouble(self, sentence: str) -> None:
        self._beat(sentence)
        report(sentence)

    def _beat(self, trouble: str) -> None:
        self._beaten_s = clock.monotonic_s()
        if trouble != self._trouble:
            self._trouble = trouble
            self._news.set()

    def _say(self, state: str) -> None:
        is_alive = clock.monotonic_s() - self._beaten_s < BEAT_MAX_AGE_S
        if is_alive:
            notify("WATCHDOG=1")
        elif state != "stopped":
            return  # a heartbeat would say "here" of a worker that does nothing; without one it reads as away
        try:
            write_heartbeat(self._places.node_heartbeat, clock.now(), state=state, message=self._trouble)
        except OSError as error:
            report(f"heartbeat not written: {error.strerror}")


def hold_node_lock(places: Places) -> int:
    """Take the lock that makes this the only larder-node of the market. Raises Refused where another has it."""
    places.run.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(places.node_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise Refused(
            "node.running",
            N_("larder-node is already running for this market (process {pid})."),
            N_("One is enough. To start it anew, end that one first."),
            pid=holder or "?",
        ) from error
    os.pwrite(descriptor, f"{os.getpid()}\n".encode().ljust(20), 0)
    return descriptor


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help=_("The folder of the market (else LARDER_DATA)."))
@click.version_option(VERSION, prog_name="larder-node")
def main(data: Path | None) -> None:
    """Keep one market's ledger: sign what staff did, keep the database small."""
    places = places_from_environment(data)
    try:
        open_reader(places).close()
        lock = hold_node_lock(places)
    except LarderError as error:
        message, hint = error_text(error)
        click.echo(message, err=True)
        click.echo(hint, err=True)
        sys.exit(EXIT_AGAIN if error.is_transient else EXIT_REFUSED)
    except OSError as error:
        reason = error.strerror or str(error)
        click.echo(
            _("The folder {folder} cannot be used ({reason}).").format(folder=places.root, reason=reason), err=True
        )
        click.echo(_("Check that the card takes writes and that you belong to the group of this market."), err=True)
        sys.exit(EXIT_REFUSED)
    node = Node(places)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: node.stop())
    try:
        node.run()
    finally:
        os.close(lock)


if __name__ == "__main__":
    main()
