"""Allergen declarations combine to the safest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.domain.allergens import ALLERGENS, Declaration, union

DECLARATIONS = st.one_of(st.none(), st.sets(st.sampled_from(ALLERGENS)).map(lambda codes: tuple(sorted(codes))))


def test_there_are_fourteen() -> None:
    assert len(ALLERGENS) == len(set(ALLERGENS)) == 14


@given(declarations=st.lists(DECLARATIONS, max_size=5))
def test_a_union_never_loses_an_allergen_and_never_hides_that_one_is_not_declared(
    declarations: list[Declaration],
) -> None:
    combined = union(declarations)
    if None in declarations:
        assert combined is None
    else:
        assert combined is not None
        assert set(combined) == {code for declared in declarations for code in declared or ()}
