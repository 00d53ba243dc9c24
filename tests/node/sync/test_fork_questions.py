"""Questions about forked streams: nobody's claims keep another market's branches from being asked for."""

from __future__ import annotations

from random import Random

from node.sync.forks import (
    ANSWER_WITHIN_S,
    QUESTIONS_MAX,
    RETRY_S_MAX,
    SUSPICIONS_PER_MEMBER_MAX,
    ForkAsked,
    Forks,
)
from node.sync.messages import Claim
from node.sync.vector import Heads

LIAR, HONEST, THIRD = b"a liar of 16 b..", b"honest of 16 b..", b"a third of 16 b."


def a_claim(number: int) -> Claim:
    """A claim that a stream nobody knows has several branches."""
    return Claim(number.to_bytes(8), 1, 0, 7)


def some_forks() -> Forks:
    return Forks(Heads({}), Random(1))


def all_asked(forks: Forks, now_s: float, until_s: float) -> list[ForkAsked]:
    """Every question that is asked of members who never answer. Fails where a time falls due for nothing."""
    asked: list[ForkAsked] = []
    while (now_s := max(now_s, forks.due_s())) <= until_s:
        before, due_s = len(asked), forks.due_s()
        asked += forks.ask(now_s)
        assert len(asked) > before or forks.due_s() > due_s
    return asked


def test_a_member_that_claims_branches_of_made_up_streams_does_not_keep_another_from_being_asked() -> None:
    forks = some_forks()
    forks.plain(LIAR, tuple(a_claim(number) for number in range(1_000)))
    forks.plain(HONEST, (a_claim(2_000),))
    assert {asked.origin for asked in forks.ask(0.0)} == {LIAR, HONEST}


def test_a_member_is_asked_one_question_at_a_time_and_each_of_its_streams_in_turn() -> None:
    forks = some_forks()
    forks.plain(LIAR, tuple(a_claim(number) for number in range(1_000)))
    assert [len(forks.ask(now_s)) for now_s in (0.0, 1.0, ANSWER_WITHIN_S)] == [1, 0, 1]
    streams = {asked.stream for asked in all_asked(forks, ANSWER_WITHIN_S, 10 * RETRY_S_MAX)}
    assert len(streams) == SUSPICIONS_PER_MEMBER_MAX


def test_no_more_questions_are_out_than_allowed_and_who_waits_longest_comes_first() -> None:
    forks = some_forks()
    for number, origin in enumerate((LIAR, HONEST, THIRD)):
        forks.suspect(a_claim(number).stream, origin)
    assert len(forks.ask(0.0)) == QUESTIONS_MAX
    assert forks.ask(ANSWER_WITHIN_S)[0].origin == THIRD


def test_whoever_never_answers_is_asked_ever_less_often() -> None:
    forks = some_forks()
    forks.suspect(a_claim(1).stream, LIAR)
    hour = len(all_asked(forks, 0.0, 3_600.0))
    day = len(all_asked(forks, 3_600.0, 86_400.0))
    assert hour <= 12
    assert day <= 26
