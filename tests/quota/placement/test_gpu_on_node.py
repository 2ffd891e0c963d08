"""Which card a slice counts on when the cluster's scheduler chose its node."""

from dataclasses import dataclass

import pytest
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.placement.card_on_node import gpu_on_node

from tests.support.quota_cases import gib, gpu, holdings, notebook

POOLS = """
    sizes: [{name: s, memory: 1/4, compute: 1/4}]
    pools:
      - {name: interactive, ids: ["i-*"], default: true, compute_overcommit: 2}
      - {name: training, ids: ["t-*"]}
"""
MINE = notebook("mine", amount=gib(20), on="i-0")


@dataclass(frozen=True)
class Case:
    world: tuple[GpuFacts | Holding, ...]
    card: str | None


#   mine is 20 GiB on node-a; its pod went to node-b
CASES = {
    "no card is known there": Case((), None),
    "the tightest that still fits everybody": Case(
        (
            gpu("i-1", node="node-b"),
            gpu("i-2", node="node-b", index=1),
            notebook("x", amount=gib(40), on="i-2"),
        ),
        "i-2",
    ),
    "an empty one before one that would be shared": Case(
        (
            gpu("i-1", node="node-b"),
            gpu("i-2", node="node-b", index=1),
            notebook("x", amount=gib(70), on="i-1"),
        ),
        "i-2",
    ),
    "of its pool before any other": Case(
        (
            gpu("t-1", node="node-b"),
            gpu("i-1", node="node-b", index=1),
            notebook("x", amount=gib(79), on="i-1"),
        ),
        "i-1",
    ),
    "an open one before a closed one": Case(
        (
            gpu("i-1", node="node-b", closed="XID 79"),
            gpu("i-2", node="node-b", index=1),
            notebook("x", amount=gib(79), on="i-2"),
        ),
        "i-2",
    ),
    "the least overfull where none has room": Case(
        (
            gpu("t-1", node="node-b"),
            gpu("t-2", node="node-b", index=1),
            notebook("x", amount=gib(79), on="t-1"),
            notebook("y", amount=gib(70), on="t-2"),
        ),
        "t-2",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_likeliest_card_of_the_node_is(case: Case) -> None:
    held = holdings(POOLS, gpu("i-0"), MINE, *case.world)
    assert gpu_on_node(held, MINE.slice_id, "node-b") == case.card


def test_a_slice_that_is_on_the_node_already_keeps_its_card() -> None:
    held = holdings(POOLS, gpu("i-0"), gpu("i-1", index=1), MINE)
    assert gpu_on_node(held, MINE.slice_id, "node-a") == "i-0"


def test_a_slice_that_nobody_holds_has_no_card() -> None:
    assert gpu_on_node(holdings(POOLS, gpu("i-0")), MINE.slice_id, "node-a") is None
