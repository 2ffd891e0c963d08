"""Whose turn it is: of who used least for their weight, at each level among siblings alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.names.ids import UserName
from sublet_quota.shares.fair_order import RequestId, WaitingRequest, fair_order, ranks
from sublet_quota.shares.group_tree import GroupNode, GroupTree, NodeName

from tests.quota.shares.trees import any_tree, group, tree
from tests.support.quota_cases import NOON


def waits(text: str) -> list[WaitingRequest]:
    """``nlp.ada:1 b.bob:2`` - requests of persons in groups, one a minute, with their estimates."""
    made = []
    for minute, one in enumerate(text.split()):
        who, _, estimate = one.partition(":")
        node, _, owner = who.rpartition(".")
        made.append(
            WaitingRequest(
                RequestId(f"{owner}{minute}"),
                NodeName(node),
                UserName(owner),
                NOON + timedelta(minutes=minute),
                lot=minute * 7919 % 100,
                estimate=float(estimate or 1),
            )
        )
    return made


def used_in(made: GroupTree, leaves: Mapping[str, float]) -> dict[NodeName, float]:
    used = dict.fromkeys(made.nodes, 0.0)
    for leaf, amount in leaves.items():
        for name in made.paths[NodeName(leaf)]:
            used[name] += amount
    return used


@dataclass(frozen=True)
class Case:
    groups: tuple[GroupNode, ...]
    waiting: str
    order: str
    used: dict[str, float] = field(default_factory=dict)
    used_by: dict[tuple[str, str], float] = field(default_factory=dict)


A, B = group("a"), group("b")
LAB = group("lab", group("nlp"), group("cv"))
CASES = {
    "the oldest first": Case((A, B), "a.ada b.bob", "ada0 bob1"),
    "who used less before an older one": Case((A, B), "a.ada b.bob", "bob1 ada0", {"a": 1}),
    "use is weighed": Case((group("a", weight=3), B), "b.bob a.ada", "ada1 bob0", {"a": 5, "b": 2}),
    "weight 0 comes last, whatever it used": Case(
        (group("a", weight=0), B), "a.ada b.bob b.bob", "bob1 bob2 ada0", {"b": 99}
    ),
    "one group's many do not all come before another's": Case(
        (A, B), "a.ada a.ann a.amy b.bob b.ben", "ada0 bob3 ann1 ben4 amy2"
    ),
    "one person's many do not all come before another's": Case(
        (A,), "a.ada a.ada a.ada a.ann", "ada0 ann3 ada1 ada2"
    ),
    "a large request counts as what it will use": Case(
        (A, B), "a.ada:2 a.ada b.bob b.bob", "ada0 bob2 bob3 ada1"
    ),
    "inside a group its own use decides, not what it used outside": Case(
        (LAB, B), "nlp.ada cv.cyd b.bob", "cyd1 bob2 ada0", {"nlp": 3, "b": 3.5}
    ),
    "a group that used little passes another whose member used less still": Case(
        (LAB, B), "nlp.ada b.bob", "ada0 bob1", {"nlp": 3, "b": 4}, {("b", "bob"): 0}
    ),
    "persons of a group are compared with each other": Case(
        (A,), "a.ada a.ann", "ann1 ada0", {"a": 5}, {("a", "ada"): 5}
    ),
    "direct members are one more child": Case(
        (LAB,), "nlp.ada lab/.dan cv.cyd", "cyd2 dan1 ada0", {"nlp": 3, "lab/": 2}
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_requests_come_in_this_order(name: str) -> None:
    case = CASES[name]
    made = tree(*case.groups)
    used_by = {(NodeName(g), UserName(u)): n for (g, u), n in case.used_by.items()}
    order = fair_order(made, used_in(made, case.used), used_by, waits(case.waiting))
    assert " ".join(one.request_id for one in order) == case.order


def test_exact_ties_go_by_lot_never_by_name() -> None:
    made = tree(A, B)
    for lots in ((1, 2), (2, 1)):
        waiting = [
            WaitingRequest(RequestId(f"{x}1"), NodeName(x), UserName(x), NOON, lot, 1.0)
            for x, lot in zip("ab", lots, strict=True)
        ]
        first = next(fair_order(made, {}, {}, waiting))
        assert first.lot == 1


def test_who_is_tied_shares_a_place_and_tied_groups_are_compared_inside() -> None:
    made = tree(
        group("x", group("x1"), group("x2")), group("y", group("y1"), group("y2")), group("z")
    )
    used = used_in(made, {"x1": 2, "x2": 1, "y1": 1, "y2": 2, "z": 4})
    places = ranks(made, used)
    assert [places[NodeName(n)] for n in ("x/", "y/", "x2", "y1", "x1", "y2", "z")] == (
        [1, 1, 3, 3, 5, 5, 7]
    )
    assert places[NodeName("/")] == 0


def test_who_is_tied_with_a_group_shares_the_place_of_the_best_in_it() -> None:
    made = tree(group("x", group("x1"), group("x2")), group("z"))
    places = ranks(made, used_in(made, {"x1": 2, "x2": 1, "z": 3}))
    assert [places[NodeName(n)] for n in ("/", "x/", "z", "x2", "x1")] == [0, 1, 1, 3, 4]


uses = st.sampled_from([0.0, 1.0, 2.0, 3.5])


@st.composite
def any_queue(
    draw: st.DrawFn,
) -> tuple[GroupTree, dict[NodeName, float], list[WaitingRequest]]:
    made = draw(any_tree())
    leaves = sorted(made.leaves())
    used = used_in(made, {leaf: draw(uses) for leaf in leaves})
    names = [
        f"{draw(st.sampled_from(leaves))}.{draw(st.sampled_from(('ada', 'bob')))}"
        for _ in range(draw(st.integers(0, 12)))
    ]
    return made, used, waits(" ".join(names))


@given(any_queue(), st.randoms(use_true_random=False))
def test_every_request_has_one_place_however_they_are_told(queue, random) -> None:
    made, used, waiting = queue
    order = list(fair_order(made, used, {}, waiting))
    assert sorted(one.request_id for one in order) == sorted(one.request_id for one in waiting)
    random.shuffle(waiting)
    assert list(fair_order(made, used, {}, waiting)) == order


@given(any_queue(), uses)
def test_what_is_used_inside_one_group_moves_nobody_in_another(queue, more: float) -> None:
    made, used, waiting = queue
    order = list(fair_order(made, used, {}, waiting))
    top = made.root.children[0].name
    leaf = next(name for name in made.leaves() if made.paths[name][0] == top)
    changed = dict(used)
    for name in made.paths[leaf]:
        changed[name] += more
    after = list(fair_order(made, changed, {}, waiting))
    for other in made.root.children[1:]:
        inside = [one for one in order if made.paths[one.node][0] == other.name]
        assert [one for one in after if made.paths[one.node][0] == other.name] == inside


@given(any_queue())
def test_places_are_those_of_who_used_least_for_their_weight(queue) -> None:
    made, used, _ = queue
    places = ranks(made, used)
    for parent in made.nodes.values():
        for one in parent.children:
            for other in parent.children:
                if one.weight and (
                    not other.weight
                    or used[one.name] * other.weight < used[other.name] * one.weight
                ):
                    assert places[one.name] < places[other.name]
