"""Kueue's dominant shares, asked of ours: a flavor of a resource as a GPU type.

Ours says what is borrowed at each node, from pieces of one unit; theirs divides it by what can be
lent there, and by the weight.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, gcd, inf

import pytest
from sublet_quota.shares.entitlement import Piece, PieceId, entitle
from sublet_quota.shares.group_tree import ROOT, GroupNode, GroupTree, NodeName
from sublet_quota.shares.past_use import per_weight
from sublet_quota.shares.reclaim import Position

from tests.quota.foreign.foreign_cases import Case, NotSayableError, cases_of, compare, exact

FILE = "kueue_fair_share.yaml"
UNLIMITED = 2**63 - 1
WEIGHTS = 2
"""Ours are whole: all weights are doubled, as one of theirs is a half."""
Flavor = tuple[str, str]


def number(value: float | str) -> Fraction:
    return Fraction(UNLIMITED) if value == "unlimited" else exact(value)


@dataclass(frozen=True)
class Nodes:
    """The cohorts and queues of a case as a tree, for one flavor of a resource."""

    case: Case
    flavor: Flavor

    def tree(self) -> GroupTree:
        top = tuple(self._below(None))
        own = [self._quota(one)[0] for one in self.case["cohorts"] if one["parent"] is None]
        promised = sum((one.guaranteed for one in top), Fraction(0)) + sum(own)
        return GroupTree(GroupNode(ROOT, guaranteed=promised, children=top))

    def roots(self) -> set[str]:
        """What is a root itself, and so borrows from nobody."""
        cohorts = {one["name"] for one in self.case["cohorts"] if one["parent"] is None}
        return cohorts | {one["name"] for one in self.case["queues"] if one["cohort"] is None}

    def _below(self, parent: str | None) -> Iterator[GroupNode]:
        for one in self.case["cohorts"]:
            if one["parent"] is None:
                if parent is None:
                    yield from self._below(one["name"])
            elif one["parent"] == parent:
                yield self._node(one, tuple(self._below(one["name"])))
        for one in self.case["queues"]:
            if one["cohort"] == parent and parent is not None:
                yield self._node(one, ())

    def _node(self, one: Case, children: tuple[GroupNode, ...]) -> GroupNode:
        own, borrows = self._quota(one)
        guaranteed = own + sum((child.guaranteed for child in children), Fraction(0))
        limit = None if borrows is None else guaranteed + borrows
        weight = int(one["weight"] * WEIGHTS)
        return GroupNode(NodeName(one["name"]), weight, guaranteed, limit, children)

    def _quota(self, one: Case) -> tuple[Fraction, Fraction | None]:
        for quota in one["quotas"]:
            if "lending_limit" in quota:
                raise NotSayableError
            if (quota["resource"], quota["flavor"]) == self.flavor:
                borrows = quota.get("borrowing_limit")
                return number(quota["nominal"]), None if borrows is None else exact(borrows)
        return Fraction(0), None


def flavors_of(case: Case) -> list[Flavor]:
    quotas = [q for each in ("cohorts", "queues") for one in case[each] for q in one["quotas"]]
    return sorted({(q["resource"], q["flavor"]) for q in quotas})


def pieces_of(case: Case, flavor: Flavor) -> list[Piece]:
    used = [*case["usage"], *({"queue": "cq", **one} for one in case.get("extra_request", ()))]
    mine = [one for one in used if (one["resource"], one["flavor"]) == flavor]
    quotas = [q for each in ("cohorts", "queues") for one in case[each] for q in one["quotas"]]
    whole = [one["nominal"] for one in quotas if one["nominal"] != "unlimited"]
    unit = gcd(*whole, *(one["amount"] for one in used))
    return [
        Piece(PieceId(f"{n}/{m}"), NodeName(one["queue"]), Fraction(unit))
        for n, one in enumerate(mine)
        for m in range(one["amount"] // unit)
    ]


def borrowed(case: Case) -> tuple[dict[str, dict[str, Fraction]], dict[str, dict[str, Fraction]]]:
    """By node and resource: what is borrowed there, and what could be lent to it."""
    has: dict[str, dict[str, Fraction]] = {}
    lendable: dict[str, dict[str, Fraction]] = {}
    for flavor in flavors_of(case):
        nodes = Nodes(case, flavor)
        tree = nodes.tree()
        inside = [one for one in pieces_of(case, flavor) if one.node not in nodes.roots()]
        position = Position.of(tree, {}, entitle(tree, inside))
        for name, path in tree.paths.items():
            limits = [tree.nodes[n].limit for n in path[:-1]]
            seen = min([tree.root.guaranteed, *(one for one in limits if one is not None)])
            beyond = position.held[name] - position.entitled[name]
            for sums, amount in ((has, beyond), (lendable, seen)):
                of_node = sums.setdefault(name, {})
                of_node[flavor[0]] = of_node.get(flavor[0], Fraction(0)) + amount
    return has, lendable


def share_of(
    has: Mapping[str, Fraction], lendable: Mapping[str, Fraction], weight: int
) -> tuple[float, str | None]:
    ratios = {
        resource: 1000 * amount / lendable[resource]
        for resource, amount in has.items()
        if amount and lendable[resource]
    }
    if not ratios:
        return 0, None
    dominant = min(ratios, key=lambda resource: (-ratios[resource], resource))
    share = per_weight(ratios[dominant] * WEIGHTS, weight)
    return share if share == inf else ceil(share), dominant


def shares_agree(case: Case) -> bool:
    has, lendable = borrowed(case)
    weights = {one["name"]: one["weight"] for k in ("cohorts", "queues") for one in case[k]}
    for one in case["expect"]:
        name = one["node"]
        mine = has.get(name, {})
        share = share_of(mine, lendable.get(name, {}), int(weights[name] * WEIGHTS))
        if (*share, any(mine.values())) != (one["share"], one["dominant"], one["borrowing"]):
            return False
    return True


@pytest.mark.parametrize("case", cases_of(FILE, "dominant_share_cases"))
def test_what_is_borrowed_at_each_node(case: Case) -> None:
    compare(case["id"], lambda: shares_agree(case))


@pytest.mark.parametrize("case", cases_of(FILE, "borrowing_cases"))
def test_whether_what_is_asked_for_is_borrowed(case: Case) -> None:
    def agrees() -> bool:
        mine = borrowed(case)[0][case["expect"]["node"]]
        asked = any(mine[one["resource"]] for one in case["request"])
        expect = case["expect"]
        return (any(mine.values()), asked) == (expect["borrowing"], expect["borrowing_on_request"])

    compare(case["id"], agrees)


@pytest.mark.parametrize("case", cases_of(FILE, "weighted_share_cases"))
def test_a_share_is_compared_by_its_weight(case: Case) -> None:
    compare(
        case["id"], lambda: per_weight(case["unweighted_ratio"], case["weight"]) == case["expect"]
    )
