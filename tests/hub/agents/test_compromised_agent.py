"""An agent in a stranger's hands says what it likes: of other nodes nothing is believed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.agent_link import AgentEvent, ForeignProcesses, WaitReport
from sublet_quota.wire.event_kinds import TOLD_BY_AGENTS

from tests.support.fake_agent import GIB, FakeAgent, a_gpu, a_report
from tests.support.hub_world import (
    OTHER_SECRET,
    FakeHub,
    HubWorld,
    hub_world,
    settings_for,
    until,
)
from tests.support.whole_words import names

pytestmark = pytest.mark.asyncio

A, B = NodeId("node-a"), NodeId("node-b")
CARD_OF_A, CARD_OF_B = GpuId("SIM-0"), GpuId("SIM-9")


@dataclass
class TwoNodes:
    """Node A with ada's slice, in a pod; and node B, whose agent is a stranger's now."""

    world: HubWorld
    honest: FakeAgent
    stranger: FakeAgent
    slice_id: SliceId

    async def forge(self, *cards: Any, **of_slice: Any) -> None:
        """Let B's agent report of A's slice and of these cards, and wait until it was heard."""
        heard, stranger = self.world.service.fleet.node(B), self.stranger
        slices = (a_report(self.slice_id, **of_slice),) if of_slice else ()
        await stranger.report(slices=slices, gpus=(a_gpu(CARD_OF_B), *cards))
        told = stranger.sequence
        await until(lambda: heard.sequence >= told)

    def known(self) -> dict[str, Any]:
        """All that the service believes of A."""
        service = self.world.service
        (held,) = service.capacity.holdings.slices()
        return {
            "slices": dict(service.ledger.slices),
            "card": service.ledger.gpus[CARD_OF_A],
            "report": service.fleet.report(self.slice_id).model_copy(update={"since": None}),
            "card's report": service.fleet.gpu_report(CARD_OF_A),
            "holding": held,
            "facts": service.capacity.holdings.gpu(CARD_OF_A),
        }


@pytest_asyncio.fixture
async def nodes(world: HubWorld) -> TwoNodes:
    honest = await world.agent()
    lease = await world.slice_for("ada", size="small")
    slice_id = SliceId(lease["slice_id"])
    pod = {"pod_uid": "uid-1", "namespace": "hub", "pod_name": "jupyter-ada", "node": A}
    assert (await world.hub_call("POST", f"slices/{slice_id}/pod", pod))[0] == 204
    await until(lambda: world.service.fleet.report(slice_id) is not None)
    stranger = await world.agent(node=B, secret=OTHER_SECRET, gpus=(a_gpu(CARD_OF_B),))
    return TwoNodes(world, honest, stranger, slice_id)


async def test_what_it_reports_of_another_nodes_slice_is_not_believed(nodes: TwoNodes) -> None:
    before = nodes.known()
    forged: dict[str, Any] = {
        "gpu_id": CARD_OF_B,
        "state": SliceState.SUSPENDED,
        "active": False,
        "gate_open": False,
        "memory_mib": 77_777,
        "host_mib": 77_777,
        "utilisation_percent": 99,
        "gpu_busy_ms": 10**9,
        "wait": WaitReport(reason=WaitReason.TURN, place=1, waits_for=(nodes.slice_id,)),
        "unsuspendable": "forged",
        "over_cap": True,
        "lent_to": (nodes.slice_id,),
    }
    await nodes.forge(**forged)
    assert nodes.known() == before
    assert not nodes.world.service.fleet.node(B).slices


async def test_what_it_reports_of_another_nodes_card_is_not_believed(nodes: TwoNodes) -> None:
    before = nodes.known()
    foreign = ForeignProcesses(count=1, pids=(1,), held_mib=1)
    for forged in (
        {"closed": "forged"},
        {"type": "Forged", "memory_mib": 1, "margin_mib": 1, "index": 7, "lendable_mib": 0},
        {"foreign_processes": foreign, "simulated": False, "energy_mj": 1},
    ):
        await nodes.forge(a_gpu(CARD_OF_A, **forged))
        assert nodes.known() == before
    assert set(nodes.world.service.fleet.node(B).gpus) == {CARD_OF_B}


async def test_of_ever_new_cards_the_ledger_keeps_the_last_ones_and_those_that_hold_a_slice(
    nodes: TwoNodes,
) -> None:
    ledger = nodes.world.service.ledger
    held = await nodes.world.slice_for("bob", memory_mib=79 * GIB, compute_milli=1000)
    assert held["gpu_id"] == CARD_OF_B
    for number in range(4):
        cards = tuple(a_gpu(f"new-{number}-{index}", index=index) for index in range(60))
        await nodes.stranger.report(gpus=cards)
        await until(lambda card=cards[-1]: card.gpu_id in ledger.gpus)
    there = {gpu.gpu_id for gpu in ledger.gpus_on_node(B)}
    assert len(there) == 128
    assert {CARD_OF_B, *(card.gpu_id for card in cards)} < there
    assert CARD_OF_A in ledger.gpus


async def test_it_does_not_get_the_card_of_a_node_that_is_silent_while_that_holds_a_slice(
    nodes: TwoNodes,
) -> None:
    service = nodes.world.service
    await nodes.honest.close()
    await until(lambda: service.fleet.is_silent(A))
    await nodes.forge(a_gpu(CARD_OF_A), gpu_id=CARD_OF_A)
    assert service.ledger.gpus[CARD_OF_A].node == A
    assert service.ledger.slices[nodes.slice_id].gpu.node == A


async def test_no_event_of_its_is_stored_about_another_nodes_slice_or_card(
    nodes: TwoNodes,
) -> None:
    world = nodes.world
    _, before = await world.call("GET", "events", world.admin())
    number = 0
    for kind in sorted(TOLD_BY_AGENTS):
        for about in (
            {"gpu_id": CARD_OF_B, "slice_id": nodes.slice_id},
            {"gpu_id": CARD_OF_A, "slice_id": nodes.slice_id},
            {"gpu_id": CARD_OF_A},
        ):
            number += 1
            event_id, now = f"event-{number}", datetime.now(UTC)
            forged = AgentEvent(event_id=event_id, at=now, kind=kind, detail="forged", **about)
            await nodes.stranger.tell(forged)
    _, after = await world.call("GET", "events", world.admin())
    assert after == before


async def test_what_it_reports_as_lent_shows_its_tenants_nothing_of_another_nodes_owner(
    nodes: TwoNodes,
) -> None:
    """Of its own slice it may say what it likes, but its tenants' pages name no one for that."""
    world = nodes.world
    lease = await world.slice_for("bob", size="small", gpu_type="Simulated H100 80GB")
    pod = {"pod_uid": "uid-2", "namespace": "hub", "pod_name": "jupyter-bob", "node": B}
    assert (await world.hub_call("POST", f"slices/{lease['slice_id']}/pod", pod))[0] == 204
    wait = WaitReport(reason=WaitReason.TURN, place=1, waits_for=(nodes.slice_id,))
    own = SliceId(lease["slice_id"])
    nodes.stranger.says = {own: a_report(own, wait=wait, lent_to=(nodes.slice_id,))}
    await nodes.stranger.report()
    await until(lambda: (told := world.service.fleet.report(own)) is not None and told.wait)
    _, share = await world.call("GET", "share", world.user("bob"))
    # Ids are hexadecimal: by chance these letters are in one of them.
    assert not names(str(share), "ada")
    assert nodes.slice_id not in str(share)


EXPECTS = """\
gpu_types: {H100: {match: "*H100*", expect: 2}}
pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]
groups: {lab: {guaranteed: {H100: 4}}, other: {}}
"""


async def test_with_cards_that_it_makes_up_nobody_loses_their_place(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(EXPECTS)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent(gpus=(a_gpu("SIM-0"), a_gpu("SIM-1", index=1)))
        await world.slice_for("ada", size="whole", groups=["lab"])
        await world.slice_for("bob", size="whole", groups=["other"])
        made_up = tuple(a_gpu(f"FAKE-{number}", index=number) for number in range(20))
        await world.agent(node=B, secret=OTHER_SECRET, gpus=made_up)
        holdings = world.service.capacity.holdings
        assert holdings.tree("H100").nodes["lab"].guaranteed == 2
        for number in range(6):
            await world.slice_for(f"new-{number}", size="whole", groups=["lab"])
        ranks = [holdings.rank(each.slice_id) for each in holdings.slices()]
        assert ranks.count(Rank.ENTITLED) == 2
        called_back = [
            record.owner
            for record in world.service.ledger.slices.values()
            if record.called_back_since is not None
        ]
        # For the second of the cards that are expected one borrowed slice makes way, and no more.
        assert len(called_back) <= 1
        assert "ada" not in called_back
        _, quota = await world.call("GET", "quota", world.admin())
        assert (
            "H100: 2 cards expected, and 22 cards open: guarantees count on what is expected"
            in (quota["warnings"])
        )
