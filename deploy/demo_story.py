"""The demo's story in plain lines: devices link, a delivery comes in, two sales, an undo, the cold storage, the end.

Every step is a verb that a person could type. Each line is one fact; the last line is one JSON object for programs.
"""

from __future__ import annotations

import datetime
import gettext
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo_market import DEVICES, Failed, Market, say

_ = gettext.translation("larder", Path(__file__).resolve().parent.parent / "node" / "locale", fallback=True).gettext

POLL_S = 0.2
SAY_EVERY_S = 10.0
# A trade item of nobody: GS1 keeps the prefixes 200 to 299 for use inside a shop.
MILK_GTIN = "2000000000022"
MILK_NAME = "Harbour milk 1 l"


def play(market: Market, seconds: float) -> dict[str, Any]:
    """Play the story for this many seconds and return what happened. Raises Failed where it did not."""
    ends_s = time.monotonic() + seconds
    facts: dict[str, Any] = {"format": "larder-demo/1", "market": str(market.folder)}
    facts["devices_linked"] = _see_devices_link(market, ends_s)
    _see_readings_arrive(market, ends_s)
    facts |= _work_a_day(market)
    facts["cold"] = _look_at_the_cold(market)
    said_s = time.monotonic()
    while time.monotonic() < ends_s:
        market.check_alive()
        if time.monotonic() - said_s >= SAY_EVERY_S:
            said_s = time.monotonic()
            say(_("{count} readings are stored").format(count=market.readings_stored()))
        time.sleep(POLL_S)
    return facts


def _waiting(market: Market, ends_s: float, what: str) -> Iterator[None]:
    """Yield until the time is up, then raise Failed with what was waited for."""
    while time.monotonic() < ends_s:
        market.check_alive()
        yield
        time.sleep(POLL_S)
    raise Failed(_("Waited to the end for this: {what}.").format(what=what))


def _see_devices_link(market: Market, ends_s: float) -> int:
    wanted, seen = {device.name for device in DEVICES}, set[str]()
    for _round in _waiting(market, ends_s, _("three devices linked")):
        linked = market.linked() & wanted
        for name in sorted(linked - seen):
            say(_("{name} is linked").format(name=name))
        seen |= linked
        if seen == wanted:
            break
    return len(seen)


def _see_readings_arrive(market: Market, ends_s: float) -> None:
    for _round in _waiting(market, ends_s, _("a reading of each device stored")):
        if (count := market.readings_stored()) >= len(DEVICES):
            say(_("{count} readings are stored").format(count=count))
            return


def _work_a_day(market: Market) -> dict[str, Any]:
    """Receive, sell and undo; return how many of each were saved and what is left on hand."""
    today = datetime.date.today()
    received = [_receive_milk(market, today)]
    best_before = (today + datetime.timedelta(days=14)).isoformat()
    received.append(market.verb("receive", "food/apples", "40", "--best-before", best_before, "--batch", "A-7"))
    say(_("a delivery of milk and apples is received"))
    # The clock of this computer may be unset or unconfirmed; --yes stands for the person who looks at the label.
    sold = [market.verb("sell", MILK_GTIN, "3", "--yes"), market.verb("sell", "food/apples", "6", "--yes")]
    say(_("3 milk and 6 apples are sold"))
    undone = [market.verb("undo")]
    say(_("the sale of the apples is undone"))
    return {"received": len(received), "sold": len(sold), "undone": len(undone)}


def _receive_milk(market: Market, today: datetime.date) -> dict[str, Any]:
    use_by = (today + datetime.timedelta(days=5)).isoformat()
    receipt = ("receive", MILK_GTIN, "24", "--use-by", use_by, "--batch", "M-2291", "--supplier", "Hill Farm")
    try:
        return market.verb(*receipt)
    except Failed as refusal:
        if refusal.error_id != "item.unknown_code":
            raise
        # The first time the code is not known yet, and the delivery says what it is.
        new_item = ("--name", MILK_NAME, "--unit", "each", "--like", "food/milk-whole", "--allergens", "milk")
        return market.verb(*receipt, *new_item)


def _look_at_the_cold(market: Market) -> Any:
    units = market.verb("cold")["units"]
    for unit in units:
        say(_("{name}: {state}, {quality}").format(**unit))
    return units


def conclude(market: Market, facts: dict[str, Any], problems: list[str]) -> bool:
    """Look at what is on the disk after everything ended, print PASS or FAIL for each promise, then the JSON object."""
    facts["readings_stored"] = market.readings_stored()
    verified = market.verb("verify")
    facts["sealed_blocks"], facts["digest"] = verified["block_count"], verified["digest"]
    promises = {
        _("three devices were linked"): facts["devices_linked"] == len(DEVICES),
        _("readings of all devices are stored"): facts["readings_stored"] >= len(DEVICES),
        _("a delivery, two sales and an undo are saved"): (facts["received"], facts["sold"], facts["undone"])
        == (2, 2, 1),
        _("every block of the ledger is signed and in its chain"): facts["sealed_blocks"] > 0,
        _("every process ended cleanly"): not problems,
    }
    for problem in problems:
        say(problem)
    for promise, is_kept in promises.items():
        say(f"{'PASS' if is_kept else 'FAIL'}: {promise}")
    facts["passed"] = all(promises.values())
    say(json.dumps(facts, ensure_ascii=False, sort_keys=True))
    return bool(facts["passed"])
