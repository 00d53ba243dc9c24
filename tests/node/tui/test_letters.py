"""The answer to a hard question: a reason, a pause, a lone `y`, a pause; nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.tui.dialogs.letters import PAUSE_S, Letters, Step

REASONS = "mubtr"


def answered(keys: list[tuple[str | None, float]], reasons: str = REASONS) -> Letters:
    """Feed (character, seconds since the key before), then a long silence."""
    letters = Letters(reasons, 0.0)
    at_s = 0.0
    for character, gap_s in keys:
        at_s += gap_s
        letters.tick(at_s)
        letters.key(character, at_s)
    letters.tick(at_s + 10.0)
    return letters


def test_a_reason_then_a_lone_y_confirms() -> None:
    letters = answered([("m", 0.5), ("y", 0.3)])

    assert (letters.step, letters.reason) == (Step.CONFIRMED, "m")


def test_y_too_soon_after_the_reason_starts_again() -> None:
    assert answered([("m", 0.5), ("y", 0.199)]).step is Step.CHOOSING


def test_a_key_soon_after_y_takes_it_back() -> None:
    assert answered([("m", 0.5), ("y", 0.3), (None, 0.1)]).step is Step.CHOOSING


def test_without_reasons_y_must_stand_alone_after_the_opening() -> None:
    assert answered([("y", 0.1)], reasons="").step is Step.SURE
    assert answered([("y", 0.3)], reasons="").step is Step.CONFIRMED


def test_enter_space_and_digits_are_no_answer() -> None:
    for character in (None, " ", "1", "4", "n"):
        assert answered([(character, 0.5), ("y", 0.5)]).step is Step.CHOOSING
        assert answered([("m", 0.5), (character, 0.5), ("y", 0.5)]).step is Step.CHOOSING


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*"mubtry0123456789 ", None]),
            st.floats(min_value=0.0, max_value=PAUSE_S - 0.001),
        ),
        max_size=60,
    ),
    st.sampled_from(["", REASONS]),
)
def test_keys_closer_than_the_pause_never_confirm_but_by_a_last_lone_y(
    keys: list[tuple[str | None, float]], reasons: str
) -> None:
    # The last key is an Enter, as of a scanner: with it nothing of any length or content confirms.
    assert answered([*keys, (None, 0.01)], reasons).step is not Step.CONFIRMED
