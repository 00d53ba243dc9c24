"""The scan router alone: tables of (key, time) and what comes of them, and properties over random keys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.tui.scan import (
    _TABLE,
    CHARACTERS_MAX,
    Complain,
    Complaint,
    Effect,
    Kind,
    Pass,
    Press,
    Remember,
    Restore,
    Scanned,
    ScanRouter,
    State,
    WaitingScans,
    pasted_scan,
)

FIELD = object()
SCREEN = object()
MILK = "4006381333931"


def presses(
    text: str, *, gap_ms: float, start_s: float = 0.0, suffix: str | None = None, in_field: bool = False
) -> list[Press]:
    place = FIELD if in_field else SCREEN
    names = {"\x1d": "ctrl+right_square_bracket"}
    made = [
        Press(names.get(character, character), character, start_s + number * gap_ms / 1000, place, in_field)
        for number, character in enumerate(text)
    ]
    end_s = start_s + len(text) * gap_ms / 1000
    for key in {"none": (), "cr": ("enter",), "lf": ("ctrl+j",), "crlf": ("enter", "ctrl+j"), "tab": ("tab",)}[
        suffix or "none"
    ]:
        made.append(Press(key, "\r" if key == "enter" else None, end_s, place, in_field))
        end_s += gap_ms / 1000
    return made


def routed(keys: list[Press], router: ScanRouter | None = None) -> list[Effect]:
    router = router or ScanRouter()
    effects = [effect for key in keys for effect in router.key(key)]
    return effects + router.tick((keys[-1].at_s if keys else 0.0) + 10.0)


def typed(effects: list[Effect]) -> list[str]:
    return [effect.press.key for effect in effects if isinstance(effect, Pass)]


def scans(effects: list[Effect]) -> list[str]:
    return [effect.text for effect in effects if isinstance(effect, Scanned)]


def complaints(effects: list[Effect]) -> list[Complaint]:
    return [effect.complaint for effect in effects if isinstance(effect, Complain)]


def test_every_state_knows_what_to_do_with_every_kind_of_key() -> None:
    assert {(state, kind) for state in State for kind in Kind} == set(_TABLE)


@pytest.mark.parametrize("gap_ms", [0, 2, 10, 30])
@pytest.mark.parametrize("suffix", ["cr", "lf", "crlf", "tab"])
@pytest.mark.parametrize("text", ["40170725", MILK, "0104006381333931\x1d17261129", "https://d.y/muzy4d1y"])
@pytest.mark.parametrize("in_field", [True, False])
def test_a_scan_is_delivered_once_and_nothing_of_it_acts(gap_ms: float, suffix: str, text: str, in_field: bool) -> None:
    effects = routed(presses(text, gap_ms=gap_ms, suffix=suffix, in_field=in_field))

    assert [text] == scans(effects)
    assert complaints(effects) == []
    assert not {"enter", "tab", "ctrl+j"} & set(typed(effects))
    if in_field:
        assert isinstance(effects[0], Remember)
        assert isinstance(effects[-2], Restore)
    else:
        assert typed(effects) == []


@pytest.mark.parametrize("in_field", [True, False])
def test_a_person_typing_a_code_is_never_taken_for_a_scan(in_field: bool) -> None:
    effects = routed(presses(MILK, gap_ms=120, suffix="cr", in_field=in_field))

    assert [*MILK, "enter"] == typed(effects)
    assert scans(effects) == []
    assert complaints(effects) == []


def test_a_burst_outside_a_field_without_its_suffix_does_nothing_and_says_so() -> None:
    effects = routed(presses("dy", gap_ms=10))

    assert [Complain(Complaint.TOO_FAST)] == effects


@pytest.mark.parametrize("text", ["d", "dy", "abc"])
def test_too_few_characters_and_enter_do_nothing(text: str) -> None:
    effects = routed(presses(text, gap_ms=5, suffix="cr"))

    assert [Complain(Complaint.TOO_FAST)] == effects


def test_a_single_key_acts_after_its_pause() -> None:
    router = ScanRouter()
    (key,) = presses("z", gap_ms=0)

    assert router.key(key) == []
    assert router.deadline_s == pytest.approx(0.040)
    assert router.tick(0.040) == []
    assert [Pass(key)] == router.tick(0.041)
    assert router.deadline_s is None


def test_a_scan_that_stalls_on_a_busy_computer_is_still_one_scan() -> None:
    first, rest = presses(MILK[:5], gap_ms=2), presses(MILK[5:], gap_ms=2, start_s=0.120, suffix="cr")

    assert scans(routed([*first, *rest])) == [MILK]


def test_a_held_key_acts_before_a_later_key_and_where_it_was_pressed() -> None:
    letter = Press("z", "z", 0.0, "the first screen")
    arrow = Press("down", None, 0.010, "another screen")

    assert [Pass(letter), Pass(arrow)] == routed([letter, arrow])


def test_a_held_down_sign_counts_as_often_as_it_came_and_a_letter_once() -> None:
    assert typed(routed(presses("+++++", gap_ms=33))) == ["+"] * 5
    assert typed(routed(presses("zzzzz", gap_ms=33))) == ["z"]
    assert scans(routed(presses("11111111", gap_ms=33, suffix="cr"))) == []


def test_the_same_character_held_down_in_a_field_is_typed() -> None:
    effects = routed(presses("0" * 12, gap_ms=33, suffix="cr", in_field=True))

    assert typed(effects) == ["0"] * 12 + ["enter"]


@pytest.mark.parametrize("in_field", [True, False])
def test_an_endless_burst_is_dropped_until_it_is_quiet(in_field: bool) -> None:
    router = ScanRouter()
    effects = [e for key in presses("7a" * 300, gap_ms=1, suffix="cr", in_field=in_field) for e in router.key(key)]

    assert complaints(effects) == [Complaint.TOO_LONG]
    assert scans(effects) == []
    assert "enter" not in typed(effects)
    assert in_field == any(isinstance(effect, Restore) for effect in effects)
    assert scans(routed(presses(MILK, gap_ms=1, start_s=5.0, suffix="cr"), router)) == [MILK]


@pytest.mark.parametrize("in_field", [True, False])
@pytest.mark.parametrize("prefix", ["ctrl+g", "f12"])
def test_after_a_prefix_everything_is_a_scan_at_any_length_and_slow_speed(in_field: bool, prefix: str) -> None:
    place = FIELD if in_field else SCREEN
    keys = [
        Press(prefix, None, 0.0, place, in_field),
        *presses("42", gap_ms=300, start_s=0.3, suffix="cr", in_field=in_field),
    ]

    assert [Scanned("42", place)] == routed(keys)


def test_after_a_prefix_silence_ends_the_scan() -> None:
    keys = [Press("ctrl+g", None, 0.0, SCREEN), *presses("4711", gap_ms=10, start_s=0.01)]

    assert [Scanned("4711", SCREEN)] == routed(keys)


def test_a_key_that_cannot_be_of_a_scan_cuts_it_and_still_acts() -> None:
    keys = [
        Press("ctrl+g", None, 0.0, SCREEN),
        *presses("47", gap_ms=10, start_s=0.01),
        Press("f4", None, 0.04, SCREEN),
    ]

    effects = routed(keys)

    assert complaints(effects) == [Complaint.CUT]
    assert typed(effects) == ["f4"]


def test_a_line_feed_by_hand_is_not_swallowed() -> None:
    keys = presses(MILK, gap_ms=2, suffix="cr")
    late = Press("ctrl+j", None, keys[-1].at_s + 1.0, SCREEN)

    assert typed(routed([*keys, late])) == ["ctrl+j"]


def test_a_field_that_is_left_in_the_middle_ends_the_burst() -> None:
    keys = presses(MILK, gap_ms=2, suffix="cr", in_field=True)
    elsewhere = [replace(key, place="another field") for key in keys[6:]]

    assert scans(routed([*keys[:6], *elsewhere])) == []


def test_twenty_scans_in_one_burst_are_twenty_scans() -> None:
    keys = [key for number in range(20) for key in presses(MILK, gap_ms=1, start_s=number * 0.014, suffix="cr")]

    assert scans(routed(keys)) == [MILK] * 20


def test_a_paste_is_a_scan_only_if_it_is_one_line_of_8_to_128_characters() -> None:
    assert pasted_scan(MILK + "\r\n") == MILK
    assert pasted_scan("short") is None
    assert pasted_scan("x" * (CHARACTERS_MAX + 1)) is None
    assert pasted_scan("two lines\nof text") is None
    assert pasted_scan("escape\x1b[2J here") is None


def test_waiting_scans_keep_their_order_and_refuse_the_twenty_first() -> None:
    waiting = WaitingScans()

    assert [waiting.add(str(number)) for number in range(21)] == [True] * 20 + [False]
    assert [waiting.next() for _n in range(21)] == [str(number) for number in range(20)] + [None]


random_keys = st.lists(
    st.tuples(
        st.sampled_from([*"0123459dmuyz+-/", "enter", "tab", "ctrl+j", "down", "f4", "escape", "ctrl+g"]),
        st.sampled_from([0, 1, 10, 34, 36, 41, 60, 120, 210, 600]),
        st.booleans(),
    ),
    max_size=60,
)


@given(random_keys)
def test_nothing_comes_twice_and_order_is_kept(drawn: list[tuple[str, int, bool]]) -> None:
    at_s = 0.0
    keys = []
    for name, gap_ms, in_field in drawn:
        at_s += gap_ms / 1000
        keys.append(Press(name, name if len(name) == 1 else None, at_s, FIELD if in_field else SCREEN, in_field))

    effects = routed(keys)

    passed = [effect.press for effect in effects if isinstance(effect, Pass)]
    places = [next(number for number, key in enumerate(keys) if key is one) for one in passed]
    assert places == sorted(set(places))
    scanned = sum(len(text) for text in scans(effects))
    assert (
        len(passed) + scanned
        <= len(keys) + sum(1 for effect in effects if isinstance(effect, Restore)) * CHARACTERS_MAX
    )


@given(st.text(st.sampled_from("0123456789dy/:."), min_size=1, max_size=40), st.sampled_from([41, 60, 120, 300]))
def test_what_a_person_types_is_never_lost(text: str, gap_ms: int) -> None:
    for in_field in (True, False):
        effects = routed(presses(text, gap_ms=gap_ms, suffix="cr", in_field=in_field))
        assert [*text, "enter"] == typed(effects)
        assert complaints(effects) == []
