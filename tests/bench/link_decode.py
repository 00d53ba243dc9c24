"""How fast bytes become readings: ours against the rate of the line, and against what others need for theirs.

Not the way from a port to the disk. Everything here runs in memory, through the receivers of the running bridge; the
peers are driven by the calls that their own reader threads make. Best of several rounds each: other work on the
computer only ever slows a round.
"""

import logging
import time
from collections.abc import Callable

from mysensors.gateway_serial import SerialGateway
from pymodbus.framer.rtu import FramerRTU
from pymodbus.pdu import DecodePDU

from firmware_bridge.adapters.modbus.frames import READ_INPUT, Registers, ReplyReader, with_crc
from firmware_bridge.link.framing import encode_frame
from firmware_bridge.link.messages import RECORDS_MAX, Data, encode
from firmware_bridge.link.receiver import host_receiver
from tests.bench.report import Figure

LINE_BYTES_PER_S = 11_520.0  # 115,200 baud, 10 bits a byte
FAST_LINE_BYTES_PER_S = 300_000.0  # 3 Mbaud
READ_BYTES = 4_095  # what a terminal gives in one read (LINK section 9)
SMALL_READ_BYTES = 16
ROUNDS = 7
LINES, REPLIES = 4_000, 4_000
STATION = 1
REGISTERS = (1, 2)  # what our profiles ask for at once: one number of 16 or of 32 bits


def decode_figures(*, is_quick: bool) -> list[Figure]:
    """Return every figure about decoding."""
    frames = 800 if is_quick else 4_000
    bytes_per_s, ours_per_s = decoded_per_s(frames)
    small_per_s, _ = decoded_per_s(200, SMALL_READ_BYTES)
    one_by_one_per_s = decoded_per_s(frames, records=1)[1]
    theirs_per_s = pymysensors_per_s()
    ours_replies_per_s, theirs_replies_per_s = replies_per_s()
    return [
        Figure("decode", bytes_per_s, "B/s", "line rate", LINE_BYTES_PER_S),
        Figure("decode_115200", bytes_per_s, "B/s", "line rate of 115,200 baud", LINE_BYTES_PER_S),
        Figure("decode_3m", bytes_per_s, "B/s", "line rate of 3 Mbaud", FAST_LINE_BYTES_PER_S),
        Figure("decode_16_byte_chunks", small_per_s, "B/s", "line rate of 115,200 baud", LINE_BYTES_PER_S),
        Figure("decode_pymysensors", ours_per_s, "readings/s", "pymysensors", theirs_per_s),
        Figure("decode_pymysensors_one_a_frame", one_by_one_per_s, "readings/s", "pymysensors", theirs_per_s),
        Figure("decode_pymodbus", ours_replies_per_s, "replies/s", "pymodbus", theirs_replies_per_s),
    ]


def decoded_per_s(frames: int, chunk_bytes: int = READ_BYTES, *, records: int = RECORDS_MAX) -> tuple[float, float]:
    """Return wire bytes and readings decoded a second, in reads of so many bytes."""
    stream = b"".join(_frame(number, records) for number in range(frames))
    chunks = [stream[start : start + chunk_bytes] for start in range(0, len(stream), chunk_bytes)]

    def once() -> None:
        receiver = host_receiver()
        found = 0
        for chunk in chunks:
            for message in receiver.receive(chunk, 0):
                assert isinstance(message, Data)
                found += len(message.records)
        assert found == frames * records, "every record is decoded, or the figure means nothing"

    best_s = _best_s(once)
    return len(stream) / best_s, frames * records / best_s


def pymysensors_per_s() -> float:
    """Return how many readings a second pymysensors takes from lines, through its reader, queue and rules."""
    logging.getLogger("mysensors").setLevel(logging.CRITICAL)
    readings = 0

    def heard(_message: object) -> None:
        nonlocal readings
        readings += 1

    gateway = SerialGateway("/dev/null", event_callback=heard, protocol_version="2.2")
    protocol, tasks = gateway.tasks.transport.protocol, gateway.tasks
    presentation = b"1;255;0;0;17;2.3.2\n1;0;0;0;6;fridge\n"
    stream = b"".join(b"1;0;1;0;0;%d.%d\n" % (3 + number % 4, number % 10) for number in range(LINES))

    def feed(data: bytes) -> None:
        for start in range(0, len(data), READ_BYTES):
            protocol.data_received(data[start : start + READ_BYTES])
            while tasks.queue:
                tasks.run_job()

    feed(presentation)
    readings = 0
    best_s = _best_s(lambda: feed(stream))
    assert readings == ROUNDS * LINES, "pymysensors takes every line, or the figure means nothing"
    return LINES / best_s


def replies_per_s() -> tuple[float, float]:
    """Return how many Modbus replies a second become registers: here and by the framer of pymodbus."""
    readers = [ReplyReader(STATION, READ_INPUT, count) for count in REGISTERS]
    looks = list(zip(readers, REGISTERS, strict=True))
    replies = [(reader, _reply(count, n)) for n in range(REPLIES // 2) for reader, count in looks]

    def ours() -> None:
        for reader, reply in replies:
            reader.begin()
            assert isinstance(reader.receive(reply), Registers)

    def theirs() -> None:
        for _reader, reply in replies:
            _used, response = framer.handleFrame(reply, STATION, 0)
            assert response is not None

    framer = a_framer()
    rounds = [(_best_s(ours, 1), _best_s(theirs, 1)) for _ in range(2 * ROUNDS)]  # by turns: the clock rate drifts
    return len(replies) / min(ours_s for ours_s, _ in rounds), len(replies) / min(theirs_s for _, theirs_s in rounds)


def a_framer() -> FramerRTU:
    """Return the receiver of a pymodbus client."""
    return FramerRTU(DecodePDU(False))


def _reply(count: int, number: int) -> bytes:
    data = b"".join((number + register & 0xFFFF).to_bytes(2, "big") for register in range(count))
    return with_crc(bytes((STATION, READ_INPUT, len(data))) + data)


def _frame(number: int, count: int) -> bytes:
    records = [(index * 100, index % 4, 0, 3_875 + (number * 7 + index) % 400) for index in range(count)]
    return encode_frame(encode(Data(9, number * count, number * 3_000, records)))


def _best_s(once: Callable[[], None], rounds: int = ROUNDS) -> float:
    best_s = float("inf")
    for _ in range(rounds):
        began_s = time.perf_counter()
        once()
        best_s = min(best_s, time.perf_counter() - began_s)
    return best_s
