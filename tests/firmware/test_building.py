"""The device side builds without a warning wherever it should, takes hostile bytes, and fits a small board."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.components import need_program
from tests.firmware.building import FIRMWARE, SANITIZED, STRICT, build, virtual_sensor

HERE = Path(__file__).parent
ARDUINO = HERE / "arduino"
SKETCH = FIRMWARE / "LarderShelf"
FLASH_BYTES_MAX, RAM_BYTES_MAX, STACK_BYTES_MAX = 4_096, 1_024, 256  # an ATmega328P with 48 records
# -Os and three options that change only the size; without them it is a tenth larger (the test prints both).
SMALL = ("-Os", "-mcall-prologues", "-mrelax", "-mstrict-X")
FUZZ_COUNT = 1_000_000
# Of libgcc: pushing and popping registers in one place, which the option above asks for.
HELPERS = ("__prologue_saves__", "__epilogue_restores__")


def run(*command: str, folder: Path | None = None) -> str:
    """Run a command that must do well and return what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("ring_records", [16, 121, 16384])
def test_the_header_builds_without_a_warning_for_every_size(ring_records: int) -> None:
    build(HERE / "device_library.c", *STRICT, "-O2", "-shared", "-fPIC", f"-DLL_RING={ring_records}")


@pytest.mark.parametrize("flags", [("-O2",), SANITIZED, (*STRICT, "-O2", "-DLL_MAXREC=4"), ("-O2", "-DLL_HALVINGS=0")])
def test_the_virtual_device_builds_without_a_warning(flags: tuple[str, ...]) -> None:
    assert "--script" in run(str(virtual_sensor(*flags)), "--help")


def test_the_sketch_is_valid_for_the_compiler_of_boards(tmp_path: Path) -> None:
    compiler = need_program("g++")
    flags = ("-std=c++11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-x", "c++", "-include", "Arduino.h")
    folders = (f"-I{ARDUINO}", f"-I{ARDUINO / 'host'}", f"-I{SKETCH}")
    run(compiler, *flags, *folders, "-c", str(SKETCH / "LarderShelf.ino"), "-o", str(tmp_path / "sketch.o"))


def test_a_sketch_carries_the_library_itself_and_not_a_copy() -> None:
    assert (SKETCH / "larder_link.h").resolve() == FIRMWARE / "larder_link.h"


@pytest.mark.parametrize("ring_records", [48, 256])
def test_a_million_hostile_bytes_and_a_million_damaged_frames_do_no_harm(ring_records: int) -> None:
    fuzz = build(HERE / "fuzz.c", *SANITIZED, f"-DLL_RING={ring_records}")
    count = FUZZ_COUNT if ring_records == 48 else FUZZ_COUNT // 10
    # Half of the frames are damaged, so that the others keep the session alive.
    said = run(str(fuzz), str(ring_records), str(count), str(2 * count))
    taken, damaged, _ = (int(number) for number in re.findall(r"\d+", said))
    assert damaged > 0.99 * count
    assert taken > 0.99 * count, "the others were good"


@pytest.mark.parametrize("level", ["-O0", "-O3", "-Os"])
def test_the_header_needs_nothing_of_a_system_but_memcpy(tmp_path: Path, level: str) -> None:
    program, made = tmp_path / "alone.c", tmp_path / "alone.o"
    program.write_text('#define LL_IMPLEMENTATION\n#include "larder_link.h"\n', "ascii")
    flags = ("-std=c99", "-DLL_HAS_CMD", "-DLL_HAS_SAVE", f"-I{FIRMWARE}", "-c", str(program), "-o", str(made))
    run(need_program("cc"), level, "-fno-stack-protector", *flags)
    needed = {line.split()[-1] for line in run(need_program("nm"), "-u", str(made)).splitlines()}
    assert needed - {"memcpy", "_GLOBAL_OFFSET_TABLE_"} == {"ll_tx", "ll_cmd", "ll_save"}


def test_what_asks_for_nonsense_is_refused_as_usage(tmp_path: Path) -> None:
    program = str(virtual_sensor())
    uid = ("--uid", "01eeffc042000001")

    def refused(*options: str) -> str:
        done = subprocess.run([program, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 2, options
        return done.stderr

    assert "--uid" in refused("--uid", "00" * 8)
    assert "--uid" in refused("--uid", "not hexadecimal!")
    assert "--name" in refused(*uid, "--name", "a name of more than sixteen")
    assert "--name" in refused(*uid, "--name", "\x1b[2J")
    assert "--noise" in refused(*uid, "--noise", "2")
    assert "--period-s" in refused(*uid, "--period-s", "0")
    assert "--sometimes" in refused(*uid, "--sometimes")
    assert "--script" in refused(*uid, "--script", str(tmp_path / "absent.csv"))
    (tmp_path / "empty.csv").write_text("at_s,value\nno,numbers\n", "utf-8")
    assert "--script" in refused(*uid, "--script", str(tmp_path / "empty.csv"))


def avr_size(folder: Path, *flags: str) -> tuple[int, int, int]:
    """Return bytes of flash and of static RAM that the header takes, and the deepest chain of its stack frames.

    Counted are the symbols of the header, what libgcc adds for it, and its constants; not the program around it.
    """
    compiler, lister = need_program("avr-gcc"), need_program("avr-nm")
    sizes = ("-DLL_RING=48", "-DLL_MAXREC=12", "-DLL_CH=4", "-DLL_HAS_CMD")
    warnings = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-mmcu=atmega328p")
    sections = ("-ffunction-sections", "-Wl,--gc-sections", "-fstack-usage")
    program = folder / "probe.elf"
    run(
        compiler, *warnings, *sizes, *flags, *sections, f"-I{FIRMWARE}", "-o", str(program),
        str(HERE / "avr_probe.c"), folder=folder,
    )  # fmt: skip
    flash = ram = 0
    for line in run(lister, "-S", str(program)).splitlines():
        fields = line.split()
        if len(fields) != 4:
            continue
        address, size, name = int(fields[0], 16), int(fields[1], 16), fields[3].split(".")[0]
        is_ours = name.startswith("ll_") and name not in ("ll_tx", "ll_cmd")
        if address < 0x800000:
            flash += size if is_ours or name in (*HELPERS, "lengths", "counts") else 0
        else:
            ram += size
    frames = [int(line.split("\t")[1]) for line in (folder / "avr_probe.su").read_text().splitlines()]
    # Each call adds its frame and 2 bytes; no chain of ours is deeper than 8 calls.
    return flash, ram, sum(sorted(frames)[-8:]) + 8 * 2


def test_the_header_fits_a_small_board(tmp_path: Path) -> None:
    if shutil.which("avr-gcc") is None:
        pytest.skip("avr-gcc is not installed (package gcc-avr), so the size on a small board is not measured")
    (tmp_path / "plain").mkdir()
    plain = avr_size(tmp_path / "plain", "-Os")
    flash, ram, stack = avr_size(tmp_path, *SMALL)
    print(f"flash {flash} bytes (-Os alone {plain[0]}), static RAM {ram}, stack at most {stack}")
    assert flash <= FLASH_BYTES_MAX
    assert ram <= RAM_BYTES_MAX
    assert stack <= STACK_BYTES_MAX
    assert plain[0] <= 1.12 * FLASH_BYTES_MAX


def test_the_sketch_fits_its_board(tmp_path: Path) -> None:
    compiler = shutil.which("avr-g++")
    if compiler is None:
        pytest.skip("avr-g++ is not installed (package gcc-avr), so the sketch is not measured")
    flags = ("-std=c++11", "-Wall", "-Wextra", "-Werror", "-mmcu=atmega328p", "-DF_CPU=16000000UL", "-Os")
    flags += ("-x", "c++", "-include", "Arduino.h", f"-I{ARDUINO}", f"-I{SKETCH}")
    sketch = tmp_path / "sketch.o"
    run(compiler, *flags, "-c", str(SKETCH / "LarderShelf.ino"), "-o", str(sketch))
    text, data, zeroed = (
        int(number) for number in run(need_program("avr-size"), str(sketch)).splitlines()[1].split()[:3]
    )
    # An ATmega328P has 32,256 bytes of flash and 2,048 of RAM; the core and its buffers take some 3,000 and 350.
    assert text <= 16_384
    assert data + zeroed <= 1_200
