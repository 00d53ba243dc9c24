"""What `larder log` says of a decision: its fixed word for JSON, and its sentence.

Not the lookup (`node.ledger.read.decisions`). Text of other markets is made safe here.
"""

from __future__ import annotations

from collections.abc import Mapping

from node.cli.sentences import name_text
from node.cli.verdicts import WORDS as VERDICT_WORDS
from node.domain.recipes import Recipe
from node.language import _
from node.ledger.calibrations import CALIBRATION_KEY_PREFIX, read_calibration, sensor_of_key
from node.ledger.decisions import ALLERGENS_REASON_FIELD
from node.ledger.events import DishCooked, PlanAccepted, PlanWithdrawn, RegisterSet, VerdictReached
from node.ledger.holds import LIFT_KEY_PREFIX
from node.ledger.read.decisions import Decision
from node.text import safe_text
from node.tui.sensor_words import correction_text
from node.tui.sentences import batch_text

REASON_CELLS = 200
CODES_CELLS = 120

Recipes = Mapping[str, Recipe]


def decision_word(decision: Decision) -> str:
    """Return the fixed word of a decision, as `what` in JSON."""
    match decision.fact:
        case PlanAccepted():
            return "plan accepted"
        case PlanWithdrawn():
            return "plan withdrawn"
        case DishCooked():
            return "dish cooked"
        case VerdictReached():
            return "plan judged"
        case RegisterSet(key=key):
            return _register_word(key)
    return "decided"


def decision_text(decision: Decision, recipes: Recipes) -> str:
    """Return a decision as a sentence without its time and its market."""
    fact = decision.fact
    match fact:
        case PlanAccepted():
            return _accepted(decision, fact, recipes)
        case PlanWithdrawn():
            return _withdrawn(decision, fact)
        case DishCooked():
            return _cooked(decision, fact, recipes)
        case VerdictReached():
            return _judged(fact)
        case RegisterSet():
            return _REGISTERS[_register_word(fact.key)](decision, fact)
    return _("decided something, in a way of newer software")


def _register_word(key: str) -> str:
    if key.startswith(LIFT_KEY_PREFIX):
        return "hold lifted"
    if key.startswith(CALIBRATION_KEY_PREFIX):
        return "sensor calibrated"
    field = key.rpartition("/")[2]
    if key.startswith("recipe/"):
        return "recipe written"
    return {"name": "item named", ALLERGENS_REASON_FIELD: "allergens taken off"}.get(field, "allergens declared")


def _accepted(decision: Decision, fact: PlanAccepted, recipes: Recipes) -> str:
    dishes = ", ".join(f"{portions} {_title(recipes, recipe_id)}" for recipe_id, portions in decision.dishes)
    return _("accepted the plan for {day} of {planner}: {dishes}").format(
        day=_day(decision), planner=name_text(fact.planner), dishes=dishes or "-"
    )


def _withdrawn(decision: Decision, fact: PlanWithdrawn) -> str:
    return _with_reason(_("withdrew the plan for {day}").format(day=_day(decision)), fact.reason)


def _cooked(decision: Decision, fact: DishCooked, recipes: Recipes) -> str:
    if not decision.dishes:
        return _("cooked {portions} portions of a dish not known here").format(portions=fact.portions)
    ((recipe_id, planned),) = decision.dishes
    text = _("cooked {portions} {title}").format(portions=fact.portions, title=_title(recipes, recipe_id))
    return text if planned == fact.portions else _("{text}, planned were {planned}").format(text=text, planned=planned)


def _judged(fact: VerdictReached) -> str:
    word = _(VERDICT_WORDS[fact.verdict]) if fact.verdict in VERDICT_WORDS else name_text(fact.verdict)
    codes = safe_text(", ".join(fact.codes), CODES_CELLS)
    return _("judged the plan of {planner}: {word}").format(planner=name_text(fact.planner), word=word) + (
        f" ({codes})" if codes else ""
    )


def _named(decision: Decision, fact: RegisterSet) -> str:
    name = name_text(fact.value) if isinstance(fact.value, str) else "-"
    return _("named {item_id}: {name}").format(item_id=name_text(decision.item_id), name=name)


def _declared(decision: Decision, fact: RegisterSet) -> str:
    item = name_text(decision.item_name)
    if not isinstance(fact.value, list):
        return _("declared for {item} that its allergens are not known").format(item=item)
    codes = safe_text(", ".join(fact.value), CODES_CELLS) or _("none of the 14")
    return _("declared for {item} the allergens: {codes}").format(item=item, codes=codes)


def _taken_off(decision: Decision, fact: RegisterSet) -> str:
    reason, *codes = (fact.value if isinstance(fact.value, list) else []) or [""]
    text = _("took off {item}: {codes}").format(
        item=name_text(decision.item_name), codes=safe_text(", ".join(codes), CODES_CELLS) or "-"
    )
    return _with_reason(text, reason)


def _lifted(decision: Decision, fact: RegisterSet) -> str:
    item = name_text(decision.item_name) or _("a lot not known here")
    lot = batch_text(decision.batch, decision.lot_id.seq) if decision.lot_id else "-"
    if fact.value is None:
        return _("put {item}, lot {lot}, on hold again").format(item=item, lot=lot)
    text = _("lifted the hold on {item}, lot {lot}").format(item=item, lot=lot)
    return _with_reason(text, fact.value if isinstance(fact.value, str) else None)


def _written(_decision: Decision, fact: RegisterSet) -> str:
    return _("wrote down the recipe {title}").format(
        title=name_text(fact.value) if isinstance(fact.value, str) else "-"
    )


def _calibrated(_decision: Decision, fact: RegisterSet) -> str:
    sensor, value = name_text(sensor_of_key(fact.key)), read_calibration(fact.value)
    if value is None:
        return _("calibrated the sensor {sensor}, in a way of newer software").format(sensor=sensor)
    if value.withdrawn_ms is not None:
        text = _("took a calibration of the sensor {sensor} back").format(sensor=sensor)
        return _with_reason(text, value.withdrawn_reason)
    return _("calibrated the sensor {sensor}: {correction}").format(sensor=sensor, correction=correction_text(value))


_REGISTERS = {
    "sensor calibrated": _calibrated,
    "item named": _named,
    "allergens declared": _declared,
    "allergens taken off": _taken_off,
    "hold lifted": _lifted,
    "recipe written": _written,
}


def _with_reason(text: str, reason: str | None) -> str:
    if not reason:
        return text
    return _("{text}, because: {reason}").format(text=text, reason=safe_text(reason, REASON_CELLS))


def _title(recipes: Recipes, recipe_id: str) -> str:
    return name_text(recipes[recipe_id].title if recipe_id in recipes else recipe_id)


def _day(decision: Decision) -> str:
    return decision.day.isoformat() if decision.day else _("a day not known here")
