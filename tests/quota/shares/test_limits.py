"""Limits: all bind, and the one with the least room is named first."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.errors import GroupTreeError
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Limit, LimitKind, bounds, most_of_type

from tests.quota.shares.trees import amounts

LAB, NLP = NodeName("lab"), NodeName("nlp")
TYPES = ("A100", "H100", "L4")


def held(memory_mib: int = 0, slices: int = 0, **cards: int | str) -> Amounts:
    return Amounts({name: Fraction(value) for name, value in cards.items()}, memory_mib, slices)


def limit(
    cards: int | None = None, memory_mib: int | None = None, slices: int | None = None, **types: int
) -> Limit:
    of_types = {name: Fraction(value) for name, value in types.items()}
    return Limit(of_types, None if cards is None else Fraction(cards), memory_mib, slices)


@dataclass(frozen=True)
class Case:
    limits: dict[NodeName, Limit]
    held: dict[NodeName, Amounts]
    asked: Amounts
    met: str


HALF = held(40960, 1, H100="1/2")
CASES = {
    "no limit is met where none is said": Case({LAB: limit()}, {}, HALF, ""),
    "a limit of the type": Case({LAB: limit(H100=4)}, {LAB: held(H100=1)}, HALF, "lab.H100 3 yes"),
    "exactly the limit is allowed": Case(
        {LAB: limit(H100=1)}, {LAB: held(H100="1/2")}, HALF, "lab.H100 1/2 yes"
    ),
    "more is not": Case({LAB: limit(H100=1)}, {LAB: held(H100="3/5")}, HALF, "lab.H100 2/5 no"),
    "another type's limit does not concern it": Case({LAB: limit(L4=0)}, {}, HALF, ""),
    "a type not named is bounded by the cards of all types": Case(
        {LAB: limit(4, L4=2)}, {LAB: held(L4=2, A100=1)}, HALF, "lab.cards 1 yes"
    ),
    "all bind, the one with the least room first": Case(
        {LAB: limit(4, 163840, 1, H100=3)},
        {LAB: held(122880, 1, H100=1, A100=2)},
        HALF,
        "lab.slices 0 no; lab.memory 40960 yes; lab.cards 1 yes; lab.H100 2 yes",
    ),
    "those of the groups above bind, too": Case(
        {LAB: limit(H100=2), NLP: limit(H100=4)},
        {LAB: held(H100=2), NLP: held(H100=1)},
        HALF,
        "lab.H100 0 no; nlp.H100 3 yes",
    ),
    "more is held than a lowered limit says": Case(
        {NLP: limit(slices=2)}, {NLP: held(0, 5)}, HALF, "nlp.slices -3 no"
    ),
    "of equal ones the nearest to the root is named first": Case(
        {NLP: limit(1), LAB: limit(1)}, {}, HALF, "lab.cards 1 yes; nlp.cards 1 yes"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_for_half_a_card_of_a_group_in_a_lab(name: str) -> None:
    case = CASES[name]
    met = bounds(case.limits, case.held, (LAB, NLP), case.asked)
    assert case.met == "; ".join(
        f"{one.node}.{one.gpu_type or one.kind.value} {one.room} {'yes' if one.allows else 'no'}"
        for one in met
    )


def test_the_cards_of_other_types_leave_less_of_a_type() -> None:
    of_lab = limit(5, H100=4)
    assert most_of_type(of_lab, held(L4=3, H100=1), "H100") == 2
    assert most_of_type(of_lab, held(H100=1), "H100") == 4
    assert most_of_type(of_lab, held(H100=1), "L4") == 4
    assert most_of_type(of_lab, held(H100=9), "L4") == 0
    assert most_of_type(limit(H100=4), held(), "L4") is None


@pytest.mark.parametrize(
    "wrong", [{"cards": -1}, {"memory_mib": -1}, {"slices": -1}, {"H100": -1}], ids=str
)
def test_a_limit_below_zero_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(GroupTreeError, match="is -1: give 0 or more"):
        limit(**wrong)


some = st.builds(
    Amounts,
    st.dictionaries(st.sampled_from(TYPES), amounts(3)),
    st.integers(0, 9),
    st.integers(0, 4),
)
any_limit = st.builds(
    Limit,
    st.dictionaries(st.sampled_from(TYPES), amounts(4)),
    st.none() | amounts(6),
    st.none() | st.integers(0, 12),
    st.none() | st.integers(0, 6),
)


@given(any_limit, some, some)
def test_what_all_bounds_allow_is_within_every_limit_and_nothing_else(
    of_lab: Limit, has: Amounts, asked: Amounts
) -> None:
    def within(most: Fraction | int | None, now: Fraction | int, more: Fraction | int) -> bool:
        return most is None or not more or now + more <= most

    met = bounds({LAB: of_lab}, {LAB: has}, (LAB,), asked)
    allowed = all(
        within(of_lab.types.get(name), has.cards.get(name, 0), more)
        for name, more in asked.cards.items()
    ) and all(
        (
            within(of_lab.cards, sum(has.cards.values()), sum(asked.cards.values())),
            within(of_lab.memory_mib, has.memory_mib, asked.memory_mib),
            within(of_lab.slices, has.slices, asked.slices),
        )
    )
    assert all(one.allows for one in met) == allowed
    if met:
        assert met[0].allows or not allowed
        assert (LimitKind.TYPE in {one.kind for one in met}) == bool(
            {name for name, more in asked.cards.items() if more} & of_lab.types.keys()
        )
