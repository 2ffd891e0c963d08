"""What a budget that is over pays for: borrowed, of weight 0, without a grace, and never ended."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.budgets.standing import NOTHING_SPENT
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import SPENT, NodeName

from tests.quota.holdings.test_holdings import ranks
from tests.support.quota_cases import NOON, document, gpu, holdings, notebook, part
from tests.support.spent_budgets import spent

TEXT = """
    gpu_types: {H100: {match: '*H100*'}}
    groups:
      lab:
        guaranteed: {H100: 3}
        budget: {hours: 10, each: {hours: 5}}
        groups: {vision: {guaranteed: {H100: 1}}}
      other: {guaranteed: {H100: 1}}
"""
AS_USUAL = "s0=entitled_in_part s1=entitled_in_part s2=entitled s3=entitled"
"""Direct members of a group with groups in it are borrowed from those."""
LAB, ADA, EVE = GroupName("lab"), UserName("ada"), UserName("eve")


def full(text: str = TEXT) -> Holdings:
    """Four cards: ada's and eve's of the lab, ada's of vision, eve's of another group."""
    payers = [("ada", "lab"), ("eve", "lab"), ("ada", "vision"), ("eve", "other")]
    cards = [gpu(f"c{n}", index=n) for n in range(4)]
    slices = [
        notebook(f"s{n}", owner, part(1), f"c{n}", group=group, since=n)
        for n, (owner, group) in enumerate(payers)
    ]
    return holdings(text, *cards, *slices)


def test_a_groups_slices_with_those_of_groups_in_it_are_borrowed_from_all() -> None:
    held = full()
    changed = held.spend(spent(held.document, "lab"))
    assert changed == {"s0", "s1", "s2"}
    assert ranks(held) == "s0=borrowed s1=borrowed s2=borrowed s3=entitled"
    assert held.ranks_changed() >= changed


def test_a_persons_slices_that_the_group_pays_are_borrowed_and_nobody_elses() -> None:
    held = full()
    assert held.spend(spent(held.document, "lab/ada")) == {"s0", "s2"}
    assert ranks(held) == "s0=borrowed s1=entitled_in_part s2=borrowed s3=entitled"


def test_nothing_is_ended_and_limits_go_on_counting_it() -> None:
    held = full()
    before = held.held(NodeName("lab")), held.held_by(ADA)
    held.spend(spent(held.document, "lab"))
    assert {each.slice_id for each in held.slices()} == {"s0", "s1", "s2", "s3"}
    assert (held.held(NodeName("lab")), held.held_by(ADA)) == before


def test_nothing_new_is_entitled_and_others_are_as_before() -> None:
    held = full()
    for slice_id in ("s0", "s1", "s2", "s3"):
        held.remove(SliceId(slice_id))
    held.spend(spent(held.document, "lab/ada"))
    steps = [held.steps_at("H100", held.leaf_for(LAB, who), Fraction(1)) for who in (ADA, EVE)]
    assert steps == [0, 1]
    assert held.leaf_for(LAB, ADA) == SPENT
    assert held.groups.nodes[SPENT].weight == 0


def test_what_was_spent_gets_nothing_by_weight_while_others_want_it() -> None:
    held = full()
    held.spend(spent(held.document, "lab"))
    position = held.position("H100", {NodeName("other"): Fraction(4)})
    assert position.shares[SPENT] == 0
    assert position.held[SPENT] == 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_with_too_few_cards_what_was_in_force_is_not_for_whose_hours_are_over(when: str) -> None:
    whole = full()
    lasting, in_force = whole.lasting_steps(), whole.steps_in_force()
    over = spent(whole.document, "lab")
    cards = [gpu(f"c{n}", index=n, closed="XID 79" if n < 2 else None) for n in range(4)]
    held = Holdings(
        whole.document,
        cards,
        whole.slices(),
        lasting,
        in_force=in_force,
        spent=over if when == "before" else NOTHING_SPENT,
    )
    held.spend(over)
    assert ranks(held) == "s0=borrowed s1=borrowed s2=borrowed s3=entitled"
    held.put_gpu(gpu("c1", index=1))
    assert ranks(held) == "s0=borrowed s1=borrowed s2=borrowed s3=entitled"


def test_with_new_hours_all_is_as_it_was() -> None:
    held = full()
    before = ranks(held)
    held.spend(spent(held.document, "lab"))
    assert held.spend(NOTHING_SPENT) == {"s0", "s1", "s2"}
    assert ranks(held) == before


def test_of_what_counts_again_the_oldest_comes_first() -> None:
    text = TEXT.replace("guaranteed: {H100: 3}", "guaranteed: {H100: 1}").replace(
        "vision: {guaranteed: {H100: 1}}", "vision: {}"
    )
    held = full(text)
    held.spend(spent(held.document, "lab"))
    held.spend(NOTHING_SPENT)
    assert ranks(held) == "s0=entitled_in_part s1=borrowed s2=borrowed s3=entitled"


def test_what_is_spent_has_no_grace() -> None:
    less = document(TEXT.replace("{H100: 3}", "{H100: 1}"))
    held = full().under(less, NOON)
    assert ranks(held) == AS_USUAL
    held.spend(spent(held.document, "lab"))
    assert ranks(held) == "s0=borrowed s1=borrowed s2=borrowed s3=entitled"
    assert held.end_graces(NOON.replace(year=2027)) == ("s0", "s1", "s2")


def test_another_document_keeps_what_is_spent_and_gives_it_no_grace() -> None:
    held = full()
    held.spend(spent(held.document, "lab"))
    anew = held.under(document(TEXT.replace("hours: 10", "hours: 9")), NOON)
    assert ranks(anew) == "s0=borrowed s1=borrowed s2=borrowed s3=entitled"
    assert all(each.before is None for each in anew.slices())


def test_a_document_without_the_budget_lets_its_slices_count_again() -> None:
    held = full()
    held.spend(spent(held.document, "lab"))
    without = TEXT.replace("        budget: {hours: 10, each: {hours: 5}}\n", "")
    anew = held.under(document(without), NOON)
    assert ranks(anew) == AS_USUAL


def test_other_standings_of_the_same_budgets_change_nothing() -> None:
    held = full()
    held.spend(spent(held.document, "lab"))
    assert held.spend(spent(held.document, "lab")) == frozenset()


@given(st.lists(st.sampled_from(["lab", "lab/ada", "lab/eve", ""]), max_size=6))
def test_however_it_came_to_be_over_it_stands_as_if_told_at_once(steps: list[str]) -> None:
    held = full()
    last: tuple[str, ...] = ()
    for step in steps:
        last = (step,) if step else ()
        held.spend(spent(held.document, *last))
    anew = Holdings(
        held.document, held.gpus_as_told(), held.slices(), spent=spent(held.document, *last)
    )
    assert ranks(held) == ranks(anew)
    held_at = [dict(each.position("H100").held) for each in (held, anew)]
    assert held_at[0] == held_at[1]


_CARDS = 4
_PAYERS = [("ada", "lab"), ("eve", "lab"), ("ada", "vision"), ("ben", "vision"), ("eve", "other")]
_BUDGETS = {"lab": ["lab"], "vision": ["lab"], "other": []}
"""The budgets that what each group pays counts in."""


@given(
    st.lists(
        st.tuples(st.sampled_from(_PAYERS), st.sampled_from([0.25, 0.5, 1]), st.integers(0, 3)),
        max_size=12,
    ),
    st.lists(st.sets(st.sampled_from(["lab", "lab/ada", "lab/eve", "lab/ben"])), max_size=6),
)
def test_only_the_end_of_a_budget_makes_what_it_pays_borrowed_and_nothing_is_ended(
    slices: list[tuple[tuple[str, str], float, int]], steps: list[set[str]]
) -> None:
    cards = [gpu(f"c{number}", index=number) for number in range(_CARDS)]
    held = holdings(TEXT, *cards)
    for number, ((owner, group), size, card) in enumerate(slices):
        held.put(notebook(f"s{number}", owner, part(size), f"c{card}", group=group, since=number))
    before = list(held.slices())
    was_over: set[str] = set()
    for over in steps:
        was = held.lasting_steps()
        held.spend(spent(held.document, *sorted(over)))
        assert list(held.slices()) == before
        for each in before:
            budgets = _BUDGETS[each.group or ""]
            mine = {*budgets, *(f"{one}/{each.owner}" for one in budgets)}
            steps = held.lasting_steps()[each.slice_id]
            if mine & over:
                assert (steps, held.rank(each.slice_id)) == (0, Rank.BORROWED)
            elif not mine & was_over:
                assert steps >= was[each.slice_id]
        was_over = over


_WHOSE = st.sets(st.sampled_from(["lab", "lab/ada", "lab/eve", "lab/ben"]))


@given(_WHOSE, _WHOSE, st.integers(1, 3))
def test_in_steps_it_comes_to_the_same(before: set[str], after: set[str], most: int) -> None:
    held, at_once = full(), full()
    for each in (held, at_once):
        each.spend(spent(each.document, *sorted(before)))
    steps = list(held.spent.towards(spent(held.document, *sorted(after)), most))
    for step in steps:
        assert len(held.spent.over.keys() ^ step.over.keys()) <= most
        held.spend(step)
    at_once.spend(spent(at_once.document, *sorted(after)))
    assert held.spent.over.keys() == at_once.spent.over.keys()
    assert ranks(held) == ranks(at_once)


def test_budgets_are_over_in_their_order_whatever_order_a_set_has() -> None:
    said = document(TEXT)
    whose = [f"lab/p{number}" for number in range(20)]
    steps = NOTHING_SPENT.towards(spent(said, *whose), 1)
    assert [list(step.over)[-1][1] for step in steps] == [one.partition("/")[2] for one in whose]


def test_what_is_spent_is_found_where_it_counts() -> None:
    held = full()
    held.spend(spent(held.document, "lab/ada"))
    assert {each.slice_id for each in held.borrowed_at("H100", SPENT)} == {"s0", "s2"}
    held.spend(spent(held.document, "lab"))
    assert {each.slice_id for each in held.borrowed_at("H100", SPENT)} == {"s0", "s1", "s2"}


def test_what_is_spent_while_another_document_is_reckoned_out_is_caught_up() -> None:
    held = full()
    other = document(TEXT.replace("hours: 10", "hours: 9"))
    made = Holdings.made_under(held.as_held(), other, NOON)
    held.spend(spent(held.document, "lab"))
    made.catch_up(held)
    assert ranks(made) == "s0=borrowed s1=borrowed s2=borrowed s3=entitled"
    assert not any(each.before for each in made.slices())
