"""The tree of groups: made valid or not at all; and which guarantees are in force."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.errors import GroupTreeError
from sublet_quota.shares.group_tree import ROOT, GroupNode, GroupTree, NodeName, direct_members
from sublet_quota.shares.in_force import GuaranteesCut, guarantees_in_force

from tests.quota.shares.trees import amounts, any_tree, cards, group, told, tree

SCIENCE = NodeName("science")


def test_direct_members_of_a_group_with_groups_are_one_more_child_of_weight_1() -> None:
    made = tree(group("science", group("nlp", guaranteed=4), guaranteed=6, weight=3))
    direct = made.nodes[direct_members(SCIENCE)]
    assert (direct.weight, direct.guaranteed, direct.limit) == (1, 0, None)
    assert made.leaf_of(SCIENCE) == direct.name
    assert made.leaf_of(NodeName("nlp")) == "nlp"
    assert made.paths[direct.name] == (SCIENCE, direct.name)


def test_who_is_in_no_group_is_a_direct_member_of_the_root() -> None:
    made = tree(group("science"))
    assert made.leaf_of(None) == direct_members(ROOT)
    assert made.paths[direct_members(ROOT)] == (direct_members(ROOT),)


def test_what_leaves_have_counts_for_all_above_them() -> None:
    made = tree(group("a", group("a1"), group("a2")), group("b"))
    sums = made.sums(cards(a1=1, a2="1/2", b=3))
    assert told(sums, ("", "a", "a1", "a2", "a/", "b")) == "=9/2 a=3/2 a1=1 a2=1/2 a/=0 b=3"


def children_over_their_parent() -> None:
    group("science", group("nlp", guaranteed=4), group("cv", guaranteed="5/2"), guaranteed=6)


CONTRADICTIONS = {
    "in 'science' are guaranteed 13/2 cards together, 'science' itself 6": (
        children_over_their_parent
    ),
    "'lab' is guaranteed 4 cards, and limited to 3": lambda: group("lab", guaranteed=4, limit=3),
    "'lab' is guaranteed -1 cards": lambda: group("lab", guaranteed=-1),
    "'lab' has the weight -2": lambda: group("lab", weight=-2),
    "'lab' has the weight 0.5": lambda: group("lab", weight=0.5),  # type: ignore[arg-type]
    "'lab' has the weight True": lambda: group("lab", weight=True),
    "two groups 'lab'": lambda: tree(group("lab"), group("b", group("lab"))),
    "'' is no name": lambda: tree(group("")),
    "'lab/' is no name": lambda: tree(group("lab/")),
    "no group 'lab'": lambda: tree(group("club")).leaf_of(NodeName("lab")),
}


@pytest.mark.parametrize("words", CONTRADICTIONS)
def test_a_tree_that_contradicts_itself_is_refused_with_numbers_and_names(words: str) -> None:
    with pytest.raises(GroupTreeError, match=words):
        CONTRADICTIONS[words]()


def ranked(made: GroupTree, *first: str) -> dict[NodeName, tuple[int, int]]:
    order = [*first, *(name for name in made.nodes if name not in first)]
    return {NodeName(name): (0, place) for place, name in enumerate(order)}


def test_guarantees_that_the_cards_hold_are_all_in_force() -> None:
    made = tree(group("a", guaranteed=3), group("b", guaranteed=5))
    assert guarantees_in_force(made, Fraction(8), ranked(made)) == (made, None)


def test_more_than_the_cards_is_cut_to_whole_cards_in_proportion_with_a_warning() -> None:
    made = tree(group("a", guaranteed=6), group("b", guaranteed=3), group("c", guaranteed=3))
    kept, warning = guarantees_in_force(made, Fraction(8), ranked(made))
    assert told({name: node.guaranteed for name, node in kept.nodes.items()}, "abc") == (
        "a=4 b=2 c=2"
    )
    assert warning == GuaranteesCut(Fraction(12), Fraction(8))


def test_odd_cards_go_to_who_used_least() -> None:
    made = tree(group("a", guaranteed=2), group("b", guaranteed=2))
    for first, in_force in (("a", "a=2 b=1"), ("b", "a=1 b=2")):
        kept, _ = guarantees_in_force(made, Fraction(3), ranked(made, first))
        assert told({n: node.guaranteed for n, node in kept.nodes.items()}, "ab") == in_force


def test_two_groups_guaranteed_the_one_card_do_not_take_turns_on_it() -> None:
    made = tree(group("a", guaranteed=1), group("b", guaranteed=1))
    kept, warning = guarantees_in_force(made, Fraction(1), ranked(made, "b"))
    assert told({n: node.guaranteed for n, node in kept.nodes.items()}, "ab") == "a=0 b=1"
    assert warning is not None


def test_an_odd_card_stays_with_whose_slices_are_within_it_whoever_used_less_by_now() -> None:
    made = tree(group("a", guaranteed=2), group("b", guaranteed=2))
    for entitled, in_force in (
        ({"b": Fraction(5, 4)}, "a=1 b=2"),
        ({"b": Fraction(1)}, "a=2 b=1"),
        ({"a": Fraction(2), "b": Fraction(2)}, "a=2 b=1"),
    ):
        kept, _ = guarantees_in_force(made, Fraction(3), ranked(made, "a"), {}, entitled)
        assert told({n: node.guaranteed for n, node in kept.nodes.items()}, "ab") == in_force


def test_a_cut_goes_down_the_tree() -> None:
    made = tree(
        group("a", group("a1", guaranteed=3), group("a2", guaranteed=1), guaranteed=6),
        group("b", guaranteed=6),
    )
    kept, _ = guarantees_in_force(made, Fraction(6), ranked(made, "a2"))
    of_all = {name: node.guaranteed for name, node in kept.nodes.items()}
    assert told(of_all, ("a", "a1", "a2", "b")) == "a=3 a1=2 a2=1 b=3"


@given(any_tree(), amounts(12), st.randoms(use_true_random=False))
def test_what_is_in_force_fits_the_cards_and_is_never_more_than_was_guaranteed(
    made: GroupTree, there_are: Fraction, random
) -> None:
    names = list(made.nodes)
    random.shuffle(names)
    kept, warning = guarantees_in_force(made, there_are, ranked(made, *names))
    assert (warning is None) == (made.root.guaranteed <= there_are)
    assert kept.root.guaranteed == min(made.root.guaranteed, there_are)
    for name, node in kept.nodes.items():
        assert 0 <= node.guaranteed <= made.nodes[name].guaranteed
        if warning and name == ROOT:
            assert sum(child.guaranteed for child in node.children) == there_are
            for child in node.children:  # in proportion, but for one odd card
                due = made.nodes[child.name].guaranteed * there_are / warning.guaranteed
                assert abs(child.guaranteed - due) <= 1


def test_amounts_count_at_leaves_alone() -> None:
    made = tree(group("lab", group("nlp")))
    for name in ("lab", "club", ""):
        with pytest.raises(GroupTreeError, match=f"{name!r} is no leaf of the tree"):
            made.sums({NodeName(name): Fraction(1)})


def test_a_node_may_be_built_with_children_only_within_its_guarantee() -> None:
    assert GroupNode(SCIENCE, guaranteed=Fraction(1), children=(group("x", guaranteed=1),))
