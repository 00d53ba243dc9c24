"""Which colours a terminal gets. Words carry every state; colour only repeats them.

Not a stylesheet. `ansi` uses the terminal's own 16 colours: it is the default over ssh, on the Linux console and
wherever true colour is not announced, since a conversion of dark surfaces to 256 colours ends in black.
"""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

ANSI, DARK, LIGHT, CONTRAST = "ansi-dark", "larder-dark", "larder-light", "larder-contrast"

# Orange and blue instead of red and green: the pair that most colour-blind people can tell apart (Okabe and Ito, 2008).
_ORANGE, _BLUE, _SKY = "#E69F00", "#0072B2", "#56B4E9"

THEMES = (
    Theme(
        name=DARK, primary=_SKY, secondary=_BLUE, warning=_ORANGE, error=_ORANGE, success=_SKY, accent=_SKY, dark=True
    ),
    Theme(
        name=LIGHT,
        primary=_BLUE,
        secondary=_BLUE,
        warning="#B35900",
        error="#B35900",
        success=_BLUE,
        accent=_BLUE,
        dark=False,
    ),
    Theme(
        name=CONTRAST,
        primary="#FFFFFF",
        secondary="#FFFFFF",
        warning="#FFB000",
        error="#FFB000",
        success="#FFFFFF",
        accent="#FFFFFF",
        foreground="#FFFFFF",
        background="#000000",
        surface="#000000",
        panel="#000000",
        dark=True,
    ),
)
_BY_WORD = {"ansi": ANSI, "dark": DARK, "light": LIGHT, "contrast": CONTRAST}


def theme_name(environment: Mapping[str, str]) -> str:
    """Choose a theme: LARDER_THEME (ansi, dark, light, contrast), else by what the terminal says it can do."""
    chosen = _BY_WORD.get(environment.get("LARDER_THEME", ""))
    if chosen is not None:
        return chosen
    is_plain = "SSH_CONNECTION" in environment or environment.get("TERM") == "linux" or not environment.get("COLORTERM")
    return ANSI if is_plain or "NO_COLOR" in environment else DARK
