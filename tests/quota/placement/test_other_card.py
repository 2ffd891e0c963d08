"""Another card of its node for a slice that is there: its home, or one in place of a failed card."""

from dataclasses import dataclass

import pytest
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.placement.other_card import card_in_place_of, home_of

from tests.support.quota_cases import gib, gpu, holdings, notebook

POOLS = """
    pools: [{name: interactive, default: true, memory_overcommit: 1, compute_overcommit: 4}]
"""
MINE = notebook("mine", amount=gib(20), on="g0")


@dataclass(frozen=True)
class Case:
    world: tuple[GpuFacts | Holding, ...]
    card: str | None


#   mine is 20 GiB on g0, which fails
CASES = {
    "there is no other": Case((), None),
    "the tightest that fits": Case(
        (gpu("g1", index=1), gpu("g2", index=2), notebook("x", amount=gib(40), on="g2")), "g2"
    ),
    "another node's is none": Case((gpu("g1", node="node-b"),), None),
    "a closed one is none": Case((gpu("g1", index=1, closed="XID 79"),), None),
    "one without room is none": Case(
        (gpu("g1", index=1), notebook("x", amount=gib(70), on="g1")), None
    ),
    "one of another type is none": Case(
        (gpu("g1", index=1, gpu_type="NVIDIA A100-SXM4-80GB"),), None
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_card_in_place_of_one_that_fails(name: str) -> None:
    world = holdings(POOLS, gpu("g0", closed="XID 79"), *CASES[name].world, MINE)
    assert card_in_place_of(world, MINE.slice_id) == CASES[name].card


def test_a_slice_that_nobody_holds_has_no_other_card() -> None:
    world = holdings(POOLS, gpu("g0"), gpu("g1", index=1))
    assert card_in_place_of(world, MINE.slice_id) is None
    assert home_of(world, MINE.slice_id) is None


def test_who_is_in_their_place_or_not_entitled_has_no_home_to_come_to() -> None:
    groups = POOLS + "    groups: {a: {guaranteed: {any: 1}}, b: {}}\n"
    world = holdings(
        groups,
        gpu("g0"),
        gpu("g1", index=1),
        notebook("entitled", amount=gib(20), on="g0", group="a"),
        notebook("borrowed", amount=gib(20), on="g0", group="b"),
    )
    for holding in world.slices():
        assert home_of(world, holding.slice_id) is None
