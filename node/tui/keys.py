"""Every key of the screen, in one table: footers, help, palette, bindings and the printed key card come from it.

Not where anything is done: an entry names the method `do_ACTION` of the screen in front, or of the app. Owns principle
P4: a key that cannot do its work now stays in its place and gives its reason.

No digit is bound anywhere: a scanner types digits. Allowed are F1 to F9, letters, signs, arrows, Enter, Esc, Tab,
Space, Delete and Ctrl with a letter, since other keys are swallowed by one terminal or another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual.binding import Binding

from node.errors import N_
from node.language import _

EVERYWHERE = "everywhere"
HOME, RECEIVE, SELL, STOCK, COLD, CARD = "home", "receive", "sell", "stock", "cold", "card"
SCREENS = (HOME, RECEIVE, SELL, STOCK, COLD, CARD)
FOOTER_CELLS_MAX = 80


@dataclass(frozen=True, slots=True)
class Facts:
    """What a screen knows about itself, as far as keys depend on it."""

    has_selection: bool = False
    has_lots: bool = False
    has_lines: bool = False
    has_form_text: bool = False
    can_go_back: bool = False


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


def _needs_lots(facts: Facts) -> str | None:
    return None if facts.has_lots else N_("this item has no lot with anything on hand")


def _needs_lines(facts: Facts) -> str | None:
    return None if facts.has_lines else N_("no line yet: scan something first")


def _needs_form(facts: Facts) -> str | None:
    return None if facts.has_form_text else N_("the form is empty")


def _needs_back(facts: Facts) -> str | None:
    return None if facts.can_go_back else N_("this is Home; Ctrl+Q quits")


KEYS = (
    Key(
        "help", EVERYWHERE, "f1,question_mark", "F1", "help", N_("Help"), N_("help for this screen; `?` outside fields")
    ),
    Key("receive", EVERYWHERE, "f2", "F2", "receive", N_("Receive"), N_("receive a delivery"), "larder receive"),
    Key("sell", EVERYWHERE, "f3", "F3", "sell", N_("Sell"), N_("sell: each scan adds one"), "larder sell"),
    Key("stock", EVERYWHERE, "f4", "F4", "stock", N_("Stock"), N_("items, lots and movements"), "larder stock"),
    Key("cold", EVERYWHERE, "f5", "F5", "cold", N_("Cold"), N_("fridges and freezers"), "larder cold"),
    Key("search", EVERYWHERE, "slash", "/", "search", N_("search"), N_("type a name or a number")),
    Key(
        "undo",
        EVERYWHERE,
        "z",
        "z",
        "undo",
        N_("undo"),
        N_("take back the last action, by an opposite entry"),
        "larder undo",
    ),
    Key("undo_in_field", EVERYWHERE, "ctrl+z", "Ctrl+Z", "undo", N_("undo"), N_("the same, works inside fields too")),
    Key(
        "palette",
        EVERYWHERE,
        "ctrl+p",
        "Ctrl+P",
        "palette",
        N_("commands"),
        N_("all commands; type to find one, Enter runs it"),
    ),
    Key("quit", EVERYWHERE, "ctrl+q", "Ctrl+Q", "quit", N_("quit"), N_("leave, after what is queued is saved")),
    Key(
        "back",
        EVERYWHERE,
        "escape",
        "Esc",
        "back",
        N_("back"),
        N_("leave the field, then the screen; what was typed is kept"),
        disabled=_needs_back,
    ),
    Key(
        "open",
        HOME,
        "enter",
        "Enter",
        "open",
        N_("open"),
        N_("go to what the selected line is about"),
        disabled=_needs_selection,
    ),
    Key(
        "receive.save",
        RECEIVE,
        "ctrl+s",
        "Ctrl+S",
        "save",
        N_("save line"),
        N_("save the line; Enter in the last field does too"),
        "larder receive",
        disabled=_needs_form,
    ),
    Key(
        "receive.new",
        RECEIVE,
        "n",
        "n",
        "new_item",
        N_("new item"),
        N_("name a new item, for a code that is not known"),
    ),
    Key(
        "sell.more",
        SELL,
        "plus",
        "+",
        "more",
        N_("+ one more"),
        N_("one more of the selected line"),
        "larder sell",
        disabled=_needs_lines,
    ),
    Key(
        "sell.fewer",
        SELL,
        "minus",
        "-",
        "fewer",
        N_("- one fewer"),
        N_("take back the last addition to the selected line"),
        "larder undo",
        disabled=_needs_lines,
    ),
    Key(
        "sell.lot",
        SELL,
        "l",
        "l",
        "other_lot",
        N_("other lot"),
        N_("say that it was another lot than the oldest"),
        disabled=_needs_lines,
    ),
    Key("sell.new", SELL, "n", "n", "new_item", N_("new item"), N_("name a new item, for a code that is not known")),
    Key(
        "stock.filter",
        STOCK,
        "f",
        "f",
        "filter",
        N_("filter"),
        N_("show all, low, expiring or out, in turn"),
        "larder stock",
    ),
    Key(
        "stock.card",
        STOCK,
        "enter",
        "Enter",
        "open",
        N_("open"),
        N_("the card of the selected item"),
        disabled=_needs_selection,
    ),
    Key(
        "stock.discard",
        STOCK,
        "d",
        "d",
        "discard",
        N_("discard"),
        N_("throw away (all or part of) a lot; asks for the reason"),
        "larder discard",
        disabled=_needs_lots,
    ),
    Key(
        "card.discard",
        CARD,
        "d",
        "d",
        "discard",
        N_("discard"),
        N_("throw away (all or part of) a lot; asks for the reason"),
        "larder discard",
        disabled=_needs_lots,
    ),
    Key("home.new", HOME, "n", "n", "new_item", N_("new item"), N_("name a new item, for a code that is not known")),
)


FOOTERS = {
    HOME: ("help", "receive", "sell", "stock", "cold", "search", "undo", "palette"),
    RECEIVE: ("receive.save", "receive.new", "undo_in_field", "search", "back", "help"),
    SELL: ("sell.more", "sell.fewer", "sell.lot", "search", "undo", "back", "help"),
    STOCK: ("search", "stock.filter", "stock.discard", "stock.card", "undo", "back", "help"),
    COLD: ("undo", "search", "back", "help", "stock"),
    CARD: ("card.discard", "receive", "sell", "undo", "back", "help"),
}
"""What the last row of each screen names, in this order; the rest is in help and in the palette."""


def footer_parts(screen: str) -> list[tuple[str, str]]:
    """Return (key id, words) for the footer of a screen, such as ("help", "F1 Help")."""
    return [(key_id, f"{_BY_ID[key_id].shown} {_(_BY_ID[key_id].label)}") for key_id in FOOTERS[screen]]


def documented_keys() -> list[tuple[str, str]]:
    """Return (key, what it does) for the manual: what acts everywhere, then screen by screen, each pair once."""
    pairs = [(key.shown, _(key.help)) for screen in (EVERYWHERE, *SCREENS) for key in KEYS if key.screen == screen]
    return list(dict.fromkeys(pairs))


def keys_of(screen: str) -> list[Key]:
    """Return the keys that act on a screen: its own first, then those that act everywhere."""
    return [key for key in KEYS if key.screen == screen] + [key for key in KEYS if key.screen == EVERYWHERE]


def key_by_id(key_id: str) -> Key:
    """Return one line of the table; KeyError where there is none."""
    return _BY_ID[key_id]


_BY_ID = {key.key_id: key for key in KEYS}


def bindings_of(screen: str) -> list[Binding]:
    """Return the terminal library's bindings for one screen (or for EVERYWHERE)."""
    return [
        Binding(key.keys, f"app.do('{key.key_id}')", key.label, show=False, priority=key.key_id == "quit")
        for key in KEYS
        if key.screen == screen
    ]
