"""The real bridge with other people's hardware on its ports, all at once, over pseudo terminals."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.store.quality import QUALITY_GOOD, QUALITY_SUSPECT, QUALITY_UNCHECKED, REASONS
from tests.firmware_bridge.adapters.peers import a_modbus_station, a_peer, by_line
from tests.firmware_bridge.cables import Cable
from tests.firmware_bridge.running import Shop, a_shop, until

XY_MD02 = [0, 39, 546] + [0] * 20  # input register 1 temperature, 2 humidity, tenths


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with a_shop(tmp_path) as shop:
        yield shop


def settle(shop: Shop, *blocks: str) -> None:
    """Write larder.toml with these adapter blocks; {ports} stands for the folder of ports."""
    shop.data.mkdir(parents=True, exist_ok=True)
    text = "[bridge]\ncommit_interval_s = 1\n" + "".join(f"\n[[bridge.adapter]]\n{block}\n" for block in blocks)
    (shop.data / "larder.toml").write_text(text.replace("{ports}", str(shop.ports)), "utf-8")


MODBUS = 'port = "{ports}/rs485"\nprotocol = "modbus"\nuid = "mb-cold"\nprofile = "xy-md02"'
MYSENSORS = 'port = "{ports}/gateway"\nprotocol = "mysensors"\nuid = "ms-hall"'
SENML = 'port = "{ports}/lines"\nprotocol = "senml"\nuid = "sl-shed"'
MT_SICS = 'port = "{ports}/scale"\nprotocol = "mt-sics"\nuid = "scale-1"'


def readings(shop: Shop) -> dict[tuple[str, str], tuple[str, int, int, str]]:
    """Return by (uid, channel name) the newest (protocol, raw value, quality, reason)."""
    rows = shop.query(
        "select d.uid, c.name, d.protocol, r.value, r.quality, r.reason from readings r join device d using (device)"
        " join channel c on c.device = r.device and c.channel = r.channel order by r.device, r.boot, r.seq"
    )
    return {
        (uid, name): (protocol, value, quality, REASONS[reason]) for uid, name, protocol, value, quality, reason in rows
    }


def a_gateway(line: bytes) -> bytes:
    """Say the version, and let nodes 1 and 2 present themselves when they are asked to."""
    answers = {
        b"0;255;3;0;2;": b"0;255;3;0;2;2.3.2\n",
        b"1;255;3;0;19;": b"1;255;0;0;17;2.3.2\n1;0;0;0;6;freezer\n",
        b"2;255;3;0;19;": b"2;0;0;0;7;humidity\n",
    }
    return answers.get(line, b"")


def a_scale(line: bytes) -> bytes:
    return {b"SI": b"S S      1.250 kg\r\n", b"I4": b'I4 A "B021002593"\r\n'}.get(line, b"ES\r\n")


def test_every_protocol_at_once_reaches_the_store_with_the_worth_of_its_line(shop: Shop) -> None:
    settle(shop, MODBUS, MYSENSORS, SENML, MT_SICS)
    shop.board("--period-s", "0.2")
    nodes = b"1;0;1;0;0;-18.5\n2;0;1;0;0;99\n"
    pack = b'[{"n":"shed","u":"Cel","v":7.25}]\n'
    with (
        a_modbus_station(shop.ports / "rs485", {1: XY_MD02}, noise=random.Random(7)),
        a_peer(shop.ports / "gateway", by_line(a_gateway), says=lambda: nodes, each_s=0.3),
        a_peer(shop.ports / "lines", lambda _data: b"", says=lambda: pack, each_s=0.3),
        a_peer(shop.ports / "scale", by_line(a_scale)),
    ):
        bridge = shop.bridge()
        states = until(
            lambda: shop.port_states() if set(shop.port_states().values()) == {"linked"} else {},
            what="every port is linked",
        )
        wanted = {("mb-cold", "humidity"), ("sl-shed", "shed"), ("scale-1", "weight")}
        wanted |= {("ms-hall", "1.0 temperature"), ("ms-hall", "2.0 temperature?")}
        until(lambda: wanted <= set(readings(shop)), what="every port has readings in the store")
        assert bridge.end()[0] == 0
    assert set(states) == {"rs485", "gateway", "lines", "scale", "fridge"}
    found = readings(shop)
    assert found["mb-cold", "temperature"] == ("modbus", 3_900, QUALITY_GOOD, "")
    assert found["mb-cold", "humidity"] == ("modbus", 54_600, QUALITY_GOOD, "")
    assert found["ms-hall", "1.0 temperature"] == ("mysensors", -18_500, QUALITY_UNCHECKED, "")
    assert found["ms-hall", "2.0 temperature?"] == ("mysensors", 99_000, QUALITY_SUSPECT, "unpresented")
    assert found["sl-shed", "shed"] == ("senml", 7_250, QUALITY_UNCHECKED, "")
    assert found["scale-1", "weight"] == ("mt-sics", 1_250_000, QUALITY_UNCHECKED, "")
    assert {protocol for protocol, _value, _quality, _reason in found.values()} >= {"ll1"}


def test_an_echoing_adapter_with_noise_gives_every_reading(shop: Shop, tmp_path: Path) -> None:
    profile = tmp_path / "data" / "quick.toml"
    settle(shop, MODBUS.replace("xy-md02", "quick.toml"))
    profile.write_text(
        '[[probe]]\nfc = 4\naddress = 1\ntype = "i16"\nscale = "0.1"\nunit_name = "Cel"\nperiod_s = 1\nchannel = "t"\n',
        "utf-8",
    )
    with a_modbus_station(shop.ports / "rs485", {1: XY_MD02}, noise=random.Random(3), echoes=True):
        bridge = shop.bridge()
        shop.wait_stored(3)
        bad = shop.heartbeat()["ports"][0]["frames_bad"]
        assert bridge.end()[0] == 0
    assert {value for _boot, _seq, _channel, value, _status in shop.stored()} == {3_900}
    assert "timeout" not in bad
    assert "damaged" not in bad


def test_a_name_that_appears_later_than_another_of_the_same_device_still_gets_its_adapter(shop: Shop) -> None:
    settle(shop, SENML.replace("{ports}/lines", "{ports}/named"))
    pack = b'{"ch":"shed","v":7.25,"u":"Cel"}\n'
    with a_peer(shop.ports / "by-path", lambda _data: b"", says=lambda: pack, each_s=0.2):
        bridge = shop.bridge()
        until(lambda: shop.port_states().get("by-path") == "probing", what="the first name is looked at")
        (shop.ports / "named").symlink_to((shop.ports / "by-path").readlink())
        until(lambda: ("sl-shed", "shed") in readings(shop), what="the adapter of the second name hears it")
        assert bridge.end()[0] == 0


def test_what_a_gateway_said_before_its_cable_was_pulled_is_kept(shop: Shop) -> None:
    settle(shop, SENML)
    settings = shop.data / "larder.toml"
    settings.write_text(settings.read_text("utf-8").replace("commit_interval_s = 1", "commit_interval_s = 60"), "utf-8")
    cable = Cable(shop.ports / "lines")
    bridge = shop.bridge()
    until(lambda: shop.port_states().get("lines") == "probing", what="the port is listened to")
    cable.write(b'{"ch":"shed","v":1,"u":"Cel"}\n')
    shop.wait_linked("lines")
    for value in range(2, 9):
        cable.write(b'{"ch":"shed","v":%d,"u":"Cel"}\n' % value)
    until(lambda: shop.heartbeat()["ports"][0]["frames_good"] == 8, what="all eight lines were heard")
    cable.pull()
    until(lambda: shop.port_states().get("lines") == "absent", what="the port is gone")
    assert bridge.end()[0] == 0
    assert [value for _boot, _seq, _channel, value, _status in shop.stored()] == list(range(1_000, 9_000, 1_000))


def test_what_waited_for_a_refusing_disk_is_kept_once_it_takes_again_without_another_word(shop: Shop) -> None:
    settle(shop, SENML)
    cable = Cable(shop.ports / "lines")
    bridge = shop.bridge()
    until(lambda: shop.port_states().get("lines") == "probing", what="the port is listened to")
    cable.write(b'{"ch":"shed","v":1,"u":"Cel"}\n')
    shop.wait_stored(1)
    blocker = sqlite3.connect(shop.database, isolation_level=None, timeout=10)
    blocker.execute("begin immediate")
    cable.write(b'{"ch":"shed","v":2,"u":"Cel"}\n')
    until(lambda: shop.heartbeat()["state"] == "disk_refuses", what="the disk refuses")
    cable.write(b'{"ch":"shed","v":3,"u":"Cel"}\n')
    until(lambda: shop.heartbeat()["ports"][0]["frames_good"] == 3, what="the third line was heard")
    blocker.execute("rollback")
    blocker.close()
    shop.wait_stored(3)
    assert bridge.end()[0] == 0


def test_an_id_given_before_a_power_cut_is_never_given_again(shop: Shop) -> None:
    settle(shop, MYSENSORS)
    given: list[bytes] = []

    def answer(line: bytes) -> bytes:
        if line.startswith(b"255;255;3;0;4;"):
            given.append(line)
        return a_gateway(line)

    with a_peer(shop.ports / "gateway", by_line(answer), says=lambda: b"255;255;3;0;3;\n", each_s=0.2):
        bridge = shop.bridge()
        until(lambda: len(given) >= 1, what="an id was given")
        bridge.kill()
        before = len(given)
        again = shop.bridge()
        until(lambda: len(given) > before, what="another id was given")
        again.end()
    assert len(given) == len(set(given))


def test_hostile_names_and_text_never_become_control_characters(shop: Shop) -> None:
    settle(shop, MYSENSORS, SENML)
    evil = (
        b"1;255;3;0;11;\x1b[2Jevil\n1;0;0;0;6;\x9b31m\n1;255;3;0;9;plain text\n"
        b'{"ch":"a\\u001b[2J","v":3,"u":"Cel"}\n{"ch":"ok","v":3,"u":"\\u001b]0;x"}\n{"ch":"ok2","v":3,"u":"Cel"}\n'
    )
    with (
        a_peer(shop.ports / "gateway", by_line(a_gateway), says=lambda: evil, each_s=0.3),
        a_peer(shop.ports / "lines", lambda _data: b"", says=lambda: evil, each_s=0.3),
    ):
        bridge = shop.bridge()
        shop.wait_linked("gateway")
        until(lambda: len({name for _uid, name in readings(shop)}) >= 2, what="both lines have said something right")
        until(lambda: shop.query("select 1 from device_log"), what="a line of text was kept")
        assert bridge.end()[0] == 0
    texts = [text for row in shop.query("select name, unit from channel") for text in row]
    texts += [text for (text,) in shop.query("select line from device_log")]
    assert all(text.isprintable() and text.isascii() for text in texts)
    assert "\x1b" not in (shop.data / "run" / "bridge.json").read_text("utf-8")
    kinds = {kind for (kind,) in shop.query("select kind from error_count")}
    assert {"text", "name"} <= kinds


def test_a_wrong_profile_is_refused_at_start_with_file_line_and_reason(shop: Shop) -> None:
    settle(shop, MODBUS.replace("xy-md02", "own.toml"))
    (shop.data / "own.toml").write_text("[port]\nbaud = 9601\n", "utf-8")
    code, _out, err = shop.bridge().ended()
    assert code == 1
    assert "own.toml, line 2: baud must be one of" in err
    settle(shop, MODBUS.replace("protocol", "protocoll"))
    code, _out, err = shop.bridge().ended()
    assert (code, "larder.toml, line 4: protocol must be one of" in err) == (1, True)
