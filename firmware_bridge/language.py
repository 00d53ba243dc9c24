"""The language of every sentence the bridge says to a person.

Not a catalogue: English in the code is the source, and a missing translation shows it. Owns no invariant.
"""

import gettext
from pathlib import Path

LOCALE_FOLDER = Path(__file__).parent / "locale"

_translation = gettext.translation("larder-bridge", localedir=LOCALE_FOLDER, fallback=True)


def _(text: str) -> str:
    """Translate one English sentence into the language of the environment."""
    return _translation.gettext(text)
