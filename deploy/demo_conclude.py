"""What the demo promised and what lies on the disk when everything has ended: PASS or FAIL, then one JSON object."""

from __future__ import annotations

import gettext
import json
from typing import Any

from demo_market import DEVICES
from demo_processes import ROOT, say
from demo_town import Town

_ = gettext.translation("larder", ROOT / "node" / "locale", fallback=True).gettext


def conclude(town: Town, facts: dict[str, Any], problems: list[str], *, has_outage: bool) -> bool:
    """Look at both folders, print a line for each promise and the JSON object; return whether all were kept."""
    verified = {market.key: market.verb("verify") for market in town.markets}
    facts["readings_stored"] = town.harbour.readings_stored()
    facts["sealed_blocks"] = {key: found["block_count"] for key, found in verified.items()}
    facts["digests"] = {key: found["digest"] for key, found in verified.items()}
    facts["equal"] = len(set(facts["digests"].values())) == 1
    promises = {
        _("three devices were linked"): facts["devices_linked"] == len(DEVICES),
        _("readings of all devices are stored"): facts["readings_stored"] >= len(DEVICES),
        _("deliveries, sales at both markets and an undo are saved"): facts["undone"] == 1
        and all(facts["sold"].values()),
        _("the plan made here was there before the central planner answered"): facts["plans"][0]["source"] == "here",
        _("goods were handed over"): facts["handed_over"]["state"] == "closed",
        _("every block of both ledgers is signed and in its chain"): all(facts["sealed_blocks"].values()),
        _("both markets hold the same"): facts["equal"],
        _("every process ended cleanly"): not problems,
    }
    if has_outage:
        before = facts["digests_before_healing"]
        promises |= {
            _("in the outage a plan was made here, with a reason"): (
                facts["plans"][-1]["source"] == "here" and facts["plans"][-1]["reason"] != ""
            ),
            _("in the outage both markets sold, and differed until it was over"): len(set(before.values())) == 2,
        }
    for problem in problems:
        say(problem)
    for promise, is_kept in promises.items():
        say(f"{'PASS' if is_kept else 'FAIL'}: {promise}")
    facts["passed"] = all(promises.values())
    say(json.dumps(facts, ensure_ascii=False, sort_keys=True))
    return bool(facts["passed"])
