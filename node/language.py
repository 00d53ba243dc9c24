"""Words and numbers for people: gettext, and the decimal mark of the market's locale.

Not a formatter of screens. English is the source language; a catalogue `node/locale/LANG/LC_MESSAGES/larder.mo`
replaces it. The locale comes from LARDER_LOCALE, else LC_ALL, LC_NUMERIC or LANG.
"""

from __future__ import annotations

import gettext as _gettext
import os
from functools import lru_cache
from pathlib import Path

from node.errors import N_, LarderError

__all__ = ["N_", "_", "decimal_mark", "error_text", "locale_name", "ngettext"]

_LOCALE_VARIABLES = ("LARDER_LOCALE", "LC_ALL", "LC_NUMERIC", "LANG")
_CATALOGUES = Path(__file__).parent / "locale"


@lru_cache(maxsize=1)
def locale_name() -> str:
    """Return the locale in force, such as `de_AT`, or `en` where none (or the C locale) is set."""
    for variable in _LOCALE_VARIABLES:
        name = os.environ.get(variable, "").split(".")[0].split("@")[0]
        if name:
            return "en" if name in {"C", "POSIX"} else name
    return "en"


@lru_cache(maxsize=1)
def _catalogue() -> _gettext.NullTranslations:
    return _gettext.translation("larder", localedir=_CATALOGUES, languages=[locale_name()], fallback=True)


def _(text: str) -> str:
    """Return `text` in the market's language."""
    return _catalogue().gettext(text) if text else ""


def ngettext(one: str, many: str, count: int) -> str:
    """Return the singular or plural template for `count`, in the market's language."""
    return _catalogue().ngettext(one, many, count)


@lru_cache(maxsize=1)
def decimal_mark() -> str:
    """Return the character between units and tenths in the market's locale: a point or a comma."""
    if locale_name().split("_")[0] == "en":
        return "."  # the source language; skips loading babel, which matters to a verb's start time
    from babel import Locale, UnknownLocaleError

    try:
        symbols = Locale.parse(locale_name()).number_symbols
    except (UnknownLocaleError, ValueError):
        return "."
    mark = symbols.get("latn", {}).get("decimal", ".")
    return mark if mark in ".," else "."


def error_text(error: LarderError) -> tuple[str, str]:
    """Return message and hint of an error in the market's language, placeholders filled in."""
    return _(error.message).format(**error.values), _(error.hint).format(**error.values)
