"""Every key of the screen, in one table: footers, help, palette, bindings and the printed key card come from it.

Not where anything is done: an entry names the method `do_ACTION` of the screen in front, or of the app. Owns principle
P4: a key that cannot do its work now stays in its place and gives its reason.

No digit is bound anywhere: a scanner types digits. Allowed are F1 to F9, letters, signs, arrows, Enter, Esc, Tab,
Space, Delete and Ctrl with a letter, since other keys are swallowed by one terminal or another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual.binding import Binding, BindingType

from node.errors import N_
from node.language import _

EVERYWHERE = "everywhere"
HOME, RECEIVE, SELL, STOCK, COLD, CARD = "home", "receive", "sell", "stock", "cold", "card"
PLAN, PEERS, SENSORS, SHELVES = "plan", "peers", "sensors", "shelves"
SCREENS = (HOME, RECEIVE, SELL, STOCK, COLD, CARD, PLAN, PEERS, SENSORS, SHELVES)
FOOTER_CELLS_MAX = 80


@dataclass(frozen=True, slots=True)
class Facts:
    """What a screen knows about itself, as far as keys depend on it."""

    has_selection: bool = False
    has_lots: bool = False
    has_lines: bool = False
    has_form_text: bool = False
    can_go_back: bool = False
    has_peers: bool = False
    steps: frozenset[str] = frozenset()  # of the selected hand-over or plan, those that can be taken now


@dataclass(frozen=True, slots=True)
class Key:
    """One line of the table. `shown` is what a person reads; `keys` are the terminal library's names for it."""

    key_id: str
    screen: str
    keys: str
    shown: str
    action: str
    label: str
    help: str
    verb: str = ""
    disabled: Callable[[Facts], str | None] = lambda _facts: None


def _needs_selection(facts: Facts) -> str | None:
    return None if facts.has_selection else N_("nothing is selected")


def _needs_sensor(facts: Facts) -> str | None:
    return None if facts.has_selection else N_("no sensor is selected")


def _needs_lots(facts: Facts) -> str | None:
    return None if facts.has_lots else N_("this item has no lot with anything on hand")


def _needs_lines(facts: Facts) -> str | None:
    return None if facts.has_lines else N_("no line yet: scan first")


def _needs_form(facts: Facts) -> str | None:
    return None if facts.has_form_text else N_("the form is empty")


def _needs_back(facts: Facts) -> str | None:
    return None if facts.can_go_back else N_("this is Home; Ctrl+Q quits")


def _needs_peers(facts: Facts) -> str | None:
    return None if facts.has_peers else N_("no other market yet")


def _needs_step(*steps: str, reason: str) -> Callable[[Facts], str | None]:
    return lambda facts: None if facts.steps & set(steps) else reason


_needs_offer = _needs_step("accept", reason=N_("no offer to us is selected"))
_needs_promise = _needs_step("send", reason=N_("nothing of ours that waits to leave is selected"))
_needs_arrival = _needs_step("receive", reason=N_("nothing on its way to us is selected"))
_needs_way_back = _needs_step("cancel", "withdraw", "refuse", reason=N_("nothing is selected that could be taken back"))
_needs_rest = _needs_step("book", reason=N_("nothing of ours on the way is selected"))


_needs_plan = _needs_step("accept_plan", reason=N_("nothing is planned, or it is accepted already"))
_needs_accepted = _needs_step("withdraw_plan", reason=N_("no plan is accepted"))
_needs_to_cook = _needs_step("cook", reason=N_("no dish of an accepted plan that is still to cook is selected"))
_needs_other = _needs_step("other_plan", reason=N_("there is no better one from the central planner"))
_needs_fault = _needs_step("acknowledge", reason=N_("nothing waits to be acknowledged"))
_needs_held = _needs_step("lift", reason=N_("no lot of this item is on hold"))
_needs_record = _needs_step("withdraw_calibration", reason=N_("this sensor has no calibration"))
_needs_open = _needs_step("confirm_step", reason=N_("no step that could be booked is selected"))
_needs_proposals = _needs_step("confirm_shelf", reason=N_("no proposal of this shelf waits"))
_needs_way = _needs_step("dismiss_step", reason=N_("no step is selected that waits or is booked"))
_HAND_OVER = "larder transfer"

# One line a key, so that it reads as the table it is.
# fmt: off
KEYS = (
    Key("help", EVERYWHERE, "f1,question_mark", "F1", "help", N_("Help"), N_("help for this screen (also ?)")),
    Key("receive", EVERYWHERE, "f2", "F2", "receive", N_("Receive"), N_("receive a delivery"), "larder receive"),
    Key("sell", EVERYWHERE, "f3", "F3", "sell", N_("Sell"), N_("sell: each scan adds one"), "larder sell"),
    Key("stock", EVERYWHERE, "f4", "F4", "stock", N_("Stock"), N_("items, lots and movements"), "larder stock"),
    Key("cold", EVERYWHERE, "f5", "F5", "cold", N_("Cold"), N_("fridges and freezers"), "larder cold"),
    Key("plan", EVERYWHERE, "f6", "F6", "plan", N_("Plan"), N_("plan a meal from what is here"), "larder plan"),
    Key("peers", EVERYWHERE, "f8", "F8", "peers", N_("Peers"), N_("other markets and hand-overs"), "larder peers"),
    Key("sensors", EVERYWHERE, "e", "e", "sensors", N_("Sensors"), N_("every sensor and its port"), "larder sensors"),
    Key("shelves", EVERYWHERE, "g", "g", "shelves", N_("Shelves"), N_("what shelf scales saw"), "larder shelf"),
    Key("search", EVERYWHERE, "slash", "/", "search", N_("search"), N_("type a name or a number")),
    Key("undo", EVERYWHERE, "z", "z", "undo", N_("undo"), N_("take back your last action"), "larder undo"),
    Key("undo_in_field", EVERYWHERE, "ctrl+z", "Ctrl+Z", "undo", N_("undo"), N_("undo, also inside a field")),
    Key("new_item", EVERYWHERE, "n", "n", "new", N_("new item"), N_("name a new item"), "larder items"),
    Key("palette", EVERYWHERE, "ctrl+p", "Ctrl+P", "help", N_("commands"), N_("all commands; Enter runs one")),
    Key("quit", EVERYWHERE, "ctrl+q", "Ctrl+Q", "quit", N_("quit"), N_("leave, once everything is saved")),
    Key("back", EVERYWHERE, "escape", "Esc", "back", N_("back"), N_("leave field, then screen"), "", _needs_back),
    Key("open", HOME, "enter", "Enter", "open", N_("open"), N_("go to what the line is about"), "", _needs_selection),
    Key("receive.save", RECEIVE, "ctrl+s", "Ctrl+S", "save", N_("save line"), N_("save the line"), "", _needs_form),
    Key("sell.more", SELL, "plus", "+", "more", N_("more"), N_("one more of the line"), "", _needs_lines),
    Key("sell.fewer", SELL, "minus", "-", "fewer", N_("fewer"), N_("undo the line's last addition"), "", _needs_lines),
    Key("sell.lot", SELL, "l", "l", "other_lot", N_("other lot"), N_("it was another lot"), "", _needs_lines),
    Key("sell.done", SELL, "p", "p", "done", N_("done"), N_("clear the lines for the next sale"), "", _needs_lines),
    Key("stock.filter", STOCK, "f", "f", "filter", N_("filter"), N_("show all, low or expiring"), "larder stock"),
    Key("stock.card", STOCK, "enter", "Enter", "open", N_("open"), N_("the item's card"), "", _needs_selection),
    Key("stock.discard", STOCK, "d", "d", "discard", N_("discard"), N_("throw away a lot; asks"), "", _needs_lots),
    Key("card.discard", CARD, "d", "d", "discard", N_("discard"), N_("throw away a lot; asks"), "", _needs_lots),
    Key("card.allergens", CARD, "a", "a", "declare", N_("allergens"), N_("declare what the label says"), "larder item"),
    Key("card.lift", CARD, "h", "h", "lift", N_("lift hold"), N_("lift the hold of a lot"), "larder hold", _needs_held),
    Key("plan.accept", PLAN, "enter", "Enter", "open", N_("accept"), N_("accept the plan"), "", _needs_plan),
    Key("plan.portions", PLAN, "e", "e", "portions", N_("portions"), N_("type for how many people")),
    Key("plan.why", PLAN, "w", "w", "why", N_("why"), N_("every reason, also why not"), "", _needs_selection),
    Key("plan.withdraw", PLAN, "x", "x", "take_back", N_("withdraw"), N_("withdraw the plan"), "", _needs_accepted),
    Key("plan.cook", PLAN, "i", "i", "cook", N_("cooked"), N_("the dish was cooked"), "", _needs_to_cook),
    Key("plan.other", PLAN, "p", "p", "other", N_("other"), N_("the central planner's, or ours"), "", _needs_other),
    Key("plan.new", PLAN, "n", "n", "new", N_("new"), N_("plan again from what is here now")),
    Key("plan.seen", PLAN, "k", "k", "acknowledge", N_("seen"), N_("let the planner be asked again"), "", _needs_fault),
    Key("peers.offer", PEERS, "o", "o", "offer", N_("offer"), N_("offer a part of a lot"), _HAND_OVER, _needs_peers),
    Key("peers.accept", PEERS, "a", "a", "accept", N_("accept"), N_("accept an offer to us"), "", _needs_offer),
    Key("peers.send", PEERS, "g", "g", "send", N_("send"), N_("the goods leave now"), "", _needs_promise),
    Key("peers.receive", PEERS, "k", "k", "acknowledge", N_("received"), N_("confirm what came"), "", _needs_arrival),
    Key("peers.back", PEERS, "x", "x", "take_back", N_("cancel"), N_("cancel, withdraw, refuse"), "", _needs_way_back),
    Key("peers.book", PEERS, "e", "e", "book", N_("book"), N_("it came back, or it is lost"), "", _needs_rest),
    Key("peers.sync", PEERS, "s", "s", "sync", N_("sync"), N_("exchange facts now"), "larder sync", _needs_peers),
    Key("sensors.set", SENSORS, "a", "a", "calibrate", N_("calibrate"), N_("say how far it is off"), "", _needs_sensor),
    Key("sensors.back", SENSORS, "x", "x", "take_back", N_("withdraw"), N_("withdraw calibration"), "", _needs_record),
    Key("sensors.view", SENSORS, "v", "v", "view", N_("in full"), N_("all about the sensor, its history")),
    Key("sensors.errors", SENSORS, "e", "e", "errors", N_("errors"), N_("what came malformed, by port and kind")),
    Key("shelves.yes", SHELVES, "k", "k", "acknowledge", N_("confirm"), N_("confirm the step"), "", _needs_open),
    Key("shelves.all", SHELVES, "a", "a", "all", N_("all"), N_("confirm the shelf's proposals"), "", _needs_proposals),
    Key("shelves.say", SHELVES, "e", "e", "change", N_("change"), N_("say what it was"), "", _needs_open),
    Key("shelves.no", SHELVES, "x", "x", "take_back", N_("dismiss"), N_("dismiss it, or undo it"), "", _needs_way),
)
# fmt: on

DEMO_KEYS = (Key("outage", EVERYWHERE, "", "", "outage", N_("outage"), N_("Outage: start / end")),)
"""What only the palette offers, and only while the demo is behind the screen."""

FOOTERS = {
    HOME: ("help", "receive", "sell", "stock", "cold", "plan", "peers", "palette"),
    RECEIVE: ("receive.save", "new_item", "undo_in_field", "search", "back", "help"),
    SELL: ("sell.more", "sell.fewer", "sell.lot", "sell.done", "search", "undo", "back", "help"),
    STOCK: ("search", "stock.filter", "stock.discard", "stock.card", "undo", "back", "help", "shelves"),
    COLD: ("sensors", "stock", "search", "undo", "back", "help"),
    CARD: ("card.allergens", "card.discard", "card.lift", "receive", "sell", "undo", "back", "help"),
    PLAN: ("plan.accept", "plan.portions", "plan.why", "plan.cook", "plan.withdraw", "plan.other", "back", "help"),
    PEERS: (
        "peers.offer",
        "peers.accept",
        "peers.send",
        "peers.receive",
        "peers.back",
        "peers.book",
        "peers.sync",
        "back",
        "help",
    ),
    SHELVES: ("shelves.yes", "shelves.all", "shelves.say", "shelves.no", "stock", "undo", "back", "help"),
    SENSORS: ("sensors.set", "sensors.back", "sensors.view", "sensors.errors", "cold", "back", "help"),
}
"""What the last row of each screen names, in this order; the rest is in help and in the palette."""


def footer_parts(screen: str) -> list[tuple[str, str]]:
    """Return (key id, words) for the footer of a screen, such as ("help", "F1 Help")."""
    return [(key_id, f"{_BY_ID[key_id].shown} {_(_BY_ID[key_id].label)}") for key_id in FOOTERS[screen]]


def documented_keys() -> list[tuple[str, str]]:
    """Return (key, what it does) for the manual: what acts everywhere, then screen by screen, each pair once."""
    pairs = [(key.shown, _(key.help)) for screen in (EVERYWHERE, *SCREENS) for key in KEYS if key.screen == screen]
    return list(dict.fromkeys(pairs))


def keys_of(screen: str, *, is_demo: bool = False) -> list[Key]:
    """Return the keys that act on a screen: its own first, then those that act everywhere and mean the same here."""
    own = [key for key in KEYS if key.screen == screen]
    taken = {key.keys for key in own}
    everywhere = [key for key in KEYS if key.screen == EVERYWHERE and key.keys not in taken]
    return [*own, *everywhere, *(DEMO_KEYS if is_demo else ())]


def key_by_id(key_id: str) -> Key:
    """Return one line of the table; KeyError where there is none."""
    return _BY_ID[key_id]


_BY_ID = {key.key_id: key for key in (*KEYS, *DEMO_KEYS)}


def bindings_of(screen: str) -> list[BindingType]:
    """Return the terminal library's bindings for one screen (or for EVERYWHERE)."""
    return [
        Binding(key.keys, f"app.do('{key.key_id}')", key.label, show=False, priority=key.key_id == "quit")
        for key in KEYS
        if key.screen == screen
    ]
