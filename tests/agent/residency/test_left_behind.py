"""The search for who was left behind ends, whatever goes wrong in it: gates do not stay shut."""

import asyncio

import pytest
import pytest_asyncio
from sublet_agent.devices.interface import ProcessState
from sublet_agent.residency import left_behind
from sublet_agent.residency.activity import ActivitySettings
from sublet_agent.residency.controller import GpuResidency, ResidencyTools
from sublet_agent.residency.eviction import Eviction
from sublet_agent.residency.left_behind import LeftBehind, LeftBehindTools
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.state_files.moved_slices import MovedSlices
from sublet_agent.state_files.open_gates import OpenGatesFile
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import Assignments

from tests.support.agent_cases import START, Bench
from tests.support.fake_device import BOOT, GPU
from tests.support.fake_service_link import gpu_assignment, slice_assignment

GIB = 1024
OTHER = GpuId("FAKE-1")
PID = 7
SLICE = SliceId("a")


class Node:
    """A card on which an agent before left a process suspended, of which nothing is written."""

    def __init__(self, folder):
        self.bench = bench = Bench(folder)
        bench.device.cards = (GPU, OTHER)
        tools = ResidencyTools(
            moves=bench.tools,
            calls=bench.pool,
            clock=bench.clock,
            record=lambda *_, **__: None,
            changed=lambda: None,
            lending=lambda: True,
            eviction=Eviction(bench.table, bench.paused_processes, bench.pool, 1.0),
            open_gates=OpenGatesFile(folder / "open-gates.json"),
            is_being_looked_for=self.is_looked_for,
        )
        residencies = {
            gpu.gpu_id: GpuResidency(ServedGpu(gpu, bench.device.memory(gpu.gpu_id)), tools)
            for gpu in bench.device.gpus()
        }
        self.registry = SliceRegistry(
            residencies,
            bench.attribution,
            bench.table,
            ActivitySettings(),
            MovedSlices(folder / "moved-slices.json", BOOT),
        )
        self.thaw, self.thawing = tuple, []
        self.assignment = slice_assignment("a", GPU, 40 * GIB, uid=1000, created_at=START)
        self.search = LeftBehind(
            self.registry,
            LeftBehindTools(
                moves=bench.tools,
                attribution=bench.attribution,
                looks=bench.pool,
                calls=bench.pool,
                clock=bench.clock,
                record=lambda *_, **__: None,
                found=lambda _: None,
                thaw=self.thaws,
            ),
        )
        bench.process("a", PID, 10 * GIB, state=ProcessState.SUSPENDED)
        bench.table.environments[PID] = {"SUBLET_SLICE_ID": "a"}

    def is_looked_for(self, slice_id):
        return self.search.is_being_looked_for(slice_id)

    def thaws(self):
        self.thawing.append("thawed")
        return self.thaw()

    def told(self):
        """Let the hub service say whose it is; return what looks for it."""
        told = Assignments(
            epoch=1,
            sequence=1,
            lending=True,
            gpus=tuple(gpu_assignment(card, lend_at_least_s=10**6) for card in (GPU, OTHER)),
            slices=(self.assignment,),
        )
        self.search.begin(())
        self.registry.apply(told, START)
        look = self.search.assigned(told)
        assert look is not None
        assert self.search.is_being_looked_for(SLICE)
        return look()

    async def changes_card(self):
        _, served = self.registry.find(SLICE)
        self.registry.change_card(served, OTHER)

    def is_taken_over(self):
        (_, served) = self.registry.find(SLICE)
        return bool(served.processes.away())


@pytest_asyncio.fixture
async def node(tmp_path, monkeypatch):
    monkeypatch.setattr(left_behind, "_ASKED_AGAIN_AFTER_S", 0.0)
    made = Node(tmp_path)
    yield made
    made.bench.close()


def fails_once(call):
    """Return a function that fails by a defect the first time, and is ``call`` from then on."""
    calls = []

    def fails(*args):
        calls.append(args)
        if len(calls) == 1:
            message = "a defect"
            raise RuntimeError(message)
        return call(*args)

    return fails


@pytest.mark.asyncio
async def test_a_defect_while_it_is_thawed_keeps_no_gate_shut_and_it_is_thawed_later(node):
    node.thaw = fails_once(tuple)
    await node.told()
    assert not node.search.is_being_looked_for(SLICE)
    assert node.is_taken_over()
    assert len(node.thawing) == 2


@pytest.mark.asyncio
async def test_where_the_hub_service_says_nothing_all_are_thawed_once(node):
    node.thaw = fails_once(tuple)
    for _ in range(3):
        await node.search.thaw_without_word()
    assert len(node.thawing) == 2


@pytest.mark.asyncio
async def test_what_the_hub_service_has_said_is_waited_for_no_more(node):
    await node.told()
    await node.search.thaw_without_word()
    assert len(node.thawing) == 1


@pytest.mark.asyncio
async def test_a_defect_while_processes_are_looked_for_keeps_no_gate_shut_and_they_are_found_later(
    node, monkeypatch
):
    monkeypatch.setattr(node.bench.table, "pids", fails_once(node.bench.table.pids))
    await node.told()
    assert not node.search.is_being_looked_for(SLICE)
    assert node.is_taken_over()


@pytest.mark.asyncio
async def test_a_search_that_is_cancelled_keeps_no_gate_shut(node):
    node.thaw = fails_once(tuple)
    async with node.search._looking:
        looking = asyncio.create_task(node.told())
        await asyncio.sleep(0)
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
    assert not node.search.is_being_looked_for(SLICE)


@pytest.mark.asyncio
@pytest.mark.parametrize("holder", Holder)
async def test_who_stays_paused_does_so_also_where_that_was_for_a_turn_only(node, holder):
    node.assignment = node.assignment.model_copy(update={"holder": holder})
    node.bench.process("a", PID + 1, GIB, holder, state=ProcessState.PAUSED)
    node.bench.table.environments[PID + 1] = {"SUBLET_SLICE_ID": "a"}
    node.bench.device.leased.add(PID + 1)
    await node.told()
    assert node.bench.states() == {PID: "suspended", PID + 1: "paused"}
    assert node.bench.device.leased == set()


@pytest.mark.asyncio
async def test_a_defect_while_nobodys_processes_are_looked_for_is_no_end_of_the_search(
    node, monkeypatch
):
    node.bench.device.processes_here[PID].stopped = True
    node.bench.table.add(PID + 1)
    monkeypatch.setattr(node.bench.table, "environment", names_a_slice_after_a_defect(node))
    await node.told()
    assert node.is_taken_over()


def names_a_slice_after_a_defect(node):
    """Fail once where it is asked of a process of no slice; let the other go on afterwards."""
    environment = node.bench.table.environment

    def of_nobodys(pid, name):
        if pid == PID + 1 and node.bench.device.processes_here[PID].stopped:
            node.bench.device.processes_here[PID].stopped = False
            message = "a defect"
            raise RuntimeError(message)
        return environment(pid, name)

    return of_nobodys


@pytest.mark.asyncio
async def test_while_one_does_not_tell_how_it_stands_its_slice_is_unclear(node, monkeypatch):
    stopped = node.bench.device.processes_here[PID]
    stopped.stopped = True
    seen = []

    async def sleeps(_seconds):
        seen.append(node.search.is_unclear(SLICE))
        stopped.stopped = False

    monkeypatch.setattr(left_behind.asyncio, "sleep", sleeps)
    look = node.told()
    assert node.search.is_unclear(SLICE)
    await look
    assert seen == [True]
    assert not node.search.is_unclear(SLICE)
    assert node.is_taken_over()


@pytest.mark.asyncio
async def test_one_whose_slice_was_brought_to_another_card_meanwhile_is_taken_over_there(
    node, monkeypatch
):
    node.assignment = node.assignment.model_copy(update={"move_to": OTHER})
    state, loop = node.bench.device.state, asyncio.get_running_loop()
    moved = []

    def moves_meanwhile(pid):
        if not moved:
            moved.append(pid)
            asyncio.run_coroutine_threadsafe(node.changes_card(), loop).result(60)
        return state(pid)

    monkeypatch.setattr(node.bench.device, "state", moves_meanwhile)
    await node.told()
    assert node.is_taken_over()
    _, served = node.registry.find(SLICE)
    assert served.gpu_id == OTHER
