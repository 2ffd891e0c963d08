"""What is beyond all bounds, told by an agent or an admin, is that one's trouble alone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_quota.wire.agent_link import AgentEvent, Status

from tests.support.fake_agent import FakeAgent, a_gpu, a_report
from tests.support.hub_world import OTHER_SECRET, HubWorld

pytestmark = pytest.mark.asyncio


def _status(agent: FakeAgent, **of_gpu: Any) -> str:
    """Return a report as it would be sent by an agent that keeps to no bounds."""
    sent = Status(
        epoch=agent.epoch,
        sequence=agent.sequence + 1,
        at=datetime.now(UTC),
        gpus=agent.gpus,
        slices=(),
    ).model_dump(mode="json")
    sent["gpus"][0].update(of_gpu)
    return json.dumps(sent)


@pytest.mark.parametrize("energy_mj", [10**30, -1, 2**63, 1e300])
async def test_a_counter_beyond_all_bounds_ends_its_agents_connection_and_nothing_else(
    world: HubWorld, energy_mj: float
) -> None:
    good = await world.agent()
    bad = await world.agent(node="node-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-9"),))
    await bad.send(_status(bad, energy_mj=energy_mj))
    await bad.until(lambda: bad.close_reason is not None)
    assert "energy_mj" in (bad.close_reason or "")
    assert good.close_reason is None
    assert not world.service.fleet.is_silent("node-a")
    again = await world.agent(node="node-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-9"),))
    assert again.close_reason is None


@pytest.mark.parametrize("of", ["memory_mib", "margin_mib"])
async def test_no_card_is_of_so_much_memory_that_sums_are_beyond_what_is_told(
    world: HubWorld, of: str
) -> None:
    """Two slices of an exbibyte were an error of each share that has both."""
    bad = await world.agent()
    await bad.send(_status(bad, **{of: 2**40}))
    await bad.until(lambda: bad.close_reason is not None)
    assert of in (bad.close_reason or "")


async def test_a_counter_that_ran_faster_than_any_card_keeps_nobodys_use_from_being_stored(
    world: HubWorld,
) -> None:
    """The largest counters within bounds, added up, are beyond what a column holds."""
    clock = [datetime.now(UTC)]
    meter = world.assembly._meter
    meter._now = lambda: clock[0]
    agent = await world.agent()
    lease = await world.slice_for("ada", memory_mib=1000, compute_milli=1000)
    slice_id = lease["slice_id"]
    await agent.until(lambda: agent.assignments.slices)
    view = world.service.fleet.node("node-a")
    for step in range(1200):
        view.gpus = {"SIM-0": a_gpu(energy_mj=(step % 2) * (2**53 - 1))}
        view.slices = {slice_id: a_report(slice_id, gpu_busy_ms=1000 * (step + 1))}
        clock[0] += timedelta(seconds=5)
        meter.take(view)
    meter.store()
    week = meter.week("ada")
    assert week.gpu_hours == pytest.approx(1199 / 3600, abs=0.01)
    assert week.energy_wh == 0


async def test_an_eviction_told_at_great_length_is_shown_to_its_jobs_owner(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", memory_mib=1000, compute_milli=100)
    token = world.user("ada")
    words = "x" * 500
    event = AgentEvent(
        event_id="e",
        at=datetime.now(UTC),
        kind="evicted",
        gpu_id="SIM-0",
        slice_id=lease["slice_id"],
        detail=words,
    )
    await agent.tell(event)
    told = json.loads(event.model_dump_json()) | {"event_id": "longer", "detail": "y" * 100_000}
    await agent.send(json.dumps({"type": "events", "epoch": agent.epoch, "events": [told]}))
    await agent.until(lambda: "longer" in agent.taken)
    status, events = await world.call("GET", "events", token)
    details = sorted(each["detail"] for each in events if each["kind"] == "evicted")
    assert (status, details) == (200, [words, "y" * 497 + "…"])


@pytest.mark.parametrize("length", [1000, 1001, 4000])
async def test_an_admins_long_reason_is_refused_in_words_and_never_breaks_the_record(
    world: HubWorld, length: int
) -> None:
    root, ada = world.admin(), world.user("ada")
    body = {"lending": False, "reason": "r" * length}
    status, answer = await world.call("PUT", "lending", root, body)
    if length > 1000:
        assert status == 400
        assert "reason" in answer["message"]
        assert "1000 characters" in answer["message"]
    else:
        assert (status, answer["reason"]) == (200, body["reason"])
    for path, token in (("events", root), ("lending", root), ("lending", ada), ("events", ada)):
        assert (await world.call("GET", path, token))[0] == 200


async def test_an_agents_events_take_little_room_each(world: HubWorld) -> None:
    agent = await world.agent()
    events = [
        AgentEvent(
            event_id=f"e{n}",
            at=datetime.now(UTC),
            kind="refused-move",
            gpu_id="SIM-0",
            detail=letter * 4000,
        )
        for n, letter in enumerate("xäß\N{GRINNING FACE}")
    ]
    await agent.tell(*events)
    status, shown = await world.call("GET", "events", world.admin())
    told = [each["detail"] for each in shown if each["kind"] == "refused-move"]
    assert (status, len(told)) == (200, 4)
    assert all(490 < len(each.encode()) <= 500 and each.endswith("…") for each in told)
