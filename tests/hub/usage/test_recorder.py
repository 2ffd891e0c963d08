"""What happens is recorded, nothing waits for that, and what is not stored harms nobody."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sublet_hub.ledger.database import LedgerWriteError
from sublet_hub.ledger.recorded import GRANTED, AskRecord, CardState, Happened, RecordedStore
from sublet_hub.usage.recorded import recorder as module
from sublet_hub.usage.recorded.recorder import Recorder
from sublet_hub.usage.recorded.stretches import unpacked
from sublet_quota.amounts.gpu_amounts import MOST_OF_A_CARD_MIB
from sublet_quota.names.ids import GpuId
from sublet_quota.wire.agent_link import AgentEvent
from sublet_quota.wire.event_kinds import EventKind
from sublet_quota.wire.schema import MOST_MIB, MOST_S

from tests.support.fake_agent import GIB, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until

pytestmark = pytest.mark.asyncio
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)


def store_of(world: HubWorld) -> RecordedStore:
    return RecordedStore(world.assembly._adapters.database)


def stored_asks(world: HubWorld) -> tuple[AskRecord, ...]:
    world.service.recorder.store_at_end()
    return store_of(world).asks(LONG_AGO, LATER)


async def ask(world: HubWorld, owner: str, **wish: object) -> int:
    body = {"owner": owner, "account": world.account(owner), **wish}
    status, _ = await world.hub_call("POST", "slices", body)
    return status


async def test_what_is_granted_and_what_is_refused_is_recorded(world: HubWorld) -> None:
    await world.agent()
    lease = await world.slice_for("ada", "s", groups=["lab"])
    wish = {"memory_mib": 900 * GIB, "compute_milli": 100}
    for _ in range(3):
        assert await ask(world, "ben", **wish) == 400
    granted, refused = sorted(stored_asks(world), key=lambda each: each.owner)
    assert (granted.answer, granted.slice_id) == (GRANTED, lease["slice_id"])
    assert (granted.server, granted.groups, granted.at) == (
        "s",
        ("lab",),
        datetime.fromisoformat(lease["created_at"]),
    )
    assert (refused.answer, refused.slice_id) == ("larger-than-gpu", None)
    assert (refused.memory_mib, refused.at < refused.last_at) == (900 * GIB, True)


async def test_cells_and_moves_of_a_notebook_are_recorded(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    slice_id = lease["slice_id"]
    await agent.until(lambda: agent.assignments is not None and agent.assignments.slices)
    agent.says[slice_id] = a_report(slice_id, running_cell=True, memory_mib=5)
    await agent.report()
    facts = {"gpu_id": "SIM-0", "slice_id": slice_id, "at": datetime.now(UTC)}
    await agent.tell(
        AgentEvent(event_id="1", kind=EventKind.GATE_OPENED, took_s=4, **facts),
        AgentEvent(event_id="2", kind=EventKind.SUSPENDED, bytes_mib=70, took_s=2, **facts),
        AgentEvent(event_id="3", kind=EventKind.RESUMED, bytes_mib=70, took_s=1, **facts),
        AgentEvent(event_id="4", kind=EventKind.SUSPENDED, bytes_mib=30, took_s=1, **facts),
    )
    await world.hub_call("DELETE", f"slices/{slice_id}")
    world.service.recorder.store_at_end()
    store = store_of(world)
    (block,) = store.cells({slice_id})
    (stretch,) = unpacked(block.stretches)
    assert (stretch.waited, stretch.memory_mib) == (timedelta(seconds=4), 5)
    moved = {each.leaves: each for each in store.moves(LONG_AGO, LATER)}
    assert (moved[True].moves, moved[True].moved_mib, moved[True].took_s) == (2, 100, 3)
    assert (moved[False].moves, moved[False].node) == (1, "node-a")


async def test_cards_are_recorded_as_they_come_and_stand_otherwise(world: HubWorld) -> None:
    agent = await world.agent()
    recorder = world.service.recorder
    recorder.look_at_cards()
    recorder.look_at_cards()
    agent.gpus = (a_gpu(closed="it has failed", closed_for_good=True),)
    await agent.report()
    await until(lambda: all(g.closed for g in world.service.capacity.holdings.gpus_as_told()))
    recorder.look_at_cards()
    recorder.store_at_end()
    cards = store_of(world).cards(LATER)
    assert [each.state for each in cards] == [CardState.OPEN, CardState.FAILED]
    assert {(each.node, each.type, each.memory_mib) for each in cards} == {
        ("node-a", "Simulated H100 80GB", 80 * GIB)
    }


async def test_what_was_known_of_cards_is_not_told_again_after_a_restart(
    tmp_path: Path, hub: FakeHub
) -> None:
    for _ in range(2):
        async with hub_world(tmp_path, hub) as world:
            await world.agent()
            world.service.recorder.look_at_cards()
    async with hub_world(tmp_path, hub) as world:
        opened = [
            each for each in store_of(world).cards(LATER) if each.state is not CardState.CLOSED
        ]
    assert len({each.at for each in opened}) <= 2
    assert opened[0].state is CardState.OPEN


async def test_who_asks_in_a_loop_takes_no_room_of_others(world: HubWorld) -> None:
    await world.agent()
    for number in range(module.MOST_WAITING_OF_OWNER + 5):
        await ask(world, "ben", memory_mib=900 * GIB + number, compute_milli=100)
    await ask(world, "ada", memory_mib=900 * GIB, compute_milli=100)
    owners = [each.owner for each in stored_asks(world)]
    assert owners.count("ben") == module.MOST_WAITING_OF_OWNER
    assert owners.count("ada") == 1


class _FullDisk(RecordedStore):
    def add(self, happened: Happened) -> None:
        del happened
        message = "the disk is full"
        raise LedgerWriteError(message)


async def test_what_a_full_disk_does_not_take_is_lost_and_nothing_else(
    world: HubWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await world.agent()
    service = world.service
    full = Recorder(
        service.ledger,
        _FullDisk(world.assembly._adapters.database),
        lambda: tuple(service.capacity.holdings.gpus_as_told()),
        service.now,
        timedelta(days=1),
    )
    full.look_at_cards()
    with caplog.at_level(logging.WARNING):
        await full.store()
    assert "not recorded" in caplog.text
    await full.store()
    assert await ask(world, "ada") == 201


async def test_an_agent_that_tells_times_without_end_spoils_no_sum(world: HubWorld) -> None:
    agent = await world.agent()
    facts = {"gpu_id": "SIM-0", "at": datetime.now(UTC), "kind": EventKind.SUSPENDED}
    most = {"took_s": MOST_S, "bytes_mib": MOST_MIB}
    await agent.tell(*(AgentEvent(event_id=str(n), **facts, **most) for n in range(3)))
    world.service.recorder.store_at_end()
    (moves,) = store_of(world).moves(LONG_AGO, LATER)
    assert (moves.moves, moves.took_s) == (3, 3 * 3600)
    assert moves.moved_mib == 3 * MOST_OF_A_CARD_MIB


async def test_of_a_node_whose_cards_come_and_go_so_much_is_noted_a_day(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OF_NODE", 4)
    await world.agent()
    service, (first, *_) = world.service, tuple(world.service.capacity.holdings.gpus_as_told())
    there = [first]
    days = [datetime(2100, 1, 1, tzinfo=UTC)]
    store = store_of(world)
    recorder = Recorder(service.ledger, store, lambda: there, lambda: days[-1], timedelta(days=1))
    for number in range(9):
        days.append(days[-1] + timedelta(minutes=1))
        there[:] = [replace(first, gpu_id=GpuId(f"GPU-{number}"))]
        recorder.look_at_cards()
        assert len(recorder._last_of_cards) <= 4
    days.append(days[-1] + timedelta(days=1))
    recorder.look_at_cards()
    recorder.store_at_end()
    noted = [each for each in store.cards(days[-1] + timedelta(days=1)) if each.at.year == 2100]
    assert len(noted) <= 8
    again = Recorder(service.ledger, store, lambda: there, lambda: days[-1], timedelta(days=1))
    assert CardState.GONE not in {each.state for each in again._last_of_cards.values()}


async def test_nothing_is_recorded_where_that_is_not_wanted(tmp_path: Path, hub: FakeHub) -> None:
    settings = replace(settings_for(tmp_path), recorded_for=timedelta())
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await world.slice_for("ada")
        world.service.recorder.look_at_cards()
        assert stored_asks(world) == ()
        assert store_of(world).cards(LATER) == ()
