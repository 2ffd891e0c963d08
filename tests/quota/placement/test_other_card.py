"""Another card of its node for a slice that is there: its home, or one for a card that fails."""

from dataclasses import dataclass, replace

import pytest
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.names.ids import GpuId
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
        (gpu("g1", GpuKind("NVIDIA A100-SXM4-80GB", 80 * 1024, 1024), index=1),), None
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


GROUPS = """
    gpu_types: {H100: {match: "*H100*"}}
    pools: [{name: interactive, default: true, memory_overcommit: 1, compute_overcommit: 4}]
    groups: {a: {guaranteed: {H100: 1}}, b: {guaranteed: {H100: 1}}, c: {}}
"""
CARDS = (gpu("g0"), gpu("g1", index=1))


def on_g0(name: str, group: str, since: int, gib_held: int = 20) -> Holding:
    return notebook(name, amount=gib(gib_held), on="g0", group=group, since=since)


def test_who_is_entitled_on_another_groups_card_comes_home_and_nobody_else() -> None:
    world = holdings(GROUPS, *CARDS, on_g0("a", "a", 0), on_g0("b", "b", 1), on_g0("c", "c", 2))
    homes = {one.slice_id: home_of(world, one.slice_id) for one in world.slices()}
    (away,) = (name for name, home in homes.items() if home is not None)
    assert away in {"a", "b"}
    assert homes[away] == "g1"
    found = world.slice(away)
    assert found is not None
    world.put(replace(found, gpu_id=GpuId("g1")))
    # Replayed on its own result it changes nothing.
    assert all(home_of(world, one.slice_id) is None for one in world.slices())


def test_nobody_comes_home_where_there_is_no_room_or_who_cannot_be_suspended() -> None:
    full = notebook("c", amount=gib(70), on="g1", group="c")
    world = holdings(GROUPS, *CARDS, on_g0("a", "a", 0), on_g0("b", "b", 1), full)
    assert all(home_of(world, one.slice_id) is None for one in world.slices())
    stuck = (
        replace(on_g0(each, each, since), unsuspendable=True) for since, each in enumerate("ab")
    )
    world = holdings(GROUPS, *CARDS, *stuck)
    assert all(home_of(world, one.slice_id) is None for one in world.slices())


TURNS = """
    gpu_types: {H100: {match: "*H100*"}}
    pools: [{name: interactive, default: true, memory_overcommit: 1.5, compute_overcommit: 4}]
    groups: {a: {guaranteed: {H100: 2}}, c: {}}
"""


@pytest.mark.parametrize(
    ("beside", "going"),
    [
        ((), 1),
        ((notebook("x", amount=gib(20), on="g1", group="a", since=5),), 1),
        ((notebook("x", amount=gib(40), on="g1", group="a", since=5),), 0),
        ((notebook("x", amount=gib(70), on="g1", group="c", since=5),), 1),
        ((notebook("x", amount=gib(79), on="g1", group="c", since=5),), 0),
    ],
    ids=[
        "an empty card",
        "beside one that fits",
        "not to take turns there",
        "beside others under the overcommit",
        "never where there is no room",
    ],
)
def test_who_takes_turns_with_their_own_group_goes_to_another_of_its_cards(
    beside: tuple[Holding, ...], going: int
) -> None:
    mine = (on_g0("a1", "a", 0, 50), on_g0("a2", "a", 1, 45))
    world = holdings(TURNS, *CARDS, *mine, *beside)
    homes = {one.slice_id: home_of(world, one.slice_id) for one in world.slices()}
    gone = [name for name, home in homes.items() if home is not None]
    assert min(1, len(gone)) == going
    if gone:
        found = world.slice(gone[0])
        assert found is not None
        world.put(replace(found, gpu_id=GpuId("g1")))
    # Replayed on its own result it changes nothing.
    assert all(home_of(world, one.slice_id) is None for one in world.slices())
