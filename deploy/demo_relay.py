"""The network between the demo's two markets: a TCP relay on loopback that can be cut and healed without root.

It knows nothing of what passes. Everything through it is bytes; while it is cut, every connection is ended at once and
none comes about. It ends with whoever started it, because it then reads the end of its input.

    python3 deploy/demo_relay.py 21901:8883 21902:8884     from the first port of each pair to the second

Reads `cut` and `heal`, a line each, from standard input, and answers with the same word once it is so.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
# Two markets with two connections each, and those that are just ending.
CONNECTIONS_MAX = 64


class Relay:
    """Passes bytes on, or nothing at all."""

    def __init__(self) -> None:
        self._is_cut = False
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End every connection and let none come about."""
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def heal(self) -> None:
        """Let connections come about again."""
        self._is_cut = False

    async def serve(self, port: int, target: int) -> None:
        """Listen on a port for what goes to another one. Raises OSError where the port is taken."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._pass_on(reader, writer, target)

        await asyncio.start_server(connected, HOST, port)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int) -> None:
        if self._is_cut or len(self._open) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            onward_reader, onward = await asyncio.open_connection(HOST, target)
            self._open.add(onward)
            try:
                await asyncio.gather(_pump(reader, onward), _pump(onward_reader, writer))
            finally:
                self._open.discard(onward)
                onward.transport.abort()
        except OSError:
            pass  # one side is gone, which the other one learns just below
        finally:
            self._open.discard(writer)
            writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on in one direction to the end, then say the end."""
    while content := await reader.read(CHUNK_BYTES):
        writer.write(content)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof() if writer.can_write_eof() else writer.close()


async def _main(pairs: list[tuple[int, int]]) -> None:
    loop, relay, ended = asyncio.get_running_loop(), Relay(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    for port, target in pairs:
        await relay.serve(port, target)

    async def obey() -> None:
        orders = {"cut": relay.cut, "heal": relay.heal}
        words = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
        print("ready", flush=True)
        while line := await words.readline():
            word = line.decode("ascii", "replace").strip()
            if word in orders:
                orders[word]()
                print(word, flush=True)
        ended.set()

    obeying = asyncio.create_task(obey())
    await ended.wait()
    relay.cut()
    obeying.cancel()


def main() -> int:
    """Pass bytes on until told to end; return the exit code."""
    try:
        pairs = [tuple(map(int, pair.split(":", 1))) for pair in sys.argv[1:]]
    except ValueError:
        pairs = []
    if not pairs or any(len(pair) != 2 for pair in pairs):
        print("name pairs of ports, such as 21901:8883", file=sys.stderr)
        return 2
    try:
        asyncio.run(_main([(pair[0], pair[1]) for pair in pairs]))
    except OSError as error:
        print(f"the relay cannot listen: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
