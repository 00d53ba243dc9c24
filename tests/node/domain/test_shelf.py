"""What a change of weight means, and the steps of a whole simulated day beside the whole weight divided."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.domain.shelf import NOTHING, ShelfItem, are_alike, count_by_weight, weigh_up
from node.domain.shelf_steps import (
    ALIKE,
    GAP,
    HALF_GONE,
    MOVING,
    NEGATIVE,
    QUIET,
    SATURATED,
    UNLIKELY,
    UNSTABLE,
    ScaleRules,
    ScaleState,
    Step,
    Weight,
    advance,
)
from tests.node.domain import shelf_place
from tests.node.domain.shelf_place import NOISE_MG, a_day

PERIOD_MS = 500

MILK = ShelfItem("milk", 500_000, 5_000)
TEA = ShelfItem("tea", 120_000, 2_000)
RULES = ScaleRules((MILK,), NOISE_MG, PERIOD_MS)


def walk(weights: list[Weight], rules: ScaleRules = RULES) -> tuple[ScaleState, list[Step]]:
    state, steps = ScaleState(), []
    for weight in weights:
        state, step = advance(state, weight, rules)
        steps += [step] if step else []
    return state, steps


def standing(*parts: tuple[int, float], boot: int = 1) -> list[Weight]:
    """Weights in grams, each held for so many seconds."""
    found: list[Weight] = []
    for grams, held_s in parts:
        for _ in range(round(held_s * 1000 / PERIOD_MS)):
            found.append(Weight(boot, len(found), len(found) * PERIOD_MS, grams * 1000))
    return found


@pytest.mark.parametrize(("seed", "unit_g", "spread_g", "absolute_wrong_min"), [(1, 50, 1, 0.5), (2, 200, 2, 0.2)])
def test_a_day_counted_by_steps_ends_right_where_the_divided_weight_is_wrong(
    seed: int, unit_g: int, spread_g: int, absolute_wrong_min: float
) -> None:
    unit_mg = unit_g * 1000
    rules = ScaleRules((ShelfItem("it", unit_mg, spread_g * 1000),), NOISE_MG, shelf_place.PERIOD_MS)
    state, units, wrong, absolute_wrong, total, questions = ScaleState(), None, 0, 0, 0, 0
    absolute, truth = 0, None
    for truth in a_day(seed, unit_mg=unit_mg, spread_mg=spread_g * 1000):
        units = truth.units if units is None else units
        state, step = advance(state, truth.weight, rules)
        if step is not None:
            questions += bool(step.reason)
            units += step.candidates[0].units
        total += 1
        wrong += units != truth.units
        assert truth.weight.weight_mg is not None
        absolute = round(truth.weight.weight_mg / unit_mg)
        absolute_wrong += absolute != truth.units
    assert truth is not None and units == truth.units
    assert questions == 0
    assert wrong / total <= 0.02
    assert absolute_wrong / total >= absolute_wrong_min
    assert absolute != truth.units


def test_drift_alone_proposes_nothing_in_a_day() -> None:
    steps = walk(
        [truth.weight for truth in a_day(4, unit_mg=50_000, spread_mg=1_000, events=0)],
        ScaleRules((ShelfItem("it", 50_000, 1_000),), NOISE_MG, shelf_place.PERIOD_MS),
    )[1]
    assert steps == []


@settings(max_examples=100, deadline=None)
@given(units=st.integers(-20, 20).filter(bool), off_g=st.floats(-0.2, 0.2))
def test_whole_units_within_their_spread_are_clear(units: int, off_g: float) -> None:
    judged = weigh_up(units * MILK.unit_mg + round(off_g * 1000), [MILK], NOISE_MG)
    assert judged.is_clear
    assert (judged.candidates[0].item_id, judged.candidates[0].units) == ("milk", units)


@pytest.mark.parametrize("change_g", [-250, -700, 180, 320, -820])
def test_a_part_of_a_unit_is_a_question(change_g: int) -> None:
    assert not weigh_up(change_g * 1000, [MILK], NOISE_MG).is_clear


def test_a_spread_as_wide_as_a_third_of_a_unit_leaves_the_number_open() -> None:
    bread = ShelfItem("bread", 400_000, 130_000)
    judged = weigh_up(-2_000_000, [bread], NOISE_MG)
    assert not judged.is_clear
    assert sum(candidate.probability_milli for candidate in judged.candidates) <= 1000
    assert judged.candidates[0].units == -5


@settings(max_examples=100, deadline=None)
@given(change_mg=st.integers(-5_000_000, 5_000_000), noise_mg=st.integers(1, 100_000))
def test_probabilities_are_parts_of_one_and_ordered(change_mg: int, noise_mg: int) -> None:
    found = [each.probability_milli for each in weigh_up(change_mg, [MILK, TEA], noise_mg).candidates]
    assert found == sorted(found, reverse=True)
    assert 0 <= sum(found) <= 1000 and found[0] > 0


def test_a_taken_unit_is_proposed_once_and_the_state_is_quiet_after_it() -> None:
    state, steps = walk(standing((5000, 5), (4500, 5)))
    (step,) = steps
    assert (step.before_mg, step.after_mg, step.reason) == (5_000_000, 4_500_000, "")
    assert (step.candidates[0].item_id, step.candidates[0].units) == ("milk", -1)
    assert state.phase == QUIET


def test_a_hand_that_leans_on_the_shelf_and_goes_is_nothing() -> None:
    state, steps = walk(standing((5000, 5), (7300, 1), (6100, 1), (5000, 5)))
    assert steps == [] and state.phase == QUIET


def test_between_two_weights_the_scale_is_moving() -> None:
    assert walk(standing((5000, 5), (4500, 1)))[0].phase == MOVING


def test_a_foreign_weight_is_a_question_with_nothing_among_its_candidates() -> None:
    (step,) = walk(standing((5000, 5), (5200, 5)))[1]
    assert step.reason == UNLIKELY
    assert NOTHING in {candidate.item_id for candidate in step.candidates}


def test_more_than_half_gone_at_once_is_a_question() -> None:
    (step,) = walk(standing((5000, 5), (2000, 5)))[1]
    assert (step.reason, step.candidates[0].units) == (HALF_GONE, -6)


def test_more_than_half_gone_slowly_is_not() -> None:
    slowly = [(5000, 5.0), *((5000 - 37 * n, 0.5) for n in range(1, 80)), (2000, 5.0)]
    (step,) = [each for each in walk(standing(*slowly))[1] if each.candidates[0].units == -6]
    assert step.reason == ""


def test_less_than_nothing_on_the_shelf_is_a_question() -> None:
    (step,) = walk(standing((300, 5), (-200, 5)))[1]
    assert step.reason == NEGATIVE


def test_items_that_weigh_alike_are_always_a_question() -> None:
    oat = ShelfItem("oat", 510_000, 5_000)
    assert are_alike([MILK, oat], NOISE_MG) and not are_alike([MILK, TEA], NOISE_MG)
    (step,) = walk(standing((5000, 5), (4500, 5)), ScaleRules((MILK, oat), NOISE_MG, PERIOD_MS))[1]
    assert step.reason == ALIKE
    assert {candidate.item_id for candidate in step.candidates} >= {"milk", "oat"}


def test_two_items_that_differ_are_told_apart() -> None:
    (step,) = walk(standing((5000, 5), (4880, 5)), ScaleRules((MILK, TEA), NOISE_MG, PERIOD_MS))[1]
    assert step.reason == "" and step.candidates[0].item_id == "tea"


def test_a_step_with_the_scale_at_its_end_is_a_question() -> None:
    weights = standing((5000, 5), (4500, 5))
    weights[10] = Weight(1, 10, weights[10].at_ms, None, is_saturated=True)
    assert walk(weights)[1][0].reason == SATURATED


def test_weights_without_rest_settle_nothing_and_too_many_of_them_make_a_question() -> None:
    restless = [
        Weight(1, 100 + n, 60_000 + n * PERIOD_MS, 4_500_000 + n % 7 * 100_000, is_steady=False) for n in range(80)
    ]
    before = [Weight(1, n, 50_000 + n * PERIOD_MS, 5_000_000) for n in range(20)]
    after = [Weight(1, 200 + n, 100_000 + n * PERIOD_MS, 4_500_000) for n in range(10)]
    assert walk(before + restless)[1] == []
    assert walk(before + restless + after)[1][0].reason == UNSTABLE
    assert (
        walk(before + restless[:20] + [Weight(1, 200 + n, 70_000 + n * 500, 4_500_000) for n in range(10)])[1][0].reason
        == ""
    )


def test_what_happened_while_nobody_weighed_is_a_question() -> None:
    before = standing((5000, 5))
    later = [Weight(1, 100 + n, 600_000 + n * PERIOD_MS, 4_500_000) for n in range(10)]
    assert walk(before + later)[1][0].reason == GAP
    rebooted = standing((4500, 5), boot=2)
    assert walk(before + rebooted)[1][0].reason == GAP
    same = [Weight(1, 100 + n, 600_000 + n * PERIOD_MS, 5_000_000) for n in range(10)]
    assert walk(before + same)[1] == []


def test_a_tare_is_no_step() -> None:
    weights = standing((900, 5), (0, 5))
    assert walk(weights)[1] != []
    assert walk(weights, ScaleRules((MILK,), NOISE_MG, PERIOD_MS, tared=(1, 10)))[1] == []


def test_another_calibration_is_no_step() -> None:
    weights = standing((5000, 5), (4900, 5))
    again = [replace(each, calibration="second") if each.seq >= 10 else each for each in weights]
    assert walk(again)[1] == []


def test_weights_that_come_again_change_nothing() -> None:
    weights = standing((5000, 5), (4500, 5))
    assert walk(weights + weights[5:])[1] == walk(weights)[1]


def test_a_board_that_weighs_every_ten_seconds_is_counted_too() -> None:
    weights = [Weight(1, n, n * 10_000, 5_000_000 if n < 4 else 4_000_000) for n in range(8)]
    (step,) = walk(weights, ScaleRules((MILK,), NOISE_MG, 10_000))[1]
    assert step.candidates[0].units == -2


@settings(max_examples=100, deadline=None)
@given(net_g=st.integers(0, 50_000), hours=st.none() | st.floats(0, 1000))
def test_the_count_by_weight_brackets_what_drift_may_have_made_of_it(net_g: int, hours: float | None) -> None:
    found = count_by_weight(net_g * 1000, [MILK], NOISE_MG, hours)
    assert found is not None and abs(found.units * 500 - net_g) <= 250
    assert found.plus_minus >= 0
    assert count_by_weight(net_g * 1000, [MILK, TEA], NOISE_MG, hours) is None
