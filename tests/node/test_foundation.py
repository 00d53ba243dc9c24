"""The foundation: words by locale, text from outside, the clock's quality, errors that say what to do."""

from __future__ import annotations

import ast
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import clock, language
from node.clock import PLAUSIBLE_WALL_MS_MIN, ClockQuality
from node.errors import N_, NeedsYes, NotSavedNow, Refused
from node.language import error_text
from node.text import cell_width, safe_text

ROOT = Path(__file__).parents[2]
SHOWN = "from node import language; print(language.decimal_mark(), language._('Saved.'), language.locale_name())"


@pytest.mark.parametrize(
    ("name", "mark"), [("de_AT.UTF-8", ","), ("en_GB", "."), ("C", "."), ("fr_FR", ","), ("xx_YY", "."), ("../..", ".")]
)
def test_the_decimal_mark_follows_the_locale_and_an_unknown_one_does_no_harm(name: str, mark: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOWN],
        env={"LARDER_LOCALE": name, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[0] == mark


def test_without_a_catalogue_the_source_language_is_shown() -> None:
    assert language._("The disk is full; this was not saved.") == "The disk is full; this was not saved."
    assert language.ngettext("{count} lot", "{count} lots", 2).format(count=2) == "2 lots"


def test_an_error_says_what_happened_and_what_to_do_with_its_values_filled_in() -> None:
    error = Refused("lot.hold", N_("Lot {lot} is on hold."), N_("Ask {who}."), lot="M-2291", who="Ana")
    assert error_text(error) == ("Lot M-2291 is on hold.", "Ask Ana.")
    assert str(error) == "Lot M-2291 is on hold. Ask Ana."
    assert not error.is_transient
    assert NotSavedNow("disk.full", "Full.").is_transient
    assert isinstance(NeedsYes("x", "y"), Refused)


def error_calls() -> list[tuple[str, ast.Call]]:
    """Every place in `node` that makes an error with an id."""
    found = []
    for path in sorted((ROOT / "node").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or len(call.args) < 2 or not isinstance(call.args[0], ast.Constant):
                continue
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            if name in {"Refused", "NeedsYes", "LocalFault", "RemoteFault", "NotSavedNow"}:
                found.append((f"{path.relative_to(ROOT)}:{call.lineno}", call))
    return found


def test_every_error_of_the_code_is_a_marked_sentence_with_an_id() -> None:
    calls = error_calls()
    assert len(calls) > 30
    for where, call in calls:
        error_id, message = call.args[0], call.args[1]
        assert isinstance(error_id, ast.Constant)
        assert "." in str(error_id.value), where
        if isinstance(message, ast.Name):
            continue  # one of several sentences chosen before; each is marked where it stands, as the next test sees
        assert isinstance(message, ast.Call), f"{where}: mark the sentence with N_"
        text = message.args[0]
        assert isinstance(text, ast.Constant)
        # A sentence of the validator may stand at the end, which ends by itself.
        assert str(text.value).rstrip().endswith((".", "?", "{reason}", "{reasons}")), f"{where}: {text.value}"


MARKS = frozenset({"N_", "_", "ngettext"})


def test_every_sentence_that_is_chosen_before_its_error_is_marked() -> None:
    """An error may take its sentence from a name; then everything that looks like a sentence in that file is marked."""
    files = {where.split(":")[0] for where, call in error_calls() if isinstance(call.args[1], ast.Name)}
    for file in files:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        marked = {
            id(part)
            for call in ast.walk(tree)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in MARKS
            for part in ast.walk(call)
        }
        written = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for text in ast.walk(tree):
            if isinstance(text, ast.Constant) and isinstance(text.value, str) and text.value.rstrip().endswith("."):
                assert id(text) in marked | written, f"{file}:{text.lineno}: {text.value}"


@given(text=st.text(max_size=60), cells=st.integers(0, 40))
def test_no_text_from_outside_can_steer_a_terminal(text: str, cells: int) -> None:
    shown = safe_text(text, cells)
    assert sum(cell_width(character) for character in shown) <= cells
    assert all(unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in shown)


def test_hostile_text_is_shown_as_text() -> None:
    assert safe_text("[red]x[/]\x1b[2J\u202eevil", 80) == "[red]x[/]?[2J?evil"
    assert safe_text("日本語", 5) == "日本"


def test_a_clock_before_the_software_existed_is_not_set() -> None:
    assert clock.quality(PLAUSIBLE_WALL_MS_MIN - 1) is ClockQuality.NOT_SET


def test_the_clocks_are_read_as_whole_numbers_and_uptime_never_runs_back() -> None:
    first, second = clock.now(), clock.now()
    assert first.boot_id == second.boot_id != ""
    assert first.boottime_ms <= second.boottime_ms
    assert isinstance(first.wall_ms, int)
