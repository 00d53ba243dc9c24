"""Cold holding: levels, hysteresis, silence, doubt. Times in minutes, temperatures in degrees, for reading."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.domain.cold import RULES, Level, Sample, Status, is_settled, status

PERIOD_MS = 10_000
FRIDGE, FREEZER = RULES["fridge"], RULES["freezer"]


def a_course(*parts: tuple[float, float], step_s: int = 10, newest_age_s: int = 3) -> list[Sample]:
    """Samples for parts of (minutes, degrees), ending `newest_age_s` ago."""
    values = [degrees for minutes, degrees in parts for _step in range(int(minutes * 60 / step_s))]
    count = len(values)
    return [
        Sample((newest_age_s + (count - 1 - place) * step_s) * 1000, round(value * 1000), True)
        for place, value in enumerate(values)
    ]


def fridge(*parts: tuple[float, float], **options: int) -> Status:
    """Judge a fridge after such a course."""
    return status(a_course(*parts, **options), rules=FRIDGE, period_ms=PERIOD_MS)


def test_a_cold_fridge_is_ok() -> None:
    judged = fridge((120, 3.1))
    assert (judged.level, judged.quality, judged.temperature_milli_c, judged.age_s) == (Level.OK, "GOOD", 3_100, 3)


def test_a_short_door_opening_is_no_warning() -> None:
    assert fridge((60, 3.0), (9, 6.5)).level is Level.OK


def test_ten_minutes_above_five_degrees_warn_and_thirty_alarm() -> None:
    assert fridge((60, 3.0), (11, 6.5)).level is Level.WARN
    assert fridge((60, 3.0), (31, 6.5)).level is Level.ALARM


def test_eight_degrees_alarm_after_ten_minutes() -> None:
    assert fridge((60, 3.0), (11, 8.5)).level is Level.ALARM


def test_four_hours_above_in_all_are_due_for_a_decision_even_with_short_cool_spells() -> None:
    course = [(120.0, 6.5), (5.0, 3.0), (125.0, 6.5)]
    judged = fridge((30, 3.0), *course)
    assert judged.level is Level.DECISION_DUE
    assert judged.decision_in_s == 0


def test_two_hours_above_in_all_are_critical() -> None:
    judged = fridge((30, 3.0), (121, 6.5))
    assert judged.level is Level.CRITICAL
    assert judged.decision_in_s is not None
    assert 118 * 60 < judged.decision_in_s < 120 * 60


def test_an_excursion_starts_with_its_first_interval_above() -> None:
    judged = fridge((30, 3.0), (20, 6.5))
    assert judged.since_s is not None
    assert abs(judged.since_s - 20 * 60) <= 20


def test_a_level_is_left_only_after_ten_minutes_well_inside_the_limit() -> None:
    assert fridge((60, 3.0), (31, 6.5), (9, 3.0)).level is Level.ALARM
    assert fridge((60, 3.0), (31, 6.5), (9, 3.0), (5, 4.8)).level is Level.ALARM
    assert fridge((60, 3.0), (31, 6.5), (12, 3.0)).level is Level.OK


def test_a_freezer_follows_its_own_limits() -> None:
    def freezer(*parts: tuple[float, float]) -> Level:
        return status(a_course(*parts), rules=FREEZER, period_ms=PERIOD_MS).level

    assert freezer((60, -19.0)) is Level.OK
    assert freezer((60, -19.0), (31, -17.0)) is Level.WARN
    assert freezer((60, -19.0), (31, -14.0)) is Level.ALARM
    assert freezer((60, -19.0), (11, -11.0)) is Level.CRITICAL
    assert freezer((60, -19.0), (121, -11.0)) is Level.DECISION_DUE


def test_silence_is_stale_then_missing_whatever_the_last_value_was() -> None:
    assert fridge((60, 3.0), newest_age_s=19).quality == "GOOD"
    assert fridge((60, 3.0), newest_age_s=21).quality == "STALE"
    assert fridge((60, 3.0), newest_age_s=31).quality == "MISSING"
    assert status([], rules=FRIDGE, period_ms=PERIOD_MS).quality == "MISSING"


def test_a_fast_board_is_not_called_silent_while_the_bridge_gathers_a_commit() -> None:
    samples = a_course((10, 3.0), step_s=1, newest_age_s=6)
    assert status(samples, rules=FRIDGE, period_ms=1_000).quality == "GOOD"
    samples = a_course((10, 3.0), step_s=1, newest_age_s=11)
    assert status(samples, rules=FRIDGE, period_ms=1_000).quality == "STALE"
    samples = a_course((10, 3.0), step_s=1, newest_age_s=16)
    assert status(samples, rules=FRIDGE, period_ms=1_000).quality == "MISSING"


def test_a_doubtful_value_is_never_good() -> None:
    samples = [*a_course((10, 3.0)), Sample(1_000, 85_000, False)]
    assert status(samples, rules=FRIDGE, period_ms=PERIOD_MS).quality == "SUSPECT"


def test_doubt_does_not_silence_an_alarm_and_a_doubtful_cold_value_does_not_end_one() -> None:
    hot = [Sample(sample.age_ms, sample.temperature_milli_c, False) for sample in a_course((31, 9.0))]
    assert status(hot, rules=FRIDGE, period_ms=PERIOD_MS).level >= Level.ALARM
    course = a_course((31, 9.0), (20, 3.0))
    doubtful = [*course[:190], *(Sample(sample.age_ms, 3_000, False) for sample in course[190:])]
    assert status(doubtful, rules=FRIDGE, period_ms=PERIOD_MS).since_s is not None


def test_unknown_time_inside_an_excursion_counts_towards_the_decision() -> None:
    before = a_course((20, 9.0), newest_age_s=3 * 3600)
    after = a_course((5, 9.0))
    judged = status([*before, *after], rules=FRIDGE, period_ms=PERIOD_MS)
    assert judged.unknown_s > 2.8 * 3600
    assert judged.decision_in_s is not None
    assert judged.decision_in_s < 60 * 60


def test_unknown_time_counts_towards_the_decision_over_a_freezer_too() -> None:
    before = a_course((20, -11.0), newest_age_s=90 * 60)
    judged = status([*before, *a_course((15, -11.0))], rules=FREEZER, period_ms=PERIOD_MS)
    assert judged.unknown_s > 70 * 60
    assert judged.decision_in_s is not None
    assert judged.decision_in_s < 20 * 60


def test_two_short_cool_spells_with_silence_between_them_end_no_excursion() -> None:
    before = a_course((20, 9.0), (6, 3.0), newest_age_s=40 * 60)
    judged = status([*before, *a_course((6, 3.0))], rules=FRIDGE, period_ms=PERIOD_MS)
    assert judged.since_s is not None
    assert judged.level is Level.ALARM


def test_a_mean_kinetic_temperature_that_passes_clears_nothing() -> None:
    # 19 h at 4 C and 5 h at 15 C: mean kinetic temperature 7.74 C, and still due for a decision.
    course = a_course((19 * 60, 4.0), (5 * 60, 15.0), step_s=60)
    assert status(course, rules=FRIDGE, period_ms=60_000).level is Level.DECISION_DUE


def test_a_room_without_a_limit_has_no_level() -> None:
    assert status(a_course((60, 24.0)), rules=None, period_ms=PERIOD_MS).level is Level.OK


@given(
    course=st.lists(st.tuples(st.integers(1, 40), st.integers(-10, 15)), min_size=1, max_size=6),
    hotter=st.integers(0, 5),
)
def test_a_warmer_course_is_never_judged_better(course: list[tuple[int, int]], hotter: int) -> None:
    plain = status(a_course(*course, step_s=60), rules=FRIDGE, period_ms=60_000)
    warmer = [(minutes, degrees + hotter) for minutes, degrees in course]
    assert status(a_course(*warmer, step_s=60), rules=FRIDGE, period_ms=60_000).level >= plain.level


@given(course=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 10)), min_size=1, max_size=5))
def test_the_answer_does_not_depend_on_how_the_readings_were_fed(course: list[tuple[int, int]]) -> None:
    samples = a_course(*course, step_s=60)
    fed: list[Sample] = []
    for sample in samples:
        fed.append(sample)
        judged = status(fed, rules=FRIDGE, period_ms=60_000)
    assert judged == status(samples, rules=FRIDGE, period_ms=60_000)


@given(
    course=st.lists(st.tuples(st.integers(1, 40), st.sampled_from([-2, 3, 4.8, 6, 9])), min_size=1, max_size=8),
    cut=st.integers(0, 200),
    hole=st.integers(0, 200),
)
def test_a_window_that_is_settled_needs_nothing_before_it(course: list[tuple[int, float]], cut: int, hole: int) -> None:
    samples = a_course(*course, step_s=60)
    samples = [*samples[:hole], *samples[hole + 5 :]]
    window = samples[cut:]
    if is_settled(window, rules=FRIDGE, period_ms=60_000):
        assert status(window, rules=FRIDGE, period_ms=60_000) == status(samples, rules=FRIDGE, period_ms=60_000)
