"""`larder-bridge ports` as a person types it, with real hardware behind pseudo terminals."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.errors import LocalFault
from firmware_bridge.port_verbs.block import append_block, block_text, free_uid
from firmware_bridge.port_verbs.known import read_heartbeat
from firmware_bridge.port_verbs.looking import Found
from firmware_bridge.port_verbs.verbs import must_be_root
from firmware_bridge.ports import find_ports
from firmware_bridge.settings import DATA_DEFAULT, load_settings
from tests.firmware_bridge.adapters.peers import a_modbus_station, a_peer, by_line
from tests.firmware_bridge.adapters.test_adapters_live import XY_MD02, a_gateway, a_scale
from tests.firmware_bridge.port_verbs.test_naming import a_usb_port
from tests.firmware_bridge.running import Shop, a_shop, until

QUICK = ("--listen", "0.7")
CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with a_shop(tmp_path) as shop:
        shop.data.mkdir()
        # Whatever is plugged into the computer that runs the tests is left alone.
        (shop.data / "larder.toml").write_text(
            f'# ours\n[bridge]\nports = ["{shop.ports}/*"]  # all\nexclude = ["/dev/ttyUSB*", "/dev/ttyACM*"]\n',
            "utf-8",
        )
        yield shop


def ports(shop: Shop, *words: str, program: str = "firmware_bridge.main") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", program, "--data", str(shop.data), "ports", *words],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def listed(shop: Shop) -> dict[str, Any]:
    done = ports(shop, "--json")
    assert done.returncode == 0, done.stderr
    return {Path(port["port"]).name: port for port in json.loads(done.stdout)["ports"]}


def test_ports_are_listed_with_what_the_bridge_says_and_who_holds_them(shop: Shop) -> None:
    shop.board("--period-s", "0.2")
    (shop.data / "larder.toml").write_text(
        f'[bridge]\nports = ["{shop.ports}/*"]\n\n[[bridge.adapter]]\nport = "{shop.ports}/gone"\n'
        'protocol = "senml"\nuid = "sl-1"\n',
        "utf-8",
    )
    before = listed(shop)
    assert (before["fridge"]["protocol"], before["fridge"]["state"]) == ("ll1", "")
    assert (before["gone"]["protocol"], before["gone"]["is_present"]) == ("senml", False)
    bridge = shop.bridge()
    shop.wait_linked()
    fridge = until(lambda: listed(shop)["fridge"], what="the port is listed")
    assert (fridge["state"], fridge["uid"]) == ("linked", "01eeffc042000001")
    assert f"({bridge.child.pid})" in " ".join(fridge["held_by"])
    said = ports(shop, "probe", *QUICK, str(shop.ports / "fridge"))
    assert "not looked at, it is in use by" in said.stdout
    as_words = ports(shop, program="node.cli.main").stdout
    assert "linked" in as_words
    assert "gone of sl-1 is not plugged in." in as_words


def test_ports_that_only_the_command_line_of_the_bridge_names_are_listed_too(shop: Shop) -> None:
    (shop.data / "larder.toml").write_text('[bridge]\nexclude = ["/dev/tty*"]\n', "utf-8")
    shop.board("--period-s", "0.2")
    assert "fridge" not in listed(shop)
    shop.bridge()
    shop.wait_linked()
    fridge = listed(shop)["fridge"]
    assert (fridge["protocol"], fridge["state"], fridge["uid"]) == ("ll1", "linked", "01eeffc042000001")


def test_a_scale_is_found_and_its_block_is_written_after_yes_and_then_read(shop: Shop) -> None:
    with a_peer(shop.ports / "till", by_line(a_scale)):
        done = ports(shop, "probe", *QUICK, str(shop.ports / "till"), "--yes", program="node.cli.main")
        assert done.returncode == 0, done.stderr
        text = (shop.data / "larder.toml").read_text("utf-8")
        assert text.startswith("# ours\n[bridge]\n")
        (adapter,) = load_settings(shop.data / "larder.toml").adapters
        assert (adapter.uid, adapter.serial, adapter.baud) == ("scale-b021002593", "B021002593", 9_600)
        shop.bridge("--commit-interval-s", "1")
        shop.wait_stored(1)
        assert shop.stored()[0][3] == 1_250_000


def test_nothing_is_written_before_somebody_said_yes(shop: Shop) -> None:
    with a_peer(shop.ports / "gateway", by_line(a_gateway)):
        shown = ports(shop, "probe", *QUICK, str(shop.ports / "gateway"))
    assert 'protocol = "mysensors"' in shown.stdout
    assert "Nothing was written" in shown.stdout
    assert load_settings(shop.data / "larder.toml").adapters == ()


def test_boards_gateways_and_lines_are_told_apart(shop: Shop) -> None:
    shop.board("--period-s", "0.2")
    with (
        a_peer(shop.ports / "gateway", by_line(a_gateway)),
        a_peer(shop.ports / "lines", lambda _data: b"", says=lambda: b'{"ch":"shed","v":3,"u":"Cel"}\n', each_s=0.3),
    ):
        done = ports(shop, "probe", *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    found = {Path(port["port"]).name: port["found"] for port in json.loads(done.stdout)["ports"]}
    protocols = {name: found[name]["protocol"] for name in ("fridge", "gateway", "lines")}
    assert protocols == {"fridge": "ll1", "gateway": "mysensors", "lines": "senml"}
    assert found["gateway"]["detail"] == "2.3.2"


def test_modbus_stations_are_scanned_when_asked_and_the_fitting_profile_is_named(shop: Shop) -> None:
    with a_modbus_station(shop.ports / "rs485", {2: XY_MD02}):
        done = ports(
            shop, "probe", *QUICK, str(shop.ports / "rs485"), "--modbus", "--yes", "--uid", "mb-hall", "--json"
        )
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)["ports"]
    assert answer["found"]["units"] == [2]
    assert answer["is_written"]
    (adapter,) = load_settings(shop.data / "larder.toml").adapters
    assert (adapter.uid, adapter.profile, adapter.units) == ("mb-hall", "xy-md02", (2,))


def test_a_profile_is_not_guessed_where_none_fits(shop: Shop) -> None:
    with a_modbus_station(shop.ports / "rs485", {1: [0x8000] * 20}):
        shown = ports(shop, "probe", *QUICK, "--modbus", "--yes", str(shop.ports / "rs485"))
        assert "Modbus stations 1 at 9600 baud (profiles that fit: none)" in shown.stdout
        assert load_settings(shop.data / "larder.toml").adapters == ()
        wrong = ports(shop, "probe", "--profile", "nobody", str(shop.ports / "rs485"))
        assert (wrong.returncode, "shipped are" in wrong.stderr) == (1, True)


def test_silence_and_what_is_no_port_are_said(shop: Shop) -> None:
    with a_peer(shop.ports / "mute", lambda _data: b""):
        assert "nobody answers" in ports(shop, "probe", *QUICK, str(shop.ports / "mute")).stdout
    done = ports(shop, "probe", *QUICK, str(shop.data))
    assert done.returncode == 1
    assert "is not a serial port." in done.stderr
    # Whoever is no terminal line is not even opened: that alone starts a watchdog.
    assert "/dev/null is not a serial port." in ports(shop, "probe", *QUICK, "/dev/null").stderr


@pytest.mark.parametrize("words", [("--listen", "nan"), ("--uid", "0123456789abcdef"), ("--uid", "Big")])
def test_a_wrong_word_is_refused_before_any_port_is_opened(shop: Shop, words: tuple[str, str]) -> None:
    done = ports(shop, "probe", *words)
    assert (done.returncode, f"Invalid value for {words[0]}" in done.stderr) == (2, True)


def test_a_block_that_cannot_be_used_is_refused_under_the_name_of_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "larder.toml"
    block = block_text(Found("senml", "", 9_600), "/dev/a", "sl-1")
    append_block(path, block)
    with pytest.raises(LocalFault) as caught:
        append_block(path, block.replace("/dev/a", "/dev/b"))
    assert f"{path}, line 10: this uid has a block already." == caught.value.message
    assert path.read_text("utf-8") == block


def test_a_pipe_in_the_place_of_the_heartbeat_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "bridge.json")
    assert read_heartbeat(tmp_path / "bridge.json") == {}


def test_an_excluded_device_is_left_alone_under_every_name(shop: Shop) -> None:
    with a_peer(shop.ports / "modem", by_line(a_gateway)):
        (shop.ports / "other-name").symlink_to((shop.ports / "modem").readlink())
        (shop.data / "larder.toml").write_text(
            f'[bridge]\nports = ["{shop.ports}/*"]\nexclude = ["{shop.ports}/mod*"]\n', "utf-8"
        )
        assert not {"modem", "other-name"} & set(listed(shop))
        assert find_ports([f"{shop.ports}/*"], [f"{shop.ports}/mod*"]) == {}
        assert list(find_ports([f"{shop.ports}/*"])) == [f"{shop.ports}/modem"]


def test_assigning_a_name_writes_the_rule_once_and_says_what_it_does(shop: Shop, tmp_path: Path) -> None:
    root = tmp_path / "root"
    a_usb_port(root)
    words = ("assign", "--root", str(root), "/dev/ttyUSB0")
    done = ports(shop, *words, "cold-room", program="node.cli.main")
    assert done.returncode == 0, done.stderr
    rule = (root / "etc/udev/rules.d/70-larder-cold-room.rules").read_text("utf-8")
    assert rule in done.stdout
    assert "the device with serial number A50285BI is /dev/larder/cold-room" in done.stdout
    assert "The rule was there already." in ports(shop, *words, "cold-room").stdout
    refused = ports(shop, *words, "Cold Room")
    assert (refused.returncode, "small letters" in refused.stderr) == (1, True)


def test_on_an_installed_computer_looking_and_naming_want_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1_000)
    with pytest.raises(LocalFault) as caught:
        must_be_root(DATA_DEFAULT, "probe")
    assert "sudo larder ports probe" in caught.value.hint
    must_be_root(tmp_path, "probe")


def test_a_label_is_never_given_twice_and_a_block_cannot_break_out_of_its_quotes(tmp_path: Path) -> None:
    found = Found("mt-sics", "", 9_600, serial='B"]\nx')
    path = tmp_path / "larder.toml"
    for number in range(3):
        used = {adapter.uid for adapter in load_settings(path).adapters}
        append_block(
            path, block_text(Found("senml", "", 9_600), f'/dev/a"\\{number}', free_uid(Found("senml", ""), used))
        )
    adapters = load_settings(path).adapters
    assert [adapter.uid for adapter in adapters] == ["sl-1", "sl-2", "sl-3"]
    assert adapters[0].port == '/dev/a"\\0'
    assert free_uid(found, ()) == "scale-b-x"


def test_new_settings_belong_to_the_group_of_their_folder_so_that_the_bridge_can_read_them(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, -1, 4_242)
    append_block(tmp_path / "larder.toml", block_text(Found("senml", "", 9_600), "/dev/a", "sl-1"))
    status = (tmp_path / "larder.toml").stat()
    assert (status.st_gid, status.st_mode & 0o777) == (tmp_path.stat().st_gid, 0o640)


def test_settings_keep_their_mode_and_a_wrong_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "larder.toml"
    path.write_text("[bridge]", "utf-8")
    path.chmod(0o604)
    append_block(path, block_text(Found("senml", "", 9_600), "/dev/a", "sl-1"))
    assert path.stat().st_mode & 0o777 == 0o604
    assert [entry.name for entry in tmp_path.iterdir()] == ["larder.toml"]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"[" * 100_000, b'{"state": "running"}', b'{"ports": [{"port": 1, "state": "linked"}]}'],
)
def test_a_hostile_heartbeat_is_not_believed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bridge.json").write_bytes(content)
    assert read_heartbeat(tmp_path / "bridge.json") == {}
    assert read_heartbeat(tmp_path / "none.json") == {}
