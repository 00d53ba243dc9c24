"""`deploy/test` itself: its options, its exit codes, and a summary that hides nothing that was left out."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

TESTS = """
import pytest

def test_good(): assert 1 + 1 == 2
def test_bad(): assert 1 + 1 == 3
@pytest.mark.slow
def test_slow_and_bad(): assert 1 + 1 == 3
@pytest.mark.parametrize("_", [1, 2])
def test_left_out(_): pytest.skip("no such device here")
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the command, pointed at a small project and without the checks that do not run Larder."""
    spec = importlib.util.spec_from_file_location("larder_check", CHECKOUT / "deploy" / "test.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "larder_check", module)
    spec.loader.exec_module(module)
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmarkers = ["slow: for the test"]\n')
    (tmp_path / "test_small.py").write_text(TESTS)
    monkeypatch.setattr(module, "WORKERS", 0)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "static_checks", lambda _cache: {})
    return module


def options(*arguments: str, command: ModuleType) -> argparse.Namespace:
    parsed: argparse.Namespace = command.parsed([*arguments])
    return parsed


def test_a_failed_test_fails_the_command_and_the_summary_counts_everything(
    command: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command.run_checks(options("--quick", command=command), []) == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1] == "tests FAILED: 1 passed, 1 failed, 2 skipped"
    assert "skipped 2: no such device here" in lines
    assert any(line.startswith("=") and "1 failed, 1 passed, 2 skipped" in line for line in lines)


def test_all_after_two_dashes_goes_to_pytest(command: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    assert command.run_checks(options("--", "-k", "good", command=command), []) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "tests good: 1 passed, 0 failed, 0 skipped"


def test_no_test_at_all_is_not_good(command: ModuleType) -> None:
    assert command.run_checks(options("--", "-k", "nothing_is_called_this", command=command), []) == 1


def test_a_failed_static_check_fails_the_command(command: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "static_checks", lambda _cache: {"lint": ["false"]})
    assert command.run_checks(options("--", "-k", "good", command=command), []) == 1


def test_a_missing_component_is_named_and_fails_only_when_strict(
    command: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = [command.COMPONENTS[0]]
    assert command.run_checks(options("--", "-k", "good", command=command), missing) == 0
    assert "missing mosquitto (package mosquitto): tests of the broker" in capfd.readouterr().out
    assert command.run_checks(options("--strict", "--", "-k", "good", command=command), missing) == 1


def test_strict_reaches_the_tests(command: ModuleType) -> None:
    (command.ROOT / "test_small.py").write_text(
        "import os\ndef test_strict(): assert os.environ['LARDER_STRICT'] == '1'\n"
    )
    assert command.run_checks(options("--strict", command=command), []) == 0


def test_wrong_usage_ends_with_2() -> None:
    command = [sys.executable, CHECKOUT / "deploy" / "test.py", "--everything"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2


def test_continuous_integration_runs_the_same_command_strictly() -> None:
    assert '/deploy/test" --strict' in (CHECKOUT / ".ci" / "run").read_text()
