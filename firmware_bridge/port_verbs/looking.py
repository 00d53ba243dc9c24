"""Ask one free port who is there: every question we know, and what the answers mean.

Not the bridge: nothing heard here is ever stored. Questions only: a HELLO_REQ, the version of a MySensors gateway, the
serial number and weight of a scale, and, where a person asks for it, a read of one register of each Modbus station.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.adapters.lines import LineReader, Malformed
from firmware_bridge.adapters.modbus.frames import (
    READ_HOLDING,
    READ_INPUT,
    Refusal,
    Registers,
    ReplyReader,
    read_request,
)
from firmware_bridge.adapters.modbus.profile import Profile, load_profile, shipped_profiles
from firmware_bridge.adapters.modbus.values import read_value, registers_of
from firmware_bridge.adapters.mt_sics.replies import Error, NotNow, OutOfRange, Serial, Weight, read_reply
from firmware_bridge.adapters.mysensors.messages import GATEWAY, INTERNAL, VERSION, decode_line, internal
from firmware_bridge.adapters.senml.pack import LINE_BYTES_MAX, read_line
from firmware_bridge.adapters.units import kind_of_unit
from firmware_bridge.adapters.values import NoValue, as_milli
from firmware_bridge.link.framing import DELIMITER, encode_frame
from firmware_bridge.link.messages import Hello, HelloReq, encode
from firmware_bridge.link.receiver import host_receiver
from firmware_bridge.ports import Port

BOARDS_BAUD, SCALES_BAUD = 115_200, 9_600  # LINK sections 2 and 5
LISTEN_S = 3.5  # an Arduino that was reset by opening its port says HELLO after about 2 s
ASK_EACH_MS = 1_000
MODBUS_UNITS = range(1, 17)
MODBUS_BAUDS = (9_600, 19_200, 2_400)  # the usual ones, and the SDM meters' own
MODBUS_MS = 150  # for one station: a real one answers well within
GATEWAY_CODES = (0x0A, 0x0B)  # Modbus Application Protocol 1.1b3, section 7
PAUSE_MS = 20  # between requests, more than 3.5 characters at 2,400 baud


@dataclass(frozen=True, slots=True)
class Found:
    """What speaks on a port. protocol: ll1 or an adapter's; detail: for a person; the rest goes into the settings.

    profile is '' where none fits or several do: registers that a profile fits by chance would be read as food.
    """

    protocol: str
    detail: str
    baud: int = 0
    profile: str = ""
    units: tuple[int, ...] = ()
    serial: str = ""


Open = Callable[[int], Port]
NowMs = Callable[[], int]


def look(open_port: Open, now_ms: NowMs, *, listen_s: float, with_modbus: bool) -> Found | None:
    """Look at one port; returns what speaks there, None for silence. Raises PortLost when it cannot be used.

    listen_s: how long somebody who only talks now and then is waited for at each rate.
    """
    for_ms = int(listen_s * 1000)
    found = look_for_boards(open_port, now_ms, for_ms) or look_for_scales(open_port, now_ms, for_ms)
    if found is None and with_modbus:
        found = look_for_modbus(open_port, now_ms)
    return found


def look_for_boards(open_port: Open, now_ms: NowMs, for_ms: int) -> Found | None:
    """Look for a board of the native link, a MySensors gateway, or lines of JSON, at 115,200 baud."""
    receiver = host_receiver()
    lines = LineReader(LINE_BYTES_MAX, receiver.errors)
    # The line feed in front ends the frame's bytes for those who read lines.
    ask = DELIMITER + encode_frame(encode(HelloReq())) + b"\n" + internal(GATEWAY, VERSION)

    def hear(data: bytes) -> Found | None:
        for message in receiver.receive(data, now_ms()):
            if isinstance(message, Hello):
                detail = f"{message.uid.hex()}, {message.channels} channels"
                return Found("ll1", detail)
        for line in lines.receive(data):
            found = _gateway_or_lines(line, BOARDS_BAUD)
            if found is not None:
                return found
        return None

    return _converse(open_port(BOARDS_BAUD), ask, hear, for_ms, now_ms)


def look_for_scales(open_port: Open, now_ms: NowMs, for_ms: int) -> Found | None:
    """Look for an MT-SICS scale, or lines of JSON, at 9,600 baud."""
    receiver = host_receiver()
    lines = LineReader(LINE_BYTES_MAX, receiver.errors)
    weight: list[Found] = []

    def hear(data: bytes) -> Found | None:
        for line in lines.receive(data):
            try:
                reply = read_reply(line)
            except Malformed:
                found = _gateway_or_lines(line, SCALES_BAUD)
                if found is not None:
                    return found
                continue
            if isinstance(reply, Serial):
                return Found("mt-sics", reply.text, SCALES_BAUD, serial=reply.text)
            if isinstance(reply, Weight | OutOfRange | NotNow | Error):
                weight.append(Found("mt-sics", "", SCALES_BAUD))
        return None

    found = _converse(open_port(SCALES_BAUD), b"I4\r\nSI\r\n", hear, for_ms, now_ms)
    # One line that looks like a reply may be chance; a scale has answered both questions, twice.
    return found or (weight[0] if len(weight) >= 2 else None)


def look_for_modbus(open_port: Open, now_ms: NowMs) -> Found | None:
    """Scan stations 1 to 16 at the usual rates, and see which shipped profile fits the first that answers."""
    for baud in MODBUS_BAUDS:
        port = open_port(baud)
        try:
            # Most stations answer a read of input registers; the few that only know holding registers come second.
            units = _answering(port, READ_INPUT, now_ms) or _answering(port, READ_HOLDING, now_ms)
            if units:
                fitting = _fitting_profiles(port, units[0], baud, now_ms)
                profile = fitting[0] if len(fitting) == 1 else ""
                return Found("modbus", ", ".join(fitting), baud, profile=profile, units=units)
        finally:
            port.close()
    return None


def _gateway_or_lines(line: bytes, baud: int) -> Found | None:
    try:
        message = decode_line(line)
    except Malformed:
        pass
    else:
        detail = message.payload if (message.command, message.type) == (INTERNAL, VERSION) else ""
        return Found("mysensors", detail, baud)
    try:
        records = read_line(line)
    except Malformed:
        return None
    if not records or any(kind_of_unit(record.unit) is None for record in records):
        return None
    return Found("senml", records[0].name, baud)


def _converse(
    port: Port, ask: bytes, hear: Callable[[bytes], Found | None], for_ms: int, now_ms: NowMs
) -> Found | None:
    """Ask each second and listen; closes the port."""
    try:
        end_ms = now_ms() + for_ms
        ask_at_ms = 0
        while now_ms() < end_ms:
            if now_ms() >= ask_at_ms:
                port.write(ask)
                ask_at_ms = now_ms() + ASK_EACH_MS
            data = port.read(50)
            found = hear(data) if data else None
            if found is not None:
                return found
    finally:
        port.close()
    return None


def _answering(port: Port, function: int, now_ms: NowMs) -> tuple[int, ...]:
    """Return the stations that answer a read, be it with a refusal; a gateway's word for a missing one is none."""
    units = []
    for unit in MODBUS_UNITS:
        answer = _read(port, unit, function, 0, 1, now_ms)
        if answer is not None and not (isinstance(answer, Refusal) and answer.code in GATEWAY_CODES):
            units.append(unit)
    return tuple(units)


def _read(port: Port, unit: int, function: int, address: int, count: int, now_ms: NowMs) -> Registers | Refusal | None:
    reader = ReplyReader(unit, function, count)
    end_ms = now_ms() + PAUSE_MS
    while now_ms() < end_ms:
        port.read(PAUSE_MS)  # whatever comes late
    port.write(read_request(unit, function, address, count))
    end_ms = now_ms() + MODBUS_MS
    while now_ms() < end_ms:
        data = port.read(max(1, end_ms - now_ms()))
        answer = reader.receive(data) if data else None
        if answer is not None:
            return answer
    return reader.give_up()


def _fitting_profiles(port: Port, unit: int, baud: int, now_ms: NowMs) -> list[str]:
    """Return the shipped profiles of which every probe gives a possible value."""
    profiles = {name: load_profile(name, Path()) for name in shipped_profiles()}
    return [
        name for name, profile in profiles.items() if profile.line.baud == baud and _fits(port, unit, profile, now_ms)
    ]


def _fits(port: Port, unit: int, profile: Profile, now_ms: NowMs) -> bool:
    for probe in profile.probes:
        count = registers_of(probe.type_name)
        answer = _read(port, unit, probe.function, probe.address, count, now_ms)
        if not isinstance(answer, Registers):
            return False
        value = read_value(probe.type_name, answer.data, scale=probe.scale, invalid=probe.invalid)
        milli = value if isinstance(value, NoValue) else as_milli(value)
        if isinstance(milli, NoValue) or not probe.channel.lo <= milli <= probe.channel.hi:
            return False
    return True
