"""Other people's hardware at the far end of a cable: scripted, or a real Modbus server of pymodbus. Builders."""

import asyncio
import os
import random
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusSerialServer

from tests.firmware_bridge.cables import READ_BYTES, Cable

Answer = Callable[[bytes], bytes]


class Peer:
    """A thread that answers what comes over a cable, and says something of its own now and then."""

    def __init__(self, cable: Cable, answer: Answer, *, says: Callable[[], bytes] | None = None, each_s: float = 0.1):
        self._cable, self._answer, self._says, self._each_s = cable, answer, says, each_s
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            ready, _w, _x = select.select([self._cable.ours, self._wake], [], [], self._each_s)
            if self._wake in ready:
                return
            said = b""
            if ready:
                said = self._answer(os.read(self._cable.ours, READ_BYTES))
            elif self._says is not None:
                said = self._says()
            if said:
                os.write(self._cable.ours, said)

    def end(self) -> None:
        os.close(self._waker)
        self._thread.join(5)
        os.close(self._wake)
        self._cable.pull()


@contextmanager
def a_peer(name: Path, answer: Answer, **options: Any) -> Iterator[Peer]:
    """Plug in scripted hardware under a name."""
    peer = Peer(Cable(name), answer, **options)
    try:
        yield peer
    finally:
        peer.end()


def by_line(reply: Callable[[bytes], bytes]) -> Answer:
    """Answer each whole line (without CR and LF) with bytes."""
    held = b""

    def answer(data: bytes) -> bytes:
        nonlocal held
        *lines, held = (held + data).split(b"\n")
        return b"".join(reply(line.removesuffix(b"\r")) for line in lines)

    return answer


class ModbusStation:
    """A station of pymodbus behind a cable; between them a wire that may add noise in front of replies and echo."""

    def __init__(
        self, name: Path, registers: dict[int, list[int]], *, noise: random.Random | None, echoes: bool
    ) -> None:
        """registers: by station address, input registers from 0 on."""
        self.name = name
        self._far, self._server_end = os.openpty()
        self._cable = Cable(name)
        self._noise, self._echoes = noise, echoes
        self._registers = registers
        self._wake, self._waker = os.pipe()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._serve, self._carry)]
        for thread in self._threads:
            thread.start()
        assert self._ready.wait(10), "the server of pymodbus listens"

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())

    async def _listen(self) -> None:
        devices = {}
        for unit, values in self._registers.items():
            block = ModbusSequentialDataBlock(1, values)
            devices[unit] = ModbusDeviceContext(ir=block, hr=ModbusSequentialDataBlock(1_000, [0]))
        context = ModbusServerContext(devices=devices, single=False)
        path = os.ttyname(self._server_end)
        self._server = ModbusSerialServer(context, port=path, baudrate=9_600)
        serving = asyncio.ensure_future(self._server.serve_forever())
        await asyncio.sleep(0)
        self._loop.call_later(0.05, self._ready.set)
        await asyncio.wait([serving])

    def _carry(self) -> None:
        near, far = self._cable.ours, self._far
        while True:
            ready, _w, _x = select.select([near, far, self._wake], [], [])
            if self._wake in ready:
                return
            if near in ready:
                data = os.read(near, READ_BYTES)
                if self._echoes:
                    os.write(near, data)
                if data[0] in self._registers:  # pymodbus would refuse for a station that is not there
                    os.write(far, data)
            if far in ready:
                data = os.read(far, READ_BYTES)
                if self._noise is not None:
                    data = self._noise.randbytes(self._noise.randint(1, 6)) + data
                os.write(near, data)

    def end(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(10)
        os.close(self._waker)
        for thread in self._threads:
            thread.join(5)
        for descriptor in (self._wake, self._far, self._server_end):
            os.close(descriptor)
        self._loop.close()
        self._cable.pull()


@contextmanager
def a_modbus_station(
    name: Path, registers: dict[int, list[int]], *, noise: random.Random | None = None, echoes: bool = False
) -> Iterator[ModbusStation]:
    """Plug in stations of pymodbus under a name."""
    station = ModbusStation(name, registers, noise=noise, echoes=echoes)
    try:
        yield station
    finally:
        station.end()
