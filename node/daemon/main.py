"""`larder-node`: starts its workers, says how they are, ends cleanly.

Not the work itself and not its restarts (`supervisor`). One per market: a second one is refused.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from node import VERSION, clock
from node.daemon.keeper import Keeper
from node.daemon.notify import notify, report
from node.daemon.supervisor import Beat, Worker
from node.errors import N_, LarderError, Refused
from node.health import write_heartbeat
from node.language import _, error_text
from node.ledger.jobs import Jobs, do_now
from node.ledger.read import open_reader
from node.ledger.store import Transaction
from node.places import Places, places_from_environment
from node.sync.audience import Audience

HEARTBEAT_EVERY_S = 10.0
STOP_WITHIN_S = 8.0
# A worker waits so long for its row to be written; with the longest question still less than the age of a stuck beat.
WRITE_WITHIN_S = 10.0

EXIT_REFUSED = 1
EXIT_AGAIN = 3


class Node:
    """One running larder-node: its workers, what they share, and the stop signal."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._stop = threading.Event()
        self._stop_keeper = threading.Event()
        self._news = threading.Event()
        self._jobs = Jobs()
        self._audience = Audience()
        # One entry a worker. The keeper stands apart: without it nothing is kept, so it decides if the node is here.
        work = {"sync": self._sync, "planner": self._ask_planner, "shelves": self._read_shelves}
        keeper = Worker("keeper", self._keep, stop=self._stop_keeper, on_news=self._news.set)
        others = [Worker(name, run, stop=self._stop, on_news=self._news.set) for name, run in work.items()]
        self._workers = [keeper, *others]

    def stop(self) -> None:
        """Ask everything to end."""
        self._stop.set()
        self._news.set()

    def run(self) -> None:
        """Work until stopped."""
        for worker in self._workers:
            worker.start()
        notify("READY=1", f"STATUS={_('Keeping the ledger.')}")
        while not self._stop.is_set():
            self._news.clear()
            self._say("running")
            self._news.wait(HEARTBEAT_EVERY_S)
        notify("STOPPING=1")
        # The keeper last: it does what the others leave behind, and its connection must be the last one closed, since
        # only a writer folds the log into the database.
        keeper, *others = self._workers
        end_s = clock.monotonic_s() + STOP_WITHIN_S
        for worker in others:
            worker.join(max(0.0, end_s - clock.monotonic_s()))
        self._stop_keeper.set()
        keeper.join(STOP_WITHIN_S)
        self._say("stopped")

    def _keep(self, beat: Beat) -> None:
        Keeper(self._places, jobs=self._jobs, audience=self._audience, stop=self._stop_keeper, beat=beat).run()

    def _sync(self, beat: Beat) -> None:
        # Loaded here: where its library is missing, this worker says so and the keeper keeps.
        from node.sync.driver import SyncDriver

        SyncDriver(self._places, jobs=self._jobs, audience=self._audience, stop=self._stop, beat=beat).run()

    def _ask_planner(self, beat: Beat) -> None:
        from node.planner.central.worker import PlannerWorker

        PlannerWorker(self._places, submit=self._submit, stop=self._stop, beat=beat).run()

    def _read_shelves(self, beat: Beat) -> None:
        from node.daemon.shelves import ShelfWorker

        ShelfWorker(self._places, submit=self._submit, stop=self._stop, beat=beat).run()

    def _submit(self, purpose: str, work: Callable[[Transaction], Any], /) -> Any:
        return do_now(self._jobs, purpose, work, within_s=WRITE_WITHIN_S)

    def _say(self, state: str) -> None:
        if all(worker.is_alive() for worker in self._workers):
            notify("WATCHDOG=1")
        if state != "stopped" and not self._workers[0].is_alive():
            return  # a heartbeat would say "here" of a keeper that does nothing; without one it reads as away
        # Two workers that miss the same thing say the same sentence; it is said once.
        troubles = dict.fromkeys(worker.trouble for worker in self._workers if worker.trouble)
        try:
            write_heartbeat(self._places.node_heartbeat, clock.now(), state=state, message=" ".join(troubles))
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
