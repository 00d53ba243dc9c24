"""Run the embedded broker for one market until told to stop or until the process that started it is gone.

Not supervised and not durable; it forgets everything when it ends, as every broker of ours may.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from node.errors import LarderError
from node.language import _, error_text
from node.ledger.names import node_id
from node.ledger.read import open_reader
from node.places import Places
from node.sync.broker import BrokerFiles, broker_files, write_rights
from node.sync.certificates import ensure_certificate

CONNECTIONS_MAX = 64
EXIT_REFUSED, EXIT_MISSING = 1, 3
_PR_SET_PDEATHSIG = 1  # prctl(2)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="The folder of the market.")
@click.option("--port", type=int, required=True, help="Port on loopback for this market's own node.")
@click.option("--tls-port", type=int, required=True, help="Port on loopback for paired markets.")
def main(data: Path, port: int, tls_port: int) -> None:
    """Run a small MQTT broker for one market, for the demo and for tests."""
    end_with_parent(os.getppid())
    try:
        from amqtt.broker import Broker  # type: ignore[import-untyped]
    except ImportError:
        click.echo(_("The embedded broker needs the package amqtt (the extra named demo)."), err=True)
        sys.exit(EXIT_MISSING)
    places = Places(data)
    try:
        connection = open_reader(places)
        try:
            origin = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()[0]
            ensure_certificate(places, node_id=node_id(origin))
            write_rights(places, connection)
        finally:
            connection.close()
    except LarderError as error:
        for sentence in error_text(error):
            click.echo(sentence, err=True)
        sys.exit(EXIT_REFUSED)
    logging.basicConfig(level=logging.CRITICAL)
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    asyncio.run(_serve(Broker, _config(places, broker_files(places), port, tls_port)))


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process when the one that started it ends, however that happens."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)  # it ended before the kernel was asked


def _config(places: Places, files: BrokerFiles, port: int, tls_port: int) -> dict[str, Any]:
    own = {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": CONNECTIONS_MAX}
    peers = {
        "type": "tcp",
        "bind": f"127.0.0.1:{tls_port}",
        "max_connections": CONNECTIONS_MAX,
        "ssl": True,
        "certfile": str(places.tls_certificate),
        "keyfile": str(places.tls_key),
    }
    logins = {"passwords": str(files.passwords), "rights": str(files.rights)}
    return {
        "listeners": {"default": own, "peers": peers},
        "plugins": {"node.sync.embedded.logins.LarderLogins": logins},
    }


async def _serve(broker_class: Any, config: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    broker = broker_class(config)
    await broker.start()
    click.echo("ready", err=True)
    await told.wait()
    await broker.shutdown()


if __name__ == "__main__":
    main()
