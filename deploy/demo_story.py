"""The demo's story in plain lines: a day at Harbour, a plan for tonight, a hand-over to Mill Road, the end.

Every step is a verb that a person could type. Each line is one fact. The outage is told in `demo_outage`.
"""

from __future__ import annotations

import datetime
import gettext
import time
from collections.abc import Callable
from typing import Any

from demo_market import DEVICES, Market
from demo_processes import ROOT, Failed, say
from demo_town import Town

_ = gettext.translation("larder", ROOT / "node" / "locale", fallback=True).gettext

POLL_S = 0.2
SAY_EVERY_S = 10.0
# A trade item of nobody: GS1 keeps the prefixes 200 to 299 for use inside a shop.
MILK_GTIN = "2000000000022"
MILK_NAME = "Harbour milk 1 l"
# What Harbour cooks from: item, quantity, days until best before. Chosen so that several dishes want the same things.
PANTRY = (
    ("food/potatoes", "6", 30),
    ("food/leeks", "24", 3),
    ("food/onions", "2", 30),
    ("food/carrots", "5", 2),
    ("food/rice-white", "3.2", 300),
    ("food/frozen-peas", "1", 90),
    ("food/oil-rapeseed", "0.5", 200),
    ("food/oil-sunflower", "0.5", 200),
    ("food/salt", "1", 300),
    ("food/garlic", "0.2", 30),
    ("food/ginger", "0.2", 6),
)
PORTIONS = 40
# A flaky planner is honest first, then offers a forbidden dish, then more than there is.
LIES_TOLD = 2
NEEDS = ("--without", "nuts=2", "--without", "vegan=3")


class Story:
    """What was told so far: the facts for the last line, and when the time is up."""

    def __init__(self, town: Town, seconds: float) -> None:
        self.town = town
        self.ends_s = time.monotonic() + seconds
        self.plans: list[dict[str, str]] = []
        self.sold = {market.key: 0 for market in town.markets}
        self.facts: dict[str, Any] = {"format": "larder-demo/2", "folder": str(town.folder), "broker": town.broker}
        self.facts |= {"plans": self.plans, "sold": self.sold, "outage_s": 0.0, "digests_before_healing": None}

    def until(self, is_so: Callable[[], Any], what: str) -> None:
        """Wait until something is so. Raises Failed where a process of ours ended or the time is up."""
        while not is_so():
            self.town.processes.check_alive()
            if time.monotonic() >= self.ends_s:
                raise Failed(_("Waited to the end for this: {what}.").format(what=what))
            time.sleep(POLL_S)

    def sell(self, market: Market, item: str, quantity: str) -> dict[str, Any]:
        """Sell at a market. The clock here may be unset; --yes stands for the person who looks at the label."""
        done = market.verb("sell", item, quantity, "--yes")
        self.sold[market.key] += 1
        return done

    def plan(self, people: int) -> None:
        """Plan at Harbour and say what is there at once: the plan made here."""
        began_s = time.monotonic()
        self._note(self.town.harbour.verb("plan", "--portions", str(people), *NEEDS), time.monotonic() - began_s)

    def await_planner(self, what: str) -> None:
        """Wait for what becomes of the question to the central planner, and say it."""
        waiting = self.plans[-1]

        def is_told() -> bool:
            shown = self.town.harbour.verb("plan")
            if (shown["source"], shown["reason"]) == (waiting["source"], waiting["reason"]):
                return False
            self._note(shown, None)
            return True

        self.until(is_told, what)

    def _note(self, shown: dict[str, Any], took_s: float | None) -> None:
        self.plans.append({"source": shown["source"], "reason": shown["reason"], "planner": shown["planner"]})
        dishes = ", ".join(f"{dish['portions']} {dish['title']}" for dish in shown["dishes"])
        line = _("plan for {people}, {made_by}: {dishes}").format(
            people=shown["people"], made_by=shown["made_by"], dishes=dishes or _("nothing fits")
        )
        reason = f"; {shown['reason']}" if shown["reason"] else ""
        took = "" if took_s is None else _(" (after {seconds:.1f} s)").format(seconds=took_s)
        say(line + reason + took)


def play(town: Town, seconds: float, *, has_outage: bool) -> dict[str, Any]:
    """Play the story for this many seconds and return what happened. Raises Failed where it did not."""
    from demo_outage import play_outage

    story = Story(town, seconds)
    began_s = time.monotonic()
    if town.digits:
        say(_("Harbour and Mill Road are paired, both show {digits}").format(digits=town.digits))
    _see_devices_link(story)
    _work_a_day(story)
    _plan_tonight(story)
    _hand_over(story)
    story.until(town.is_equal, _("both markets hold the same"))
    if has_outage:
        play_outage(story)
    say(_("both markets hold the same, digest {digest}").format(digest=town.harbour.digest()[:12]))
    _look_at_the_cold(story)
    said_s = time.monotonic()
    story.facts["told_s"] = round(said_s - began_s, 1)
    while time.monotonic() < story.ends_s:
        town.processes.check_alive()
        if time.monotonic() - said_s >= SAY_EVERY_S:
            said_s = time.monotonic()
            say(_("{count} readings are stored").format(count=town.harbour.readings_stored()))
        time.sleep(POLL_S)
    return story.facts


def deliver(town: Town) -> int:
    """Take today's deliveries in at both markets; return how many lines."""
    today = datetime.date.today()
    _receive_milk(town.harbour, today)
    apples = ("receive", "food/apples", "40", "--best-before", _in_days(today, 14), "--batch", "A-7")
    town.harbour.verb(*apples)
    for item, quantity, days in PANTRY:
        town.harbour.verb("receive", item, quantity, "--best-before", _in_days(today, days))
    pears = ("receive", "food/pears", "30", "--best-before", _in_days(today, 6), "--batch", "P-3")
    town.mill_road.verb(*pears)
    return len(PANTRY) + 3


def _see_devices_link(story: Story) -> None:
    wanted, seen = {device.name for device in DEVICES}, set[str]()

    def is_linked() -> bool:
        linked = story.town.harbour.linked() & wanted
        for name in sorted(linked - seen):
            say(_("{name} is linked").format(name=name))
        seen.update(linked)
        return seen == wanted

    story.until(is_linked, _("three devices linked"))
    story.until(lambda: story.town.harbour.readings_stored() >= len(DEVICES), _("a reading of each device stored"))
    say(_("{count} readings are stored").format(count=story.town.harbour.readings_stored()))
    story.facts["devices_linked"] = len(seen)
    story.facts["device"] = story.town.harbour.device


def _work_a_day(story: Story) -> None:
    """Receive, sell and undo."""
    town = story.town
    story.facts["received"] = deliver(town)
    say(_("deliveries are received: milk, apples and a pantry at Harbour, pears at Mill Road"))
    story.sell(town.harbour, MILK_GTIN, "3")
    story.sell(town.harbour, "food/apples", "6")
    story.sell(town.mill_road, "food/pears", "4")
    say(_("3 milk and 6 apples are sold at Harbour, 4 pears at Mill Road"))
    town.harbour.verb("undo")
    story.facts["undone"] = 1
    say(_("the sale of the apples is undone"))


def _plan_tonight(story: Story) -> None:
    for more_people in range(LIES_TOLD + 1 if story.town.is_flaky else 1):
        # Other people each time, or the answer that is still at hand would do.
        story.plan(PORTIONS + more_people)
        story.await_planner(_("an answer of the central planner"))
        if more_people:
            # After a dish that somebody must not eat the planner is asked again only once a person has seen it.
            story.town.harbour.verb("plan", "--acknowledge")


def _hand_over(story: Story) -> None:
    """Hand six bottles of milk over, with the temperatures that chilled goods need."""
    town, chilled = story.town, ("--temperature", "3.8")
    offer = town.harbour.verb("transfer", "offer", MILK_GTIN, "6", "--to", town.mill_road.name, "--yes")
    number = offer["transfer"]["number"]
    say(_("Harbour offers 6 milk to Mill Road, hand-over {number}").format(number=number))
    story.until(lambda: _state(town.mill_road, number) == "offered", _("the offer at Mill Road"))
    town.mill_road.verb("transfer", "accept", number)
    story.until(lambda: _state(town.harbour, number) == "accepted", _("the acceptance at Harbour"))
    town.harbour.verb("transfer", "send", number, "--carrier", "Bicycle 2", *chilled, "--yes")
    story.until(lambda: _state(town.mill_road, number) == "sent", _("the goods on their way"))
    town.mill_road.verb("transfer", "receive", number, "6", "--temperature", "4.4", "--yes")
    story.until(lambda: _state(town.harbour, number) == "closed", _("the receipt at Harbour"))
    say(_("Mill Road accepted and received 6 milk, 4.4 C at the door; Harbour has heard of it"))
    story.facts["handed_over"] = {"number": number, "state": _state(town.harbour, number)}


def _state(market: Market, number: str) -> str:
    """Return where a hand-over stands as a market knows it, empty where it has not heard of it."""
    from node.ledger.read import transfer_named

    row = market.look(lambda reader: transfer_named(reader, number))
    return "" if row is None else row.state.value


def _receive_milk(market: Market, today: datetime.date) -> None:
    receipt = ("receive", MILK_GTIN, "24", "--use-by", _in_days(today, 5), "--batch", "M-2291")
    receipt = (*receipt, "--supplier", "Hill Farm")
    try:
        market.verb(*receipt)
    except Failed as refusal:
        if refusal.error_id != "item.unknown_code":
            raise
        # The first time the code is not known yet, and the delivery says what it is.
        new_item = ("--name", MILK_NAME, "--unit", "each", "--like", "food/milk-whole", "--allergens", "milk")
        market.verb(*receipt, *new_item)


def _in_days(today: datetime.date, days: int) -> str:
    return (today + datetime.timedelta(days=days)).isoformat()


def _look_at_the_cold(story: Story) -> None:
    units = story.town.harbour.verb("cold")["units"]
    for unit in units:
        say(_("{name}: {state}, {quality}").format(**unit))
    story.facts["cold"] = units
