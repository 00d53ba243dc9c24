"""The environment of `deploy/demo` and `deploy/test`: made from hashes, never used half filled, quiet afterwards.

The tests fill real environments from a wheel made here, so they need no network; the real locks are filled by whoever
runs `deploy/test`.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
REAL_PYTHON = str(getattr(sys, "_base_executable", sys.executable))


def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("larder_bootstrap", CHECKOUT / "deploy" / "bootstrap.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def a_wheel(folder: Path, name: str = "larder_probe", content: str = "VALUE = 1\n") -> Path:
    """Make a wheel of one module and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{file},sha256={digest},{len(text)}\n")
    files[f"{info}/RECORD"] = "".join(rows) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


def the_bundled_pip() -> Path:
    """Return the pip wheel that this Python's ensurepip carries."""
    ensurepip = importlib.util.find_spec("ensurepip")
    assert ensurepip is not None and ensurepip.origin is not None
    return next((Path(ensurepip.origin).parent / "_bundled").glob("pip-*.whl"))


def a_lock(path: Path, wheel: Path) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    path.write_text(f"{wheel.name.split('-')[0]}==1.0 --hash=sha256:{digest}\n")


def a_checkout(folder: Path) -> Path:
    """Make a small checkout with the real bootstrap, one wheel, locks that ask for it and a `larder` that answers."""
    root = folder / "Märkte & Höfe" / "larder"
    (root / "deploy").mkdir(parents=True)
    for name in ("_bootstrap", "bootstrap.py"):
        shutil.copy(CHECKOUT / "deploy" / name, root / "deploy" / name)
    wheel = a_wheel(root / "deploy" / "wheels")
    shutil.copy(the_bundled_pip(), root / "deploy" / "wheels")
    for name in ("requirements-demo.lock", "requirements-dev.lock", "requirements-build.lock"):
        a_lock(root / "deploy" / name, wheel)
    (root / "node" / "cli").mkdir(parents=True)
    (root / "node" / "cli" / "main.py").write_text(
        "import sys\nimport larder_probe\ndef main():\n    print(larder_probe.VALUE, *sys.argv[1:])\n    return 7\n"
    )
    (root / "deploy" / "answer.py").write_text("import sys\nprint(sys.prefix)\nprint(*sys.argv[1:], sep='|')\n")
    return root


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the bootstrap, asking for the probe wheel alone and with an index that nobody answers.

    It finds no ensurepip, so it runs pip from its wheel, which is ten times as fast to set up.
    """
    module = bootstrap()
    monkeypatch.setattr(module, "has_ensurepip", lambda: False)
    monkeypatch.setattr(module, "RUNTIME_MODULES", ("larder_probe",))
    monkeypatch.setattr(module, "DEMO_MODULES", ())
    monkeypatch.setattr(module, "DEV_MODULES", ())
    monkeypatch.setattr(module, "COMPILED_MODULES", ("larder_probe",))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    return module


def forbid_filling(*_: object) -> None:
    raise AssertionError("the environment was ready and is filled again")


@pytest.mark.slow
def test_an_environment_is_filled_once_and_then_used_as_it_is(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = a_checkout(tmp_path)
    venv = tool.ensure_venv(root, with_dev=False)
    assert root / ".venv" == venv
    monkeypatch.setattr(tool, "fill", forbid_filling)
    assert venv == tool.ensure_venv(root, with_dev=False)


@pytest.mark.slow
def test_the_command_runs_from_a_path_with_spaces_and_umlauts_under_another_locale(
    tool: ModuleType, tmp_path: Path
) -> None:
    venv = tool.ensure_venv(a_checkout(tmp_path), with_dev=False)
    done = subprocess.run(
        [venv / "bin" / "larder", "sell", "two words"],
        env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("1 sell two words\n", 7), done.stderr


@pytest.mark.slow
def test_a_moved_checkout_works_at_its_new_place(tool: ModuleType, tmp_path: Path) -> None:
    root = a_checkout(tmp_path)
    tool.ensure_venv(root, with_dev=False)
    moved = root.rename(tmp_path / "moved")
    venv = tool.ensure_venv(moved, with_dev=False)
    done = subprocess.run([venv / "bin" / "larder"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("1\n", 7), done.stderr


@pytest.mark.slow
def test_a_half_filled_environment_is_made_afresh(tool: ModuleType, tmp_path: Path) -> None:
    root = a_checkout(tmp_path)
    venv = tool.ensure_venv(root, with_dev=False)
    (venv / tool.MARKER_NAME).touch()
    leftover = venv / "leftover"
    leftover.touch()
    assert venv == tool.ensure_venv(root, with_dev=False)
    assert not leftover.exists()
    assert not (venv / tool.MARKER_NAME).exists()


def test_an_interrupted_filling_leaves_its_marker(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    root = a_checkout(tmp_path)
    monkeypatch.setattr(tool, "install", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tool.ensure_venv(root, with_dev=False)
    assert (root / ".venv" / tool.MARKER_NAME).exists()
    assert not (root / ".venv" / tool.STAMP_NAME).exists()


@pytest.mark.slow
def test_a_changed_lock_asks_for_filling_and_the_dev_environment_serves_the_demo(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = a_checkout(tmp_path)
    lock = root / "deploy" / "requirements-dev.lock"
    lock.write_text("# for the tests\n" + lock.read_text())
    venv = tool.ensure_venv(root, with_dev=True)
    with monkeypatch.context() as frozen:
        frozen.setattr(tool, "fill", forbid_filling)
        assert venv == tool.ensure_venv(root, with_dev=False)
    lock.write_text("# changed\n" + lock.read_text())
    assert not tool.is_ready(venv, {tool.stamp(lock)}, ())


@pytest.mark.slow
def test_a_package_that_no_longer_imports_is_noticed(tool: ModuleType, tmp_path: Path) -> None:
    venv = tool.ensure_venv(a_checkout(tmp_path), with_dev=False)
    (tool.site_packages(venv) / "larder_probe.py").unlink()
    stamps = {(venv / tool.STAMP_NAME).read_text().strip()}
    assert not tool.is_ready(venv, stamps, tool.RUNTIME_MODULES)


@pytest.mark.slow
def test_a_wheel_that_does_not_match_its_hash_is_refused(tool: ModuleType, tmp_path: Path) -> None:
    root = a_checkout(tmp_path)
    a_wheel(root / "deploy" / "wheels", content="VALUE = 666\n")
    with pytest.raises(tool.Refused, match="deploy/wheels"):
        tool.ensure_venv(root, with_dev=False)
    assert (root / ".venv" / tool.MARKER_NAME).exists()


@pytest.mark.slow
def test_with_ensurepip_the_environment_has_its_own_pip(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "has_ensurepip", bootstrap().has_ensurepip)
    venv = tool.ensure_venv(a_checkout(tmp_path), with_dev=False)
    assert (tool.site_packages(venv) / "pip").exists()
    assert (tool.site_packages(venv) / "larder_probe.py").exists()


@pytest.mark.slow
def test_without_ensurepip_a_pip_wheel_beside_the_checkout_does(tool: ModuleType, tmp_path: Path) -> None:
    venv = tool.ensure_venv(a_checkout(tmp_path), with_dev=False)
    assert not (tool.site_packages(venv) / "pip").exists()
    assert (tool.site_packages(venv) / "larder_probe.py").exists()


def test_without_ensurepip_and_without_root_the_line_to_type_is_said(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = a_checkout(tmp_path)
    next((root / "deploy" / "wheels").glob("pip-*.whl")).unlink()
    monkeypatch.setattr(tool.os, "geteuid", lambda: 1000)
    with pytest.raises(tool.Refused, match="sudo apt install python3-venv"):
        tool.ensure_venv(root, with_dev=False)


@pytest.mark.slow
def test_a_read_only_checkout_keeps_its_environment_in_the_users_cache(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = a_checkout(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Root may write anywhere, so the answer of a read-only mount is given here.
    monkeypatch.setattr(tool.os, "access", lambda path, _mode: tmp_path / "cache" in Path(path).parents)
    venv = tool.ensure_venv(root, with_dev=False)
    assert tmp_path / "cache" / "larder" == venv.parent
    assert not (root / ".venv").exists()


def test_the_shell_part_hands_over_with_every_argument_intact(tmp_path: Path) -> None:
    root = a_checkout(tmp_path)
    source = (root / "deploy" / "bootstrap.py").read_text()
    for name in ("RUNTIME_MODULES", "DEMO_MODULES", "DEV_MODULES", "COMPILED_MODULES"):
        source = source.replace(f"{name} = (", f"{name} = () and (")
    (root / "deploy" / "bootstrap.py").write_text(source)
    link = tmp_path / "link"
    link.symlink_to(root / "deploy" / "_bootstrap")
    done = subprocess.run([link, "answer", "a b", "", "ü"], capture_output=True, text=True, check=False)
    assert [str(root / ".venv"), "a b||ü"] == done.stdout.splitlines(), done.stderr


def a_python(folder: Path, changed: str) -> Path:
    """Make a `python3` that differs from this one in what the given statement changes."""
    folder.mkdir()
    program = f"import sys\ncode = sys.argv.pop(1)\n{changed}\nexec(code)"
    text = f'#!/bin/sh\nshift 2\nexec {shlex.quote(REAL_PYTHON)} -c {shlex.quote(program)} "$@"\n'
    (folder / "python3").write_text(text)
    (folder / "python3").chmod(0o755)
    for name in ("sh", "readlink", "dirname"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("sys.version_info = (3, 9, 2)", "python3 is Python 3.9: install the package python3 of a newer system."),
        ("sys.modules['ssl'] = None", "python3 lacks its module ssl: install the package python3 (python3-minimal"),
        ("sys.modules['sqlite3'] = None", "python3 lacks its module sqlite3: install the package python3"),
    ],
)
def test_a_python_that_will_not_do_ends_with_one_sentence(tmp_path: Path, changed: str, expected: str) -> None:
    path = a_python(tmp_path / "bin", changed)
    command = [CHECKOUT / "deploy" / "_bootstrap", "test"]
    done = subprocess.run(command, env={"PATH": str(path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_python_at_all_ends_with_one_sentence(tmp_path: Path) -> None:
    path = a_python(tmp_path / "bin", "")
    (path / "python3").unlink()
    command = [CHECKOUT / "deploy" / "_bootstrap", "test"]
    done = subprocess.run(command, env={"PATH": str(path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "none was found: install the package python3.\n" in done.stderr


def test_the_import_check_and_the_scripts_follow_the_project_file() -> None:
    module = bootstrap()
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    scripts = {name: f"{target}:main" for name, target in module.SCRIPTS.items()}
    assert project["scripts"] == scripts
    imported_as = {"paho-mqtt": "paho", "pymysensors": "mysensors", "pyserial": "serial", "pytest-xdist": "xdist"}
    for names, requirements in (
        (module.RUNTIME_MODULES, project["dependencies"]),
        (module.DEMO_MODULES, project["optional-dependencies"]["demo"]),
        (module.DEV_MODULES, [*project["optional-dependencies"]["dev"], *project["optional-dependencies"]["bench"]]),
    ):
        packages = [requirement.replace("==", ">=").split(">=")[0] for requirement in requirements]
        wanted = {imported_as.get(package, package.replace("-", "_")) for package in packages}
        assert wanted == {name.split(".")[0] for name in names}
