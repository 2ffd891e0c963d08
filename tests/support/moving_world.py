"""A service with two cards, on which slices move from one to the other."""

from pathlib import Path
from typing import Any

from sublet_hub.ledger.records import SliceRecord
from sublet_quota.wire.agent_link import SliceAssignment

from tests.support.fake_agent import FakeAgent, a_gpu
from tests.support.hub_world import HubWorld, settings_for

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
pools:
  - {name: interactive, types: [H100], default: true, memory_overcommit: 1, compute_overcommit: 1}
"""
CARDS = (a_gpu("SIM-0"), a_gpu("SIM-1", index=1))


def settings(folder: Path) -> Any:
    (folder / "quota.yaml").write_text(QUOTA)
    return settings_for(folder, quota_file=folder / "quota.yaml")


async def in_pieces(world: HubWorld) -> FakeAgent:
    """Let bob and cat have half of a card each, on two cards."""
    agent = await world.agent(gpus=CARDS)
    leases = {each: await world.slice_for(each, size="large") for each in ("bob", "ben", "cat")}
    assert {each["gpu_id"] for each in leases.values()} == {"SIM-0", "SIM-1"}
    alone = next(
        name
        for name, lease in leases.items()
        if [each["gpu_id"] for each in leases.values()].count(lease["gpu_id"]) == 1
    )
    gone = next(name for name in leases if name != alone)
    await world.hub_call("DELETE", f"slices/{leases[gone]['slice_id']}")
    # What the service stores within a second is stored now: of the two nothing changes by itself.
    world.service.places.look()
    await is_told_of_all(world, agent)
    return agent


async def is_told_of_all(world: HubWorld, agent: FakeAgent) -> None:
    """Wait until an agent reports of the slices that there are, as its assignments name them."""

    def knows() -> bool:
        told = () if agent.assignments is None else agent.assignments.slices
        return {each.slice_id for each in told} == world.service.ledger.slices.keys()

    await agent.until(knows)


def moving(world: HubWorld) -> SliceRecord | None:
    found = [s for s in world.service.ledger.slices.values() if s.moving_to is not None]
    assert len(found) <= 1
    return found[0] if found else None


def assigned(agent: FakeAgent, slice_id: str) -> SliceAssignment | None:
    told = () if agent.assignments is None else agent.assignments.slices
    return next((each for each in told if each.slice_id == slice_id), None)


async def whole(world: HubWorld) -> tuple[SliceRecord, str]:
    """Let ada have a whole card; return who moves for that, and her card."""
    lease = await world.slice_for("ada", size="whole")
    record = moving(world)
    assert record is not None
    assert record.gpu.gpu_id == lease["gpu_id"]
    return record, lease["gpu_id"]
