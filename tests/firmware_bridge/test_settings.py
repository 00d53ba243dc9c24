"""The `[bridge]` table of larder.toml: what is read, and how a wrong one is named."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import clock
from firmware_bridge.adapters.making import prepare_adapter, prepare_adapters
from firmware_bridge.errors import LocalFault
from firmware_bridge.settings import (
    ADAPTER_KEYS,
    BRIDGE_KEYS,
    AdapterSettings,
    BridgeSettings,
    load_settings,
    settings_path,
)
from node.settings import load_settings as load_node_settings

WHOLE = """
# A market with a freezer and a scale.
[sync]
broker = "127.0.0.1:1883"

[bridge]
ports = ["/dev/serial/by-id/*"]
exclude = ["/dev/serial/by-id/*Modem*"]
commit_interval_s = 10
keep_raw_days = 3
keep_buckets_days = 365
telemetry_max_mb = 512

[bridge.alarm.fridge]
above = "5.5"
[bridge.alarm."deep freezer"]
above = "-15"
below = "-30"

[[bridge.adapter]]
port = "/dev/serial/by-id/rs485"
protocol = "modbus"
uid = "mb-cold-room"
profile = "xy-md02"
units = [1, 2]
parity = "E"

[[bridge.adapter]]   # the till's scale
port = "/dev/larder/scale"
protocol = "mt-sics"
uid = "scale-1"
serial = "B021002593"
baud = 19200
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "larder.toml"
    path.write_text(text, "utf-8")
    return path


def test_everything_that_can_be_set_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE)
    settings = load_settings(path)
    assert settings.exclude == ("/dev/serial/by-id/*Modem*",)
    assert (settings.commit_interval_s, settings.keep_raw_days, settings.keep_buckets_days) == (10, 3, 365)
    assert settings.telemetry_max_mb == 512
    assert settings.alarm_above == {"fridge": 5_500, "deep freezer": -15_000}
    assert settings.alarm_below == {"deep freezer": -30_000}
    rs485 = AdapterSettings("/dev/serial/by-id/rs485", "modbus", "mb-cold-room", "xy-md02", (1, 2), None, "E", line=20)
    scale = AdapterSettings("/dev/larder/scale", "mt-sics", "scale-1", baud=19_200, serial="B021002593", line=28)
    assert settings.adapters == (rs485, scale)
    assert load_node_settings(path).sync.broker == "127.0.0.1:1883"


def test_without_a_file_or_a_table_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "larder.toml") == BridgeSettings()
    path = write(tmp_path, '[sync]\nbroker = "a:1"\n')
    assert load_settings(path) == BridgeSettings(path=path)
    assert BridgeSettings().ports == ("/dev/larder/*", "/dev/serial/by-id/*")


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ("commit_interval_s = 10", "commit_interval_s = 61", 9, "from 1 to 60"),
        ("commit_interval_s = 10", "commit_interval_s = true", 9, "whole number"),
        ("keep_raw_days = 3", "keep_raw_dayz = 3", 10, "keep_raw_dayz is not known here"),
        ("telemetry_max_mb = 512", "telemetry_max_mb = 1", 12, "from 16"),
        ('ports = ["/dev/serial/by-id/*"]', "ports = 7", 7, "ports must be a list"),
        ('above = "5.5"', "above = 5.5", 15, "in quotes"),
        ('above = "5.5"', 'above = "5.5551"', 15, "3 decimals"),
        ('below = "-30"', 'belov = "-30"', 18, "belov is not known"),
        ('protocol = "modbus"', 'protocol = "modbuss"', 22, "protocol must be one of"),
        ('uid = "mb-cold-room"', 'uid = "01eeffc042000001"', 23, "not 16 hex digits"),
        ('uid = "mb-cold-room"', 'uid = "Cold Room"', 23, "small letters"),
        ('profile = "xy-md02"', "", 20, "profile is missing"),
        ("units = [1, 2]", "units = [1, 1]", 25, "different station addresses"),
        ("units = [1, 2]", "units = [248]", 25, "1 to 247"),
        ('parity = "E"', 'parity = "X"', 26, "parity must be"),
        ("baud = 19200", "baud = 19201", 33, "baud must be one of"),
        ('uid = "scale-1"', 'uid = "mb-cold-room"', 31, "this uid has a block already"),
        ("/dev/larder/scale", "/dev/serial/by-id/rs485", 29, "this port has a block already"),
        ('serial = "B021002593"', 'profile = "x"', 32, "profile is not known here"),
        ("[bridge]", "[bridge", 6, ""),
    ],
)
def test_a_wrong_line_is_named_with_file_and_reason(
    tmp_path: Path, before: str, after: str, line: int, words: str
) -> None:
    path = write(tmp_path, WHOLE.replace(before, after, 1))
    with pytest.raises(LocalFault) as caught:
        load_settings(path)
    assert f"{path}, line {line}: " in caught.value.message
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# ours\nbridge = {commit_interval_s = 0}\n", 2),
        ("# ours\nbridge.commit_interval_s = 0\n", 2),
        ("[bridge]\n\nadapter = [{port = '/dev/a'}]\n", 3),
        ("# ours\n[bridge.adapter]\nport = '/dev/a'\n", 2),
    ],
)
def test_a_table_written_in_one_line_is_named_too(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(LocalFault, match=f"larder.toml, line {line}: "):
        load_settings(write(tmp_path, text))


def test_a_number_of_thousands_of_digits_is_refused_like_any_other(tmp_path: Path) -> None:
    with pytest.raises(LocalFault, match=r"larder\.toml"):
        load_settings(write(tmp_path, f"[bridge]\nkeep_raw_days = {'9' * 5_000}\n"))


def test_a_profile_that_nobody_ships_is_named_with_the_block_that_asks_for_it(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, WHOLE.replace("xy-md02", "xy-md20")))
    with pytest.raises(LocalFault, match=r"larder\.toml, line 20: There is no profile xy-md20; shipped are: "):
        prepare_adapters(settings, clock.now)


def test_what_cannot_be_read_at_all_is_said(tmp_path: Path) -> None:
    path = tmp_path / "larder.toml"
    path.write_bytes(b"[bridge]\n# caf\xe9\n")
    with pytest.raises(LocalFault, match="line 2: it is not UTF-8"):
        load_settings(path)
    path.write_bytes(b"#" * 70_000)
    with pytest.raises(LocalFault, match="too long"):
        load_settings(path)
    path.write_text("a = " + "[" * 30_000, "utf-8")
    with pytest.raises(LocalFault):
        load_settings(path)


def test_an_installed_node_has_its_settings_in_etc(tmp_path: Path) -> None:
    assert settings_path(tmp_path) == tmp_path / "larder.toml"
    assert settings_path(Path("/var/lib/larder")) in (
        Path("/etc/larder/larder.toml"),
        Path("/var/lib/larder/larder.toml"),
    )


@given(st.text(alphabet=st.characters(min_codepoint=9, max_codepoint=126), max_size=60))
def test_any_text_is_read_or_refused_in_one_printable_sentence(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = write(tmp_path_factory.mktemp("any"), f"[bridge]\n{text}\n")
    try:
        load_settings(path)
    except LocalFault as fault:
        assert fault.message.isprintable()


def test_every_block_of_the_readme_can_be_used(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    blocks = [
        block for block in re.findall(r"^```toml\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL) if "bridge" in block
    ]
    settings = [load_settings(write(tmp_path, block)) for block in blocks]
    adapters = [adapter for each in settings for adapter in each.adapters]
    assert {adapter.protocol for adapter in adapters} == {"modbus", "mysensors", "senml", "mt-sics"}
    for adapter in adapters:
        make, line = prepare_adapter(adapter, tmp_path, clock.now)
        assert make().protocol == adapter.protocol
        assert line.baud in (9_600, 115_200)


def test_every_key_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    keys = {*BRIDGE_KEYS, *(key for keys in ADAPTER_KEYS.values() for key in keys)} - {"alarm", "adapter"}
    missing = {key for key in keys if f"`{key}`" not in readme and not re.search(rf"^{key} = ", readme, re.MULTILINE)}
    assert missing == set()
    assert "[bridge.alarm." in readme
    assert "[[bridge.adapter]]" in readme
