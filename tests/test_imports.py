"""The arrows between the rooms, checked twice: by reading every file, and by looking at what a running verb loaded.

The static half knows where things live; the running half catches what no reader sees, a heavy library that comes in
through another one. Every exception is listed here with its reason, and nowhere else.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGES = ("node", "firmware_bridge")

# A room may import itself and every room of a lower step; the modules directly in `node` are the foundation below all.
STEPS = (
    {"domain"},
    {"ledger"},
    {"actions"},
    {"cold", "sync", "planner", "community"},
    {"daemon", "cli", "tui"},
)
STEP_OF = {room: number for number, rooms in enumerate(STEPS) for room in rooms}
FOUNDATION = ""

# Importing module, imported module: why.
ALLOWED = {
    # `larder tui` is a verb like any other and hands over to the screen.
    ("node.cli", "node.tui"),
}

# What `node` reads of the bridge, and which rooms do.
BRIDGE_SURFACE = "firmware_bridge.store.read"
BRIDGE_READERS = ("node.cold", "node.daemon")

# A library lives in one place: its top package, then the modules that may import it.
HOMES = {
    "textual": ("node.tui",),
    "serial": ("firmware_bridge.ports",),
    "paho": ("node.sync",),
    # The broker of the demo; and certificates beside the node's own key.
    "amqtt": ("node.sync.embedded",),
    "cryptography": ("node.ledger.keys", "node.sync.certificates"),
}
# The same, counted: the adapter is one file, so that the traps of the library are met in one place.
ONE_FILE_ONLY = ("paho", "serial")

CLOCK_MODULES = ("node.clock", "firmware_bridge.clock")
# (object, attribute) as written in the code; the object is the last name before the dot.
WALL_CLOCK = {
    ("time", "time"),
    ("time", "time_ns"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
}

# The bridge has no network at all, and pure rules touch nothing outside their arguments.
FORBIDDEN = {
    "firmware_bridge": {"socket", "ssl", "http", "urllib", "asyncio", "httpx", "zeroconf"},
    "node.domain": {"os", "sys", "time", "random", "secrets", "pathlib", "sqlite3", "logging", "subprocess", "socket"},
    "firmware_bridge.link": {"os", "time", "random", "secrets", "pathlib", "sqlite3", "logging", "threading"},
}


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its dotted name and its text."""

    module: str
    text: str
    is_package: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong, and where."""

    module: str
    line: int
    what: str


def sources() -> list[Source]:
    """Return every Python file of both packages."""
    found = []
    for package in PACKAGES:
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            parts = path.relative_to(CHECKOUT).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            found.append(Source(".".join(parts[:-1] if is_package else parts), path.read_text("utf-8"), is_package))
    return found


def is_within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


def imported(source: Source, tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the full name of everything imported: for `from a import b` that is a.b, whatever b is."""
    package = source.module.split(".") if source.is_package else source.module.split(".")[:-1]
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            yield from ((alias.name, statement.lineno) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            above = package[: len(package) - statement.level + 1] if statement.level else []
            start = ".".join([*above, *([statement.module] if statement.module else [])])
            yield from ((f"{start}.{alias.name}", statement.lineno) for alias in statement.names)


def room_of(module: str) -> str:
    """Return the room of a module of `node`: its folder, or the foundation for a file directly in `node`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in STEP_OF else FOUNDATION


def wrong_arrow(module: str, target: str) -> str | None:
    """Say why `module` may not import `target`, or None."""
    if any(is_within(module, near) and is_within(target, far) for near, far in ALLOWED):
        return None
    if is_within(target, "firmware_bridge") and is_within(module, "node"):
        if not any(is_within(module, reader) for reader in BRIDGE_READERS):
            return f"only {' and '.join(BRIDGE_READERS)} read what the bridge stored, not this: {target}"
        return None if is_within(target, BRIDGE_SURFACE) else f"only {BRIDGE_SURFACE} of the bridge, not {target}"
    if is_within(target, "node") and is_within(module, "firmware_bridge"):
        return f"the bridge knows nothing of node, not even {target}"
    if is_within(target, "node") and is_within(module, "node"):
        near, far = room_of(module), room_of(target)
        if near == far or far == FOUNDATION:
            return None
        if near == FOUNDATION:
            return f"the foundation imports no room, not {target}"
        return None if STEP_OF[far] < STEP_OF[near] else f"{near} stands below or beside {far}, so not {target}"
    return None


def wrong_library(module: str, target: str) -> str | None:
    """Say why `module` may not import this library, or None."""
    top = target.split(".")[0]
    if top in HOMES and not any(is_within(module, home) for home in HOMES[top]):
        return f"{top} is imported only in {' and '.join(HOMES[top])}"
    for place, names in FORBIDDEN.items():
        if is_within(module, place) and top in names:
            return f"{place} does not import {top}"
    return None


def uses(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """Yield every (object, attribute, line) written in a file, with `import x as y` and `from x import y` undone."""
    renamed: dict[str, str] = {}
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                renamed[alias.asname or alias.name] = alias.name.split(".")[-1]
        if isinstance(statement, ast.ImportFrom):
            yield from ((statement.module or "", alias.name, statement.lineno) for alias in statement.names)
    for expression in ast.walk(tree):
        if isinstance(expression, ast.Attribute):
            owner = expression.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            yield renamed.get(name, name), expression.attr, expression.lineno


def dynamic_imports(tree: ast.AST) -> Iterator[int]:
    """Yield the lines where a module is imported by a name that no reader of the file can follow."""
    for expression in ast.walk(tree):
        if isinstance(expression, ast.Call):
            function = expression.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            if name in {"import_module", "__import__", "spec_from_file_location"}:
                yield expression.lineno


def violations(files: list[Source]) -> list[Violation]:
    """Return everything in these files that breaks the contract."""
    found: list[Violation] = []
    homes: dict[str, set[str]] = {}
    for source in files:
        tree = ast.parse(source.text)
        for target, line in imported(source, tree):
            homes.setdefault(target.split(".")[0], set()).add(source.module)
            for why in (wrong_arrow(source.module, target), wrong_library(source.module, target)):
                if why:
                    found.append(Violation(source.module, line, why))
        if source.module not in CLOCK_MODULES:
            for owner, attribute, line in uses(tree):
                if (owner, attribute) in WALL_CLOCK:
                    found.append(Violation(source.module, line, f"{owner}.{attribute} belongs in a clock module"))
        found += [Violation(source.module, line, "a dynamic import") for line in dynamic_imports(tree)]
    for library in ONE_FILE_ONLY:
        if len(homes.get(library, ())) > 1:
            found.append(Violation(", ".join(sorted(homes[library])), 1, f"{library} belongs in one file"))
    return found


def test_every_import_follows_the_arrows() -> None:
    assert violations(sources()) == []


def test_every_room_is_known() -> None:
    """A new folder in `node` gets a step here before it gets code."""
    rooms = {path.parent.relative_to(CHECKOUT / "node").parts[0] for path in (CHECKOUT / "node").glob("*/**/*.py")}
    assert rooms <= set(STEP_OF)


@pytest.mark.parametrize(
    ("module", "text", "what"),
    [
        ("node.domain.lots", "from node.ledger import store", "domain stands below or beside ledger"),
        ("node.domain.lots", "from ..ledger.store import MarketStore", "domain stands below or beside ledger"),
        ("node.ledger.store", "import node.actions.goods", "ledger stands below or beside actions"),
        ("node.cold.watch", "from node.sync import engine", "cold stands below or beside sync"),
        ("node.tui.app", "def later():\n    from node.cli import main", "tui stands below or beside cli"),
        ("node.clock", "from node.domain import lots", "the foundation imports no room"),
        ("node.cold.watch", "from firmware_bridge.store import schema", "only firmware_bridge.store.read"),
        ("node.ledger.store", "from firmware_bridge.store.read import latest", "only node.cold and node.daemon"),
        ("firmware_bridge.main", "from node import clock", "the bridge knows nothing of node"),
        ("firmware_bridge.main", "import socket", "firmware_bridge does not import socket"),
        ("firmware_bridge.main", "import serial.tools", "serial is imported only in firmware_bridge.ports"),
        ("node.cli.main", "import textual.app", "textual is imported only in node.tui"),
        ("node.daemon.main", "from paho.mqtt import client", "paho is imported only in node.sync"),
        ("node.sync.driver", "from amqtt.broker import Broker", "amqtt is imported only in node.sync.embedded"),
        ("node.actions.pairing", "import cryptography", "cryptography is imported only in node.ledger.keys"),
        ("node.actions.goods", "import time\ntime.time()", "time.time belongs in a clock module"),
        ("node.actions.goods", "from time import time_ns as tick", "time.time_ns belongs in a clock module"),
        ("node.actions.goods", "import time as t\nt.time()", "time.time belongs in a clock module"),
        ("node.actions.goods", "import datetime\ndatetime.datetime.now()", "datetime.now belongs in a clock module"),
        ("node.actions.goods", "from datetime import date\ndate.today()", "date.today belongs in a clock module"),
        ("node.tui.app", "import importlib\nimportlib.import_module('paho')", "a dynamic import"),
        ("node.domain.lots", "import os", "node.domain does not import os"),
    ],
)
def test_a_planted_violation_is_found(module: str, text: str, what: str) -> None:
    found = violations([Source(module, text)])
    assert [violation.module for violation in found] == [module]
    assert what in found[0].what


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (
            "node.actions.goods",
            "from node.ledger import store\nfrom node.clock import now\nimport time\ntime.monotonic()",
        ),
        ("node.cold.watch", "from firmware_bridge.store import read"),
        ("node.cold.watch", "from firmware_bridge.store.read import latest"),
        ("node.cli.main", "from node.tui.app import run"),
        ("node.clock", "import time\ntime.time()"),
        ("firmware_bridge.ports", "import serial"),
        ("node.sync.mqtt", "import paho.mqtt.client"),
    ],
)
def test_what_is_allowed_is_not_reported(module: str, text: str) -> None:
    assert violations([Source(module, text)]) == []


def test_a_library_in_a_second_file_is_found() -> None:
    text = "import paho.mqtt.client"
    assert violations([Source("node.sync.mqtt", text)]) == []
    assert len(violations([Source("node.sync.mqtt", text), Source("node.sync.engine", text)])) == 1


# Runs a command in a fresh interpreter as its script would, then prints what that loaded.
LOADED = """
import json, sys
sys.argv = json.loads(sys.argv[1])
from {module} import main
try:
    code = main()
except SystemExit as end:
    code = end.code
print()
print(json.dumps([code or 0, sorted({{name.split(".")[0] for name in sys.modules}})]))
"""


def loaded_by(module: str, *arguments: str) -> set[str]:
    """Run `module`.main with these arguments and return the top packages that were loaded."""
    command = [sys.executable, "-c", LOADED.format(module=module), json.dumps(["larder", *arguments])]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    code, names = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stdout + done.stderr
    return set(names)


HEAVY = {"textual", "paho", "serial", "sqlite_utils", "amqtt"}


def test_the_help_of_the_staff_command_loads_nothing_heavy() -> None:
    assert loaded_by("node.cli.main", "--help") & HEAVY == set()


def test_a_verb_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded_by("node.cli.main", "--data", str(tmp_path), "init", "--name", "Harbour")
    loaded = loaded_by("node.cli.main", "--data", str(tmp_path), "stock")
    assert "sqlite3" in loaded
    assert loaded & HEAVY == set()


def test_the_bridge_loads_nothing_of_node() -> None:
    loaded = loaded_by("firmware_bridge.main", "--help")
    assert "firmware_bridge" in loaded
    assert "node" not in loaded
