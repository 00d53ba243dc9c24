"""Makes the virtual environment that `deploy/demo` and `deploy/test` run in, then becomes that command.

It is not an installer for a market's computer and it never touches the system's Python packages. Only the standard
library is used, since nothing else is there yet; for the same reason its few sentences are plain English.

Owns three promises: every package is installed by hash from a lock; an environment that was not filled to its end is
never used; and from the second run on nothing asks the network.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXIT_REQUIREMENT_MISSING = 3

# What the locks are asked to provide: the import check looks for each of these in the environment.
RUNTIME_MODULES = (
    "babel",
    "click",
    "cobs",
    "cryptography",
    "httpx",
    "msgspec",
    "paho.mqtt.client",
    "pybreaker",
    "segno",
    "serial",
    "sqlite_utils",
    "tenacity",
    "textual",
)
DEMO_MODULES = ("amqtt",)
DEV_MODULES = (
    "highspy",
    "hypothesis",
    "loro",
    "mypy",
    "mysensors",
    "psutil",
    "pycrdt",
    "pymodbus",
    "pyte",
    "pytest",
    "pytest_asyncio",
    "pytest_timeout",
    "ruff",
    "xdist",
)
# Really imported by the check: compiled code is what a changed system breaks. The others are only looked for, which
# keeps a start under a second.
COMPILED_MODULES = ("cryptography.hazmat.bindings._rust", "msgspec")

# The checkout is not built, so the commands of pyproject.toml are written here.
SCRIPTS = {
    "larder": "node.cli.main",
    "larder-node": "node.daemon.main",
    "larder-bridge": "firmware_bridge.main",
}
# The shell reads line 2 and starts the environment's Python, to which lines 2 and 3 are one string. A plain `#!` line
# would break at a space in the path and after 127 bytes.
SCRIPT_TEXT = """#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
import sys

from {module} import main

sys.exit(main())
"""

STAMP_NAME = "larder-stamp"
MARKER_NAME = "larder-filling"


class Refused(Exception):
    """A requirement is missing; the text says which one and what to do."""


def stamp(lock: Path) -> str:
    """Return the SHA-256 of what decides an environment's content: the lock, the Python version, the architecture."""
    parts = (lock.read_bytes(), platform.python_version().encode(), platform.machine().encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def venv_folder(root: Path) -> Path:
    """Return where the environment of this checkout belongs: beside it, or in the user's cache if it is read-only."""
    beside = root / ".venv"
    if os.access(beside if beside.exists() else root, os.W_OK):
        return beside
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "larder" / f"venv-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}"


def python_of(venv: Path) -> str:
    """Return the path of the environment's Python."""
    return str(venv / "bin" / "python")


IMPORT_CHECK = """
import importlib.util, sys
for name in sys.argv[1].split():
    __import__(name)
sys.exit(any(importlib.util.find_spec(name) is None for name in sys.argv[2].split()))
"""


def is_ready(venv: Path, accepted: set[str], modules: tuple[str, ...]) -> bool:
    """Say whether the environment was filled to its end from an accepted lock and its packages can be imported."""
    if (venv / MARKER_NAME).exists():
        return False
    try:
        if (venv / STAMP_NAME).read_text().strip() not in accepted:
            return False
        command = [python_of(venv), "-I", "-c", IMPORT_CHECK, " ".join(COMPILED_MODULES), " ".join(modules)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def site_packages(venv: Path) -> Path:
    """Return the folder of the environment's packages."""
    return venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def link_checkout(root: Path, venv: Path) -> None:
    """Make `import node` and the commands work in the environment; changes nothing when they already do.

    The line in the `.pth` file is code in plain ASCII with the path as bytes, because a bare path there is read in the
    locale's encoding and a folder called "Märkte" would be lost under another locale.
    """
    import_line = f"import os, sys; sys.path.append(os.fsdecode({os.fsencode(root)!r}))\n"
    wanted = {site_packages(venv) / "larder-checkout.pth": import_line}
    for name, module in SCRIPTS.items():
        wanted[venv / "bin" / name] = SCRIPT_TEXT.format(python=shell_quoted(python_of(venv)), module=module)
    for path, text in wanted.items():
        content = text.encode()
        if path.exists() and path.read_bytes() == content:
            continue
        path.write_bytes(content)
        if path.parent.name == "bin":
            path.chmod(0o755)


def shell_quoted(text: str) -> str:
    """Quote a path for the shell line of SCRIPT_TEXT, which is also the inside of a Python string.

    Raises Refused for what one of the two sides cannot carry there.
    """
    if any(character in "'\"\\$`\n" or "\ud800" <= character <= "\udfff" for character in text):
        raise Refused(
            f"The path {text!a} holds quotes, $, \\ or bytes that are not UTF-8: move the checkout elsewhere."
        )
    return f'"{text}"'


def base_python() -> str:
    """Return the system's Python, also when this one runs inside an activated environment."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def has_ensurepip() -> bool:
    """Ask a fresh process, since a package may have been installed after this one started."""
    # An empty folder of that name would import too, so its function is looked at.
    command = [base_python(), "-I", "-c", "import ensurepip; ensurepip.version()"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def wheel_folders(root: Path) -> list[Path]:
    """Return the folders that may hold wheels: `deploy/wheels`, and those of bundles beside the checkout."""
    folders = [root / "deploy" / "wheels", *sorted(root.parent.glob("larder-bundle*/wheels"))]
    return [folder for folder in folders if any(folder.glob("*.whl"))]


def find_pip(root: Path) -> Path | None:
    """Return the pip wheel to use, or None where ensurepip brings one. Raises Refused where there is neither."""
    if has_ensurepip():
        return None
    wheels = [wheel for folder in wheel_folders(root) for wheel in sorted(folder.glob("pip-*.whl"))]
    if not wheels:
        install_python3_venv()
        return None
    return wheels[-1]


def make_venv(venv: Path, pip_wheel: Path | None) -> list[str]:
    """Make the empty environment and return the command that runs pip in it."""
    without_pip = [] if pip_wheel is None else ["--without-pip"]
    run([base_python(), "-I", "-m", "venv", *without_pip, str(venv)])
    return [python_of(venv), "-m", "pip"] if pip_wheel is None else [python_of(venv), str(pip_wheel / "pip")]


def install_python3_venv() -> None:
    """Install Debian's package with ensurepip, as root only. Raises Refused with the line to type otherwise."""
    by_hand = "Python's module ensurepip is missing. Type: sudo apt install python3-venv"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Refused(by_hand)
    say("Python's module ensurepip is missing: installing the package python3-venv.")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "-q", "update"], ["apt-get", "-q", "install", "-y", "python3-venv"]):
        # An update that fails (one dead source among many) need not make the install fail.
        subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    if not has_ensurepip():
        raise Refused(by_hand)


def install(root: Path, pip: list[str], lock: Path) -> None:
    """Install the lock by hash: from files that lie here if they suffice, else from the index pip is set up for.

    One package (cobs) comes as source where no wheel fits; it is built with the setuptools of requirements-build.lock.
    Without build isolation, because pip would fetch the isolated build's tools by name, not by hash.
    """
    for wanted in (root / "deploy" / "requirements-build.lock", lock):
        command = [*pip, "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        command += ["--require-hashes", "--no-build-isolation", "-r", str(wanted)]
        environment = {**os.environ, "PIP_USER": "0"}
        folders = wheel_folders(root)
        if folders:
            local = [*command, "--no-index", *(f"--find-links={folder}" for folder in folders)]
            if subprocess.run(local, env=environment, capture_output=True, check=False).returncode == 0:
                continue
            say(f"The wheels that lie here are not all of {wanted.name}: asking the package index.")
        if subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode != 0:
            raise Refused(
                "The packages could not be installed (pip's own words are above). Without a network, put the wheels "
                f"of {wanted.name} into {root / 'deploy' / 'wheels'} and start again."
            )


def fill(root: Path, venv: Path, lock: Path) -> None:
    """Bring the environment to exactly what the lock says, behind a marker that stands until the end.

    An environment somebody else made is filled in place; one that was left half filled, or belongs to another Python,
    is made afresh.
    """
    pip_wheel = find_pip(root)
    made_for = venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if (venv / MARKER_NAME).exists() or not made_for.exists() or not Path(python_of(venv)).exists():
        shutil.rmtree(venv, ignore_errors=True)
    say(f"Filling {venv} from {lock.name} (once; later runs need no network).")
    venv.mkdir(parents=True, exist_ok=True)
    (venv / MARKER_NAME).touch()
    (venv / STAMP_NAME).unlink(missing_ok=True)
    install(root, make_venv(venv, pip_wheel), lock)
    (venv / STAMP_NAME).write_text(stamp(lock) + "\n")
    (venv / MARKER_NAME).unlink()


@contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Keep a second run of this checkout waiting while one fills the environment; the system frees it on any end."""
    folder = os.open(root / "deploy", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def ensure_venv(root: Path, *, with_dev: bool) -> Path:
    """Return the folder of an environment that is ready for the demo, or with `with_dev` for the tests.

    The dev lock holds all of the demo's lock, so an environment made for the tests also serves the demo.
    Raises Refused when something is missing that cannot be had.
    """
    venv = venv_folder(root)
    demo_lock, dev_lock = root / "deploy" / "requirements-demo.lock", root / "deploy" / "requirements-dev.lock"
    lock = dev_lock if with_dev else demo_lock
    accepted = {stamp(dev_lock)} if with_dev else {stamp(dev_lock), stamp(demo_lock)}
    modules = (*RUNTIME_MODULES, *DEMO_MODULES, *(DEV_MODULES if with_dev else ()))
    if not is_ready(venv, accepted, modules):
        with only_one(root):
            if not is_ready(venv, accepted, modules):
                fill(root, venv, lock)
                if not is_ready(venv, accepted, modules):
                    raise Refused(f"The packages in {venv} cannot be imported: remove that folder and start again.")
    link_checkout(root, venv)
    return venv


def run(command: list[str]) -> None:
    """Run a command whose failure means that a requirement is missing."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise Refused(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-2000:]}")


def say(sentence: str) -> None:
    """Tell the person what is going on, beside the command's own output."""
    print(sentence, file=sys.stderr, flush=True)


def main() -> None:
    """Prepare the environment, then become `deploy/NAME.py` in it with the arguments that follow the name."""
    name, arguments = sys.argv[1], sys.argv[2:]
    root = Path(__file__).resolve().parent.parent
    try:
        python = python_of(ensure_venv(root, with_dev=name == "test"))
    except Refused as refusal:
        say(str(refusal))
        sys.exit(EXIT_REQUIREMENT_MISSING)
    except OSError as error:
        say(f"The environment could not be made: {error}. Free space or another folder may be needed.")
        sys.exit(EXIT_REQUIREMENT_MISSING)
    except KeyboardInterrupt:
        say("Stopped. The next run starts the environment afresh.")
        sys.exit(130)
    os.execv(python, [python, str(root / "deploy" / f"{name}.py"), *arguments])


if __name__ == "__main__":
    main()
