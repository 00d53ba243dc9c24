"""`larder-bridge`: read every sensor board, keep what they say.

Not a protocol and not a store: reads the command line, opens the folder, shows faults. The one boundary of the process.
Exit codes: 0 ended as asked, 1 refused, 2 usage, 3 try again.
"""

import contextlib
import os
import random
import signal
import sqlite3
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from firmware_bridge import clock
from firmware_bridge.decimals import milli_from_text
from firmware_bridge.errors import BridgeFault, LocalFault
from firmware_bridge.language import _
from firmware_bridge.settings import (
    COMMIT_INTERVAL_S_MAX,
    COMMIT_INTERVAL_S_MIN,
    DATA_DEFAULT,
    BridgeSettings,
    load_settings,
    settings_path,
)
from firmware_bridge.store.files import is_ready, make_folder, take_lock
from firmware_bridge.store.protection import Bounds
from firmware_bridge.store.room import Policy, Thinner
from firmware_bridge.store.store import Store
from firmware_bridge.supervisor import Adapter, Supervisor
from firmware_bridge.urgency import AlarmBounds
from firmware_bridge.writer import Writer

DATA_VARIABLE = "LARDER_DATA"
UMASK = 0o007  # what the group shares, nobody else sees (OPS section 3)
EXIT_REFUSED, EXIT_TRY_AGAIN = 1, 3


class Program(click.Group):
    """The bridge itself, and `ports` for a person; what the bridge does not need is loaded only for that."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        return ["ports"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name != "ports":
            return None
        from firmware_bridge.port_verbs.verbs import ports_group

        return ports_group


@click.command(
    cls=Program,
    invoke_without_command=True,
    subcommand_metavar="[ports ...]",
    name="larder-bridge",
    help=_("Read the sensor boards on the serial ports and keep what they say in DIR/telemetry/telemetry.db."),
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=lambda: os.environ.get(DATA_VARIABLE, DATA_DEFAULT),
    help=_("The data folder; LARDER_DATA or /var/lib/larder when not given."),
    metavar="DIR",
)
@click.option("--ports", multiple=True, metavar="GLOB", help=_("Ports to look at; may be given again."))
@click.option(
    "--commit-interval-s",
    type=click.IntRange(COMMIT_INTERVAL_S_MIN, COMMIT_INTERVAL_S_MAX),
    default=None,
    help=_("Longest time an ordinary reading waits for the disk, in seconds; 5 where nothing is said."),
)
@click.option(
    "--alarm-above",
    multiple=True,
    metavar="NAME=VALUE",
    help=_("Keep a value of the channel NAME at once when it is above VALUE; may be given again."),
)
@click.option(
    "--alarm-below",
    multiple=True,
    metavar="NAME=VALUE",
    help=_("Keep a value of the channel NAME at once when it is below VALUE; may be given again."),
)
@click.pass_context
def command(
    context: click.Context,
    data: Path,
    ports: tuple[str, ...],
    commit_interval_s: int | None,
    alarm_above: tuple[str, ...],
    alarm_below: tuple[str, ...],
) -> None:
    """Run the bridge until SIGTERM or SIGINT, unless something else is asked."""
    if context.invoked_subcommand is not None:
        context.obj = data
        return
    above, below = _bounds(alarm_above, "--alarm-above"), _bounds(alarm_below, "--alarm-below")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_unused: stopping.set())
    try:
        settings = load_settings(settings_path(data))
        settings = replace(
            settings,
            ports=ports or settings.ports,
            commit_interval_s=commit_interval_s or settings.commit_interval_s,
            alarm_above={**settings.alarm_above, **above},
            alarm_below={**settings.alarm_below, **below},
        )
        if not make_ready(data, stopping):
            # What makes tables is larger than the bridge itself and would stay in memory for as long as it runs.
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        run(data, settings, stopping)
    except BridgeFault as fault:
        click.echo(f"{fault.message}\n{fault.hint}", err=True)
        sys.exit(EXIT_TRY_AGAIN if fault.is_transient else EXIT_REFUSED)


def make_ready(data: Path, stopping: threading.Event) -> bool:
    """Make or migrate the tables if that is to be done; returns whether this process may go on as it is.

    Raises BridgeFault.
    """
    database = data / "telemetry" / "telemetry.db"
    if is_ready(database):
        return True
    store, lock = open_folder(data)
    with contextlib.suppress(sqlite3.Error):
        store.close()
    os.close(lock)
    return stopping.is_set() or not is_ready(database)


def open_folder(data: Path) -> tuple[Store, int]:
    """Make the folders, take the lock and open the store; returns it with the lock's descriptor. Raises BridgeFault."""
    os.umask(UMASK)
    telemetry = data / "telemetry"
    try:
        for folder in (telemetry, telemetry / "ask", data / "run"):
            make_folder(folder)
        lock = take_lock(telemetry / "telemetry.lock")
        return Store(telemetry / "telemetry.db", clock.now()), lock
    except (OSError, sqlite3.Error) as error:
        raise _folder_fault(data, error) from error


def run(data: Path, settings: BridgeSettings, stopping: threading.Event) -> None:
    """Run the bridge on a data folder until `stopping` is set. Raises BridgeFault with all that stops it."""
    adapters: Mapping[str, Adapter] = {}
    if settings.adapters:
        from firmware_bridge.adapters.making import prepare_adapters  # none of it where only boards are read

        adapters = prepare_adapters(settings, clock.now)
    store, lock = open_folder(data)
    try:
        bounds = AlarmBounds(dict(settings.alarm_above), dict(settings.alarm_below))
        interval_ms = settings.commit_interval_s * 1000
        kept = Policy(
            settings.keep_raw_days,
            settings.keep_buckets_days,
            settings.telemetry_max_mb,
            Bounds(settings.alarm_above, settings.alarm_below),
        )
        thinner = Thinner(store.conn, data / "telemetry" / "telemetry.db", kept)
        writer = Writer(store, clock.now, interval_ms=interval_ms, bounds=bounds, thinner=thinner)
        beat = data / "run" / "bridge.json"
        supervisor = Supervisor(
            writer,
            settings.ports,
            beat,
            clock.now,
            clock.boottime_ms,
            random.Random(),
            exclude=settings.exclude,
            adapters=adapters,
            asks=data / "telemetry" / "ask",
        )
        supervisor.run(stopping)
    except sqlite3.Error as error:
        raise LocalFault(
            "telemetry.failed",
            _("The temperature log cannot be written: {reason}").format(reason=error),
            _("It is looked at when the bridge starts again; nothing unacknowledged is lost."),
            is_transient=True,
        ) from error
    finally:
        with contextlib.suppress(sqlite3.Error):  # the log file stays and is read again at the next start
            store.close()
        os.close(lock)


def _folder_fault(data: Path, error: Exception) -> LocalFault:
    return LocalFault(
        "bridge.folder",
        _("The data folder {folder} cannot be used: {reason}").format(folder=data, reason=error),
        _("Check that the folder exists, has room, and belongs to the group larder."),
        is_transient=True,
    )


def _bounds(texts: tuple[str, ...], option: str) -> dict[str, int]:
    bounds = {}
    for text in texts:
        name, _separator, value = text.partition("=")
        try:
            bounds[name] = milli_from_text(value)
        except ValueError:
            message = _("{text} is not NAME=VALUE with a number of at most 3 decimals.").format(text=text)
            raise click.BadParameter(message, param_hint=option) from None
    return bounds


def main() -> None:
    """Start the bridge as a program."""
    command()


if __name__ == "__main__":
    main()
