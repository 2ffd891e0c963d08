"""What admission and placement see of a card follows from what its agent says of it."""

import re
from pathlib import Path

import pytest
from sublet_quota.names.ids import GpuId, NodeId
from sublet_quota.reasons.fitness import Unfit
from sublet_quota.wire.agent_link import ForeignProcesses, GpuReport, ToldUnfit

from tests.support.fake_agent import GIB, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.metric_world import NODE, metric_world

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(("why", "lasts"), [(Unfit.BEING_CHECKED, False), (Unfit.MPS, True)])
async def test_a_card_that_is_not_fit_is_pause_only_but_not_for_the_time_of_its_check(
    world: HubWorld, *, why: Unfit, lasts: bool
) -> None:
    agent = await world.agent()
    agent.gpus = (a_gpu(unfit=(ToldUnfit(why=why),), used_mib=1),)
    await agent.report()

    def report() -> GpuReport | None:
        return world.service.fleet.gpu_report(GpuId("SIM-0"))

    await until(lambda: (seen := report()) is not None and seen.used_mib == 1)
    facts = world.service.capacity.holdings.gpu(GpuId("SIM-0"))
    assert facts is not None
    assert facts.pause_only is lasts


async def test_a_card_is_pause_only_for_as_long_as_somebody_foreign_uses_it(
    world: HubWorld,
) -> None:
    agent = await world.agent()

    def is_pause_only() -> bool:
        facts = world.service.capacity.holdings.gpu(GpuId("SIM-0"))
        return facts is not None and facts.pause_only

    assert not is_pause_only()
    agent.gpus = (a_gpu(foreign_processes=ForeignProcesses(count=1, pids=(42,), held_mib=2048)),)
    await agent.report()
    await until(is_pause_only)
    agent.gpus = (a_gpu(),)
    await agent.report()
    await until(lambda: not is_pause_only())


async def test_a_card_that_two_types_match_is_no_news_in_a_second_equal_report(
    tmp_path: Path,
) -> None:
    types = "gpu_types: {A: {match: '*H100*'}, B: {match: '*80GB*'}}"
    with metric_world(tmp_path, types) as world:
        world.report(a_gpu())
        view = world.fleet.node(NODE)
        facts = world.capacity.holdings.gpu(GpuId("SIM-0"))
        assert view is not None
        assert facts is not None
        assert facts.closed == "the quota document's types A, B match"
        told: list[bool] = []
        world.capacity.on_room(lambda: told.append(True))
        world.capacity.reported(view)
        assert not told


async def test_nothing_can_be_lent_of_a_card_whose_agent_is_silent_or_whose_node_is_cordoned(
    world: HubWorld,
) -> None:
    agent = await world.agent(gpus=(a_gpu(lendable_mib=10 * GIB),))

    async def lendable() -> int:
        _, gpus = await world.call("GET", "gpus", world.admin())
        metrics = world.service.metrics.text().decode()
        told = re.findall(r"sublet_gpu_lendable_mib{.*} (\S+)", metrics)
        assert [float(each) for each in told] == [gpus[0]["report"]["lendable_mib"]]
        return int(gpus[0]["report"]["lendable_mib"])

    await until(lambda: world.service.fleet.gpu_report(GpuId("SIM-0")) is not None)
    assert await lendable() == 10 * GIB
    world.service.capacity.nodes_are_cordoned(frozenset({NodeId("node-a")}))
    assert await lendable() == 0
    world.service.capacity.nodes_are_cordoned(frozenset())
    assert await lendable() == 10 * GIB
    await agent.close()
    await until(lambda: world.service.fleet.is_silent(NodeId("node-a")))
    assert await lendable() == 0


async def test_a_slice_that_its_agent_cannot_suspend_counts_in_full_and_the_surplus_is_refused(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", size="whole")
    slice_id = lease["slice_id"]
    await agent.until(lambda: agent.assignments.slices)
    bobs = {"owner": "bob", "account": world.account("bob"), "size": "small"}

    def counts_in_full() -> bool:
        (held,) = world.service.capacity.holdings.slices()
        return held.unsuspendable

    agent.says = {slice_id: a_report(slice_id, unsuspendable="it uses managed memory")}
    await agent.report()
    await until(counts_in_full)
    status, problem = await world.hub_call("POST", "slices", bobs)
    assert (status, problem["reason"]) == (409, "no-room")
    # It counts so for no longer than it is so: its owner's next kernel may be another.
    agent.says = {}
    await agent.report()
    await until(lambda: not counts_in_full())
    assert (await world.hub_call("POST", "slices", bobs))[0] == 201


async def test_which_sizes_people_ask_for_is_read_from_the_ledger_at_a_start(
    tmp_path: Path, hub: FakeHub
) -> None:
    settings = settings_for(tmp_path)
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await world.slice_for("ada", size="small")
    async with hub_world(tmp_path, hub, settings) as world:
        capacity = world.service.capacity
        await until(lambda: capacity.holdings.asked_sizes == {"small": 1})


async def test_pools_and_types_that_no_card_is_in_are_told_by_their_lines(tmp_path: Path) -> None:
    text = (
        "gpu_types: {H100: {match: '*H100*'}, L4: {match: '*L4*'}}\n"
        "pools:\n"
        "  - {name: interactive, default: true}\n"
        "  - {name: training, types: [L4]}\n"
    )
    with metric_world(tmp_path, text) as world:
        assert not any("no GPU that there is" in each for each in world.capacity.warnings())
        world.report(a_gpu())
        assert [each for each in world.capacity.warnings() if "no GPU that there is" in each] == [
            "line 1: gpu_types.L4: no GPU that there is has this type",
            "line 4: pools.training: no GPU that there is lies in this pool",
        ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "pools: [{name: p, types: [A100]}]",
            [
                (
                    "1 card of Simulated H100 80GB can take nothing: no pool of the quota document "
                    "matches"
                ),
                "line 1: pools.p: no GPU that there is lies in this pool",
            ],
        ),
        (
            "gpu_types: {H100: {match: '*H100*'}, big: {match: '*80GB*'}}",
            [
                (
                    "1 card of Simulated H100 80GB can take nothing: the quota document's types "
                    "H100, big match"
                )
            ],
        ),
        (
            "pools: [{name: a, nodes: ['n*'], default: true}, {name: b, nodes: ['*']}]",
            [
                (
                    "1 card of Simulated H100 80GB can take nothing: the quota document's pools "
                    "a, b match"
                )
            ],
        ),
    ],
)
async def test_a_hub_on_which_no_card_can_be_had_says_so(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with metric_world(tmp_path, text) as world:
        assert world.capacity.warnings() == ()
        world.report(a_gpu())
        assert list(world.capacity.warnings()) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "sizes: [{name: s, memory: 1/4, compute: 1/4, types: [NVIDIA B200]}]",
            "line 1: sizes.s: no GPU in its pool has a type that it may lie on: nobody can have it",
        ),
        (
            "sizes: [{name: s, memory: 3 TiB, compute: 1}]",
            (
                "line 1: sizes.s.memory: is more memory than any GPU that it may lie on gives: "
                "nobody can have it"
            ),
        ),
        (
            "groups: {a: {each: {limit: {slots: 2}}}}",
            "line 1: groups.a.each.limit.slots: no GPU that there is has this type",
        ),
        (
            "closed: [{node: 'n*', why: x}]",
            "line 1: closed[0]: closes n*, of which no GPU is known",
        ),
    ],
)
async def test_what_no_card_can_be_meant_by_is_told_once_there_are_cards(
    tmp_path: Path, text: str, words: str
) -> None:
    with metric_world(tmp_path, text) as world:
        world.report(a_gpu())
        assert words in world.capacity.warnings()
    with metric_world(tmp_path, "everyone: {limit: {cards: 1}}") as world:
        world.report(a_gpu())
        assert world.capacity.warnings() == ()


async def test_the_host_memory_of_a_node_is_the_least_that_is_told_of_it(tmp_path: Path) -> None:
    with metric_world(tmp_path, "gpu_types: {}") as world:
        told = world.capacity.holdings.host_memory
        world.report(a_gpu())
        assert NODE not in told.told, "an older agent does not tell"
        world.report(a_gpu(host_memory_mib=900), a_gpu("SIM-1", host_memory_mib=800))
        assert told.told == {NODE: 800}
        world.report(a_gpu())
        assert NODE not in told.told
