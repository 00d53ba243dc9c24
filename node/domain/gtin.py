"""GS1 trade item numbers: the check digit, the 14-digit form, and what a typed or scanned text is.

Not a parser of GS1 element strings. Source of the check digit: GS1 General Specifications, section 7.9 (weights 3
and 1 from the right, modulo 10).
"""

from __future__ import annotations

from node.errors import N_, Refused

GTIN_LENGTHS = (8, 12, 13, 14)
SCAN_CHARACTERS_MAX = 128
# ISO/IEC 15424 identifiers a scanner may put in front of an EAN or UPC symbol; they say the symbol, not the content.
_EAN_SYMBOLOGIES = ("]E0", "]E4", "]I1")
# Symbologies whose content is GS1 element strings.
_ELEMENT_SYMBOLOGIES = ("]C1", "]e0", "]d2", "]Q3")


def check_digit(digits: str) -> int:
    """Return the check digit for all digits but the last one."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return -total % 10


def is_gtin(text: str) -> bool:
    """Tell whether `text` is 8, 12, 13 or 14 digits with a right check digit."""
    return _is_digits(text) and len(text) in GTIN_LENGTHS and check_digit(text[:-1]) == int(text[-1])


def normalised(gtin: str) -> str:
    """Return the 14-digit form, by which two markets that never met mean the same item."""
    return gtin.rjust(14, "0")


def read_code(text: str) -> str | None:
    """Return the 14-digit GTIN in a scanned or typed text, or None where it is no number at all (a name).

    Raises Refused for a number that was misread (wrong check digit) and for codes this software does not read yet.
    """
    code = text.strip()
    if code.startswith(_ELEMENT_SYMBOLOGIES):
        raise Refused(
            "scan.element_string",
            N_("This code holds several fields, which cannot be read yet."),
            N_("Scan the plain barcode beside it, or type the number below it."),
        )
    if code.startswith(_EAN_SYMBOLOGIES):
        code = code[3:]
    if not _is_digits(code) or len(code) < min(GTIN_LENGTHS):
        return None
    if len(code) not in GTIN_LENGTHS:
        raise Refused(
            "scan.not_a_gtin",
            N_("{code} is not a trade item number: it has {count} digits, not 8, 12, 13 or 14."),
            N_("Scan again, or type a name to search."),
            code=code[:SCAN_CHARACTERS_MAX],
            count=len(code),
        )
    if not is_gtin(code):
        raise Refused(
            "scan.misread",
            N_("The number {code} was misread: its check digit is wrong."),
            N_("Scan again, or type the number below the bars."),
            code=code,
        )
    return normalised(code)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
