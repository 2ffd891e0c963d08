"""KAI-Scheduler's division of a pool among queues, asked of ours: a resource as a GPU type."""

from fractions import Fraction

import pytest
from sublet_quota.shares.division import divide
from sublet_quota.shares.group_tree import ROOT, GroupNode, GroupTree, NodeName
from sublet_quota.shares.in_force import guarantees_in_force

from tests.quota.foreign.foreign_cases import Case, NotSayableError, cases_of, compare, exact


def amount(value: float | str) -> Fraction | None:
    return None if value == "unlimited" else exact(value)


def group_of(name: str, queue: Case, pool: Fraction, *, second_phase: bool) -> GroupNode:
    limit = amount(queue["max_allowed"])
    quota = exact(queue["fair_share_before"]) if second_phase else amount(queue["deserved"])
    guaranteed = pool if quota is None else quota
    return GroupNode(
        NodeName(name),
        queue["over_quota_weight"],
        guaranteed if limit is None else min(guaranteed, limit),
        limit,
    )


def agrees(case: Case, resource: str) -> bool:
    second_phase = case["phase"] == "over_quota_only"
    queues = {name: queue[resource] for name, queue in case["queues"].items() if resource in queue}
    pool = exact(case["total"][resource])
    if second_phase:
        pool += sum(exact(queue["fair_share_before"]) for queue in queues.values())
    groups = tuple(
        group_of(name, queue, pool, second_phase=second_phase) for name, queue in queues.items()
    )
    guaranteed = sum((group.guaranteed for group in groups), Fraction(0))
    tree = GroupTree(GroupNode(ROOT, guaranteed=guaranteed, children=groups))
    turns = {
        NodeName(name): (case["queues"][name]["created"], place)
        for place, name in enumerate(sorted(queues, key=lambda n: case["queues"][n]["uid"]))
    }
    in_force, _ = guarantees_in_force(tree, pool, turns)
    asks = {NodeName(name): exact(queue["request"]) for name, queue in queues.items()}
    shares = divide(in_force, pool, asks)
    expected = case["expect"]["fair_share"]
    remaining = case["expect"].get("remaining", {}).get(resource)
    return all(
        shares.get(NodeName(name), 0) == exact(of[resource])
        for name, of in expected.items()
        if resource in of
    ) and (remaining is None or pool - shares[ROOT] == exact(remaining))


@pytest.mark.parametrize("case", cases_of("kai_share_division.yaml", "cases"))
def test_shares_are_those_of_kai(case: Case) -> None:
    compare(case["id"], lambda: all(agrees(case, resource) for resource in case["total"]))


def priorities_of_queues() -> bool:
    raise NotSayableError


@pytest.mark.parametrize("case", cases_of("kai_share_division.yaml", "priority_order_cases"))
def test_queues_are_served_by_priority(case: Case) -> None:
    compare(case["id"], priorities_of_queues)
