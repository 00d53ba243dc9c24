"""Checks the checkout: format, lint, types, imports and behaviour, and says in one line how it went.

Runs inside the environment that bootstrap.py made. It is not where a check is written: the rules are in pyproject.toml
and the tests in `tests/`. A check that cannot run here is named with its reason, and with --strict it is a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import NamedTuple

EXIT_GOOD, EXIT_CHECK_FAILED, EXIT_REQUIREMENT_MISSING = 0, 1, 3

ROOT = Path(__file__).resolve().parent.parent
# Python without the ending: the linter only finds them when they are named.
SCRIPTS_WITHOUT_SUFFIX = ("deploy/make-starter",)
# The smallest computer this is checked on has two cores. Tests with real processes mostly wait, so twice as many
# workers as cores keep both busy; one that has nothing left takes from another, since the longest test takes minutes.
WORKERS, SHARING = 4, "worksteal"


class Component(NamedTuple):
    """A program that some tests run for real."""

    program: str
    packages: tuple[str, ...]
    needed_for: str


COMPONENTS = (
    Component("mosquitto", ("mosquitto",), "tests of the broker settings and the link between markets"),
    Component("tmux", ("tmux",), "tests of the screen in a real terminal"),
    # Debian's compiler alone comes without the headers.
    Component("gcc", ("gcc", "libc6-dev"), "tests of the C device, of power cuts and of full disks"),
    Component("g++", ("g++",), "the test of the sketch for boards"),
    Component("ip", ("iproute2",), "tests that run without a network"),
    Component("unshare", ("util-linux",), "tests that run without a network"),
)


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Read the options; all after `--` belongs to pytest."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(
        prog="deploy/test",
        description="Check Larder: format, lint, types and all tests.",
        epilog="All after -- goes to pytest. Exit: 0 good, 1 a check failed, 2 usage, 3 a requirement is missing.",
    )
    parser.add_argument("--quick", action="store_true", help="leave out the tests marked slow")
    parser.add_argument("--strict", action="store_true", help="a missing component is a failure")
    parser.add_argument("--setup-only", action="store_true", help="prepare everything and stop before the checks")
    options = parser.parse_args(arguments[:cut])
    options.pytest = arguments[cut + 1 :]
    return options


def is_found(component: Component) -> bool:
    """Look along the path and where Debian puts daemons, which is not on everybody's path."""
    return shutil.which(component.program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin") is not None


def missing_components() -> list[Component]:
    """Return the components whose program is not found, after trying to install them where that is allowed.

    Only root on a system with apt installs, and only what is missing.
    """
    missing = [component for component in COMPONENTS if not is_found(component)]
    if not missing or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return missing
    packages = [package for component in missing for package in component.packages]
    print(f"Installing what the tests need: {' '.join(packages)}.", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", "-qq", *command], env=environment, stdout=subprocess.DEVNULL, check=False)
    return [component for component in missing if not is_found(component)]


def checked(name: str, command: list[str], environment: dict[str, str]) -> bool:
    """Run one check with its output in view and say whether it was good."""
    print(f"== {name}", flush=True)
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def static_checks(cache: Path | None) -> dict[str, list[str]]:
    """Return the commands of the checks that do not run Larder, by name."""
    ruff_cache = ["--cache-dir", str(cache / "ruff")] if cache else []
    mypy_cache = ["--cache-dir", str(cache / "mypy")] if cache else []
    ruff, paths = [str(Path(sys.prefix) / "bin" / "ruff")], [".", *SCRIPTS_WITHOUT_SUFFIX]
    return {
        "format": [*ruff, "format", "--check", *ruff_cache, *paths],
        "lint": [*ruff, "check", *ruff_cache, *paths],
        "types": [sys.executable, "-m", "mypy", *mypy_cache],
    }


def counted(report: Path) -> tuple[int, int, Counter[str]]:
    """Return how many tests passed and failed, and the skipped ones by reason, from pytest's own report."""
    if not report.exists():
        return 0, 0, Counter()
    passed, failed, skipped = 0, 0, Counter[str]()
    for case in ElementTree.parse(report).iter("testcase"):
        if (skip := case.find("skipped")) is not None:
            skipped[skip.get("message") or "no reason given"] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        else:
            passed += 1
    return passed, failed, skipped


def run_checks(options: argparse.Namespace, missing: list[Component]) -> int:
    """Run everything, report everything, and return the exit code."""
    # A checkout that cannot be written to keeps no caches; they go where the environment went.
    cache = None if os.access(ROOT, os.W_OK) else Path(sys.prefix) / "cache"
    environment = dict(os.environ)
    environment.pop("PYTHONPATH", None)
    if options.strict:
        environment["LARDER_STRICT"] = "1"
    results = {name: checked(name, command, environment) for name, command in static_checks(cache).items()}
    with tempfile.TemporaryDirectory(prefix="larder-test-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-n", str(WORKERS), "--dist", SHARING, f"--junitxml={report}"]
        command += ["-m", "not slow"] if options.quick else []
        command += ["-o", f"cache_dir={cache / 'pytest'}"] if cache else []
        results["tests"] = checked("tests", [*command, *options.pytest], environment)
        passed, failed, skipped = counted(report)
    print("== summary")
    for reason, count in sorted(skipped.items()):
        print(f"skipped {count}: {reason}")
    for component in missing:
        print(f"missing {component.program} (package {component.packages[0]}): {component.needed_for} left out")
    verdicts = ", ".join(f"{name} {'good' if good else 'FAILED'}" for name, good in results.items())
    print(f"{verdicts}: {passed} passed, {failed} failed, {skipped.total()} skipped", flush=True)
    is_good = all(results.values()) and not (options.strict and missing)
    return EXIT_GOOD if is_good else EXIT_CHECK_FAILED


def main() -> int:
    """Prepare, check, and return the exit code."""
    options = parsed(sys.argv[1:])
    missing = missing_components()
    for component in missing:
        by_hand = f"sudo apt install {' '.join(component.packages)}"
        print(f"{component.program} is missing, so {component.needed_for} are left out. Type: {by_hand}", flush=True)
    if options.setup_only:
        return EXIT_REQUIREMENT_MISSING if options.strict and missing else EXIT_GOOD
    return run_checks(options, missing)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped.")
