"""What a damaged line can do: frames that are wrong and taken, replies that are right and lost, noise that is held.

Not a speed. `false_accepts` counts messages that come out of damaged frames and were never sent. The generator that
finds none must be able to find some: `blind_check` runs the same damage through the same receiver whose comparison of
check sums always agrees.
"""

import random
from pathlib import Path
from unittest.mock import patch

from firmware_bridge import clock
from firmware_bridge.adapters.modbus.frames import READ_INPUT, Registers, ReplyReader, with_crc
from firmware_bridge.adapters.modbus.profile import load_profile
from firmware_bridge.adapters.modbus.session import ModbusSession
from firmware_bridge.adapters.mt_sics.session import MtSicsSession
from firmware_bridge.adapters.mysensors.session import MySensorsSession
from firmware_bridge.adapters.senml.session import SenmlSession
from firmware_bridge.link import framing
from firmware_bridge.link.framing import DELIMITER, encode_frame
from firmware_bridge.link.messages import CmdRsp, Data, Desc, Hello, Kind, Stat, TimeRsp, encode
from firmware_bridge.link.receiver import host_receiver
from firmware_bridge.session_protocol import LineSettings
from tests.bench.link_decode import READ_BYTES, a_framer
from tests.bench.report import Figure

FRAMES, FRAMES_QUICK = 1_000_000, 100_000
BLIND_MIN = 1_000.0  # fewer, and the generator could not have found anything
STRAY_BYTES_MAX = 6
STATIONS_MAX = 247  # Modbus over Serial Line 1.02, section 2.2; pymodbus does worst with low ones
REPLIES_EACH, REPLIES_EACH_QUICK = 2_000, 300
NOISE_BYTES = 1 << 20
HELD_BYTES_MAX = 1_024.0
BURST_BYTES = 4
SEED = 20_261_122


def wrong_figures(*, is_quick: bool) -> list[Figure]:
    """Return what was taken wrongly, what was lost needlessly and what was held."""
    frames = FRAMES_QUICK if is_quick else FRAMES
    ours, theirs = modbus_recovered(REPLIES_EACH_QUICK if is_quick else REPLIES_EACH)
    return [
        Figure("false_accepts", false_accepts(frames), "messages", "damaged frames", frames),
        Figure("blind_check", blind_accepts(frames), "messages", "the least that shows the damage", BLIND_MIN),
        Figure("modbus_recovered", ours, "%", "all replies", 100.0),
        Figure("modbus_recovered_pymodbus", theirs, "%", "all replies", 100.0),
        Figure("noise_held_bytes", noise_held_bytes(), "B", "most that a port may hold", HELD_BYTES_MAX),
    ]


def false_accepts(frames: int) -> int:
    """Return how many messages that nobody sent come out of so many damaged frames."""
    return _taken(messages_of_boards(), frames)


def blind_accepts(frames: int) -> int:
    """Return the same for the same receiver when every check sum agrees."""
    sent = messages_of_boards()
    with patch.object(framing, "_crc32", lambda _body: _Agreeing()):
        return _taken(sent, frames)


def _taken(sent: list[tuple[object, bytes]], frames: int) -> int:
    source = random.Random(SEED)
    receiver = host_receiver()
    receive = receiver.receive
    found = 0
    for number in range(frames):
        message, wire = sent[number % len(sent)]
        while (changed := damaged(wire, source)) == wire:  # two equal bytes swapped, say: that is no damage
            continue
        for heard in receive(DELIMITER + changed + DELIMITER, 0):
            found += heard != message
    return found


class _Agreeing:
    """A check sum that is equal to any other."""

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


def damaged(wire: bytes, source: random.Random) -> bytes:
    """Return a frame after what happens on lines: bits turned, a burst, bytes lost, added, swapped or cut off."""
    kind = int(source.random() * 7)
    place = int(source.random() * (len(wire) - 1))  # its delimiter stays: losing it damages two frames at once
    if kind == 0:
        return wire[:place] + bytes((wire[place] ^ 1 << int(source.random() * 8),)) + wire[place + 1 :]
    if kind == 1:
        turned = bytearray(wire)
        for _ in range(2 + int(source.random() * 6)):
            turned[int(source.random() * (len(wire) - 1))] ^= 1 << int(source.random() * 8)
        return bytes(turned)
    if kind == 2:
        place = min(place, len(wire) - 1 - BURST_BYTES)
        return wire[:place] + source.randbytes(BURST_BYTES) + wire[place + BURST_BYTES :]
    if kind == 3:
        return wire[:place] + wire[place + 1 :]
    if kind == 4:
        return wire[:place] + source.randbytes(1) + wire[place:]
    if kind == 5:
        place = min(place, len(wire) - 3)
        return wire[:place] + wire[place + 1 : place + 2] + wire[place : place + 1] + wire[place + 2 :]
    return wire[:place] + DELIMITER


def messages_of_boards() -> list[tuple[object, bytes]]:
    """Return messages of every kind that a board sends, in the share that a shop sees about, with their bytes."""
    source = random.Random(SEED)
    messages: list[Data | Desc | Hello | Stat | TimeRsp | CmdRsp] = []
    for number in range(400):
        records = [
            (index * 100, index % 4, 0, source.randrange(-20_000, 20_000)) for index in range(source.randint(1, 29))
        ]
        messages.append(Data(9, number * 29, number * 3_000, records))
    for number in range(28):
        messages.append(TimeRsp(9, number, number * 60_000))
        messages.append(Stat(9, number, number, 0, 12, 5_000, 250))
        messages.append(CmdRsp(9, number + 1, 0, b""))
        uid = (number + 1).to_bytes(8, "big")
        messages.append(Hello(9, 5, 8, 61_050, 0, uid, 258, 3, 2, False, 7, 256))
        messages.append(Desc(number, Kind.TEMPERATURE, -3, 0, -55_000, 125_000, 100, 62, "Cel", f"probe-{number}"))
    pairs: list[tuple[object, bytes]] = []
    for message in messages:
        wire = encode_frame(encode(message))
        (heard,) = host_receiver().receive(wire, 0)
        pairs.append((heard, wire))
    source.shuffle(pairs)
    return pairs


def modbus_recovered(each: int) -> tuple[float, float]:
    """Return the share of replies, in per cent, found behind 1 to 6 stray bytes: here and by pymodbus."""
    source = random.Random(SEED)
    framer = a_framer()
    ours = theirs = made = 0
    for stray in range(1, STRAY_BYTES_MAX + 1):
        for _ in range(each):
            registers = [source.randrange(1 << 16) for _ in range(source.randint(1, 2))]
            data = b"".join(register.to_bytes(2, "big") for register in registers)
            station = source.randint(1, STATIONS_MAX)
            heard = source.randbytes(stray) + with_crc(bytes((station, READ_INPUT, len(data))) + data)
            found = ReplyReader(station, READ_INPUT, len(registers)).receive(heard)
            ours += isinstance(found, Registers) and found.data == data
            _used, response = framer.handleFrame(heard, station, 0)
            theirs += response is not None and response.registers == registers
            made += 1
    return 100 * ours / made, 100 * theirs / made


def noise_held_bytes() -> int:
    """Return the most that any receiver holds of 1 MiB of noise in which its own delimiter never comes."""
    line = LineSettings()
    profile = load_profile("xy-md02", Path.cwd())
    sessions = [
        ModbusSession("mb-1", profile, (), LineSettings(9_600), clock.now),
        MySensorsSession("ms-1", line, clock.now),
        SenmlSession("sl-1", line, clock.now),
        MtSicsSession("sc-1", line, clock.now),
    ]
    most = 0
    receiver = host_receiver()
    for chunk in _noise(without=DELIMITER):
        receiver.receive(chunk, 0)
        most = max(most, receiver.held_bytes)
    for session in sessions:
        session.opened(0)
        for chunk in _noise(without=b"\n"):
            session.receive(chunk, 0)
            most = max(most, session.held_bytes)
    return most


def _noise(*, without: bytes) -> list[bytes]:
    noise = random.Random(SEED).randbytes(NOISE_BYTES).replace(without, b"~")
    return [noise[start : start + READ_BYTES] for start in range(0, len(noise), READ_BYTES)]
