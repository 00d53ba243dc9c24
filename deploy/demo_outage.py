"""The demo's outage: the central planner stops, the network is cut, both markets sell on, and then all is well again.

Nobody is told that it is a demo: the markets notice by themselves what is gone.
"""

from __future__ import annotations

import gettext
import time

from demo_processes import ROOT, say
from demo_story import MILK_GTIN, PORTIONS, Story

_ = gettext.translation("larder", ROOT / "node" / "locale", fallback=True).gettext

# Long enough that both nodes try again in vain several times.
OUTAGE_S_MIN = 6.0


def play_outage(story: Story) -> None:
    """Tell the outage from the cut to the moment at which both markets hold the same again. Raises Failed."""
    town, facts = story.town, story.facts
    town.begin_outage()
    began_s = time.monotonic()
    say(_("OUTAGE: the central planner is stopped, the network between the markets is cut"))
    # Other people than before, or the answer that is still at hand would do.
    story.plan(PORTIONS + 5)
    story.await_planner(_("the reason why the central planner did not answer"))
    story.until(
        lambda: not any(market.is_linked_to_peers() for market in town.markets), _("both markets notice that it is cut")
    )
    say(_("Harbour and Mill Road both notice that they are alone"))
    town.mill_road.kill_node()
    say(_("larder-node of Mill Road is killed (SIGKILL)"))
    sales = {
        town.harbour.key: story.sell(town.harbour, "food/apples", "5"),
        town.mill_road.key: story.sell(town.mill_road, MILK_GTIN, "2"),
    }
    say(_("apart, 5 apples are sold at Harbour and 2 milk at Mill Road, which needs no larder-node for it"))
    town.mill_road.start_node()
    say(_("larder-node of Mill Road is started again"))
    facts["outage_sales"] = {
        key: {"action_id": sale["action_id"], "lot_id": sale["lot_id"], "quantity_milli": sale["quantity_milli"]}
        for key, sale in sales.items()
    }
    rest_s = began_s + OUTAGE_S_MIN - time.monotonic()
    if rest_s > 0:
        time.sleep(rest_s)
    story.until(lambda: all(market.is_sealed() for market in town.markets), _("both sign what they sold"))
    facts["digests_before_healing"] = town.digests()
    say(_("the digests differ: {digests}").format(digests=_short(facts["digests_before_healing"])))
    town.end_outage()
    healed_s = time.monotonic()
    facts["outage_s"] = round(healed_s - began_s, 1)
    say(_("HEALED after {seconds} s").format(seconds=facts["outage_s"]))
    story.until(town.is_equal, _("both markets hold the same after the outage"))
    facts["caught_up_s"] = round(time.monotonic() - healed_s, 1)
    say(_("caught up {seconds} s later").format(seconds=facts["caught_up_s"]))


def _short(digests: dict[str, str]) -> str:
    return ", ".join(f"{key} {digest[:12]}" for key, digest in digests.items())
