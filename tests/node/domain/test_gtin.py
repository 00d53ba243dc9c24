"""Trade item numbers: check digits, the 14-digit form, and what a scan is taken for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.domain.gtin import check_digit, is_gtin, read_code
from node.errors import Refused

# Published examples: GS1 General Specifications, and the EAN on a well-known pen.
KNOWN = ["4006381333931", "96385074", "036000291452", "10614141000415"]


@pytest.mark.parametrize("code", KNOWN)
def test_known_numbers_have_a_right_check_digit(code: str) -> None:
    assert is_gtin(code)
    assert read_code(code) == code.rjust(14, "0")


@given(body=st.text(alphabet="0123456789", min_size=12, max_size=12), place=st.integers(0, 12), step=st.integers(1, 9))
def test_one_wrong_digit_is_always_refused(body: str, place: int, step: int) -> None:
    code = body + str(check_digit(body))
    wrong = code[:place] + str((int(code[place]) + step) % 10) + code[place + 1 :]
    with pytest.raises(Refused) as refused:
        read_code(wrong)
    assert refused.value.error_id == "scan.misread"


@pytest.mark.parametrize(
    ("text", "gtin14"), [("]E04006381333931", "04006381333931"), (" 96385074\n", "00000096385074")]
)
def test_a_scanner_prefix_and_spaces_do_not_matter(text: str, gtin14: str) -> None:
    assert gtin14 == read_code(text)


@pytest.mark.parametrize(
    ("text", "error_id"),
    [
        ("4006381333932", "scan.misread"),
        ("123456789", "scan.not_a_gtin"),
        ("1" * 20, "scan.not_a_gtin"),
        ("]C10195012345678903", "scan.element_string"),
        ("]d20195012345678903", "scan.element_string"),
    ],
)
def test_a_code_that_cannot_be_trusted_is_refused(text: str, error_id: str) -> None:
    with pytest.raises(Refused) as refused:
        read_code(text)
    assert error_id == refused.value.error_id


@pytest.mark.parametrize("text", ["milk", "12", "7-up", "½", "", "٤٠٠٦٣٨١٣٣٣٩٣١"])
def test_what_is_no_number_is_a_name(text: str) -> None:
    assert read_code(text) is None
