"""What becomes of a change of cards while hub service, device and cards say something else."""

import asyncio

import pytest
import pytest_asyncio
from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.devices.interface import ProcessState
from sublet_agent.residency.activity import ActivitySettings
from sublet_agent.residency.card_changes import CardChanges, CardChangeTools
from sublet_agent.residency.controller import GpuResidency, ResidencyTools
from sublet_agent.residency.eviction import Eviction
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.residency.served_gpu import CardReading, ServedGpu
from sublet_agent.state_files.journal import Step
from sublet_agent.state_files.moved_slices import MovedSlices
from sublet_agent.state_files.open_gates import OpenGatesFile
from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.staying import Staying, Stays
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import Assignments
from sublet_quota.wire.event_kinds import EventKind

from tests.support.agent_cases import START, Bench
from tests.support.fake_device import BOOT, GPU
from tests.support.fake_service_link import gpu_assignment, slice_assignment

OTHER = GpuId("FAKE-1")
GIB = 1024


class Node:
    """Two cards, and slices on them that are idle."""

    def __init__(self, folder):
        self.bench = Bench(folder)
        self.bench.device.cards = (GPU, OTHER)
        self.events = []
        self.is_unclear = False
        self.moved = MovedSlices(folder / "moved-slices.json", BOOT)
        bench, tools = self.bench, self.bench.tools
        residency_tools = ResidencyTools(
            moves=tools,
            calls=bench.pool,
            clock=bench.clock,
            record=self._record,
            changed=lambda: None,
            lending=lambda: True,
            eviction=Eviction(bench.table, bench.paused_processes, bench.pool, 1.0),
            open_gates=OpenGatesFile(folder / "open-gates.json"),
        )
        residencies = {}
        for gpu in bench.device.gpus():
            served = ServedGpu(gpu, bench.device.memory(gpu.gpu_id))
            residencies[gpu.gpu_id] = GpuResidency(served, residency_tools)
        self.registry = SliceRegistry(
            residencies, Attribution(bench.table), bench.table, ActivitySettings(), self.moved
        )
        self.changes = CardChanges(
            self.registry,
            CardChangeTools(
                moves=tools,
                looks=bench.pool,
                clock=bench.clock,
                record=self._record,
                may_begin=lambda: True,
                changed=lambda: None,
                is_unclear=lambda _: self.is_unclear,
            ),
        )
        self.measure()
        for residency in residencies.values():
            residency.begin()

    def _record(self, kind, *_args, **_more):
        self.events.append(kind)

    def measure(self, **strays):
        """Read both cards, with no strangers on them but these slices' programs."""
        for gpu_id, residency in self.registry.residencies.items():
            there = frozenset(strays.get(gpu_id.replace("-", "_"), ()))
            residency.gpu.read(
                CardReading(
                    memory=self.bench.device.memory(gpu_id),
                    foreign=dict.fromkeys(range(100, 100 + len(there)), GIB),
                    strays=there,
                    measured_until=self.bench.clock.now(),
                )
            )

    def assign(self, *, lends=(GPU, OTHER), **fields):
        gpu_id = fields.pop("gpu_id", GPU)
        assignment = slice_assignment("s", gpu_id, 20 * GIB, **{"created_at": START, **fields})
        # What is away stays so, unless somebody wants it.
        gpus = tuple(
            gpu_assignment(card, lend_at_least_s=10**6, lend=card in lends) for card in (GPU, OTHER)
        )
        told = Assignments(epoch=1, sequence=1, lending=True, gpus=gpus, slices=(assignment,))
        self.registry.apply(told, START)

    @property
    def served(self):
        found = self.registry.find("s")
        assert found is not None
        return found[1]

    def suspended(self, pid, left_gpu_id=None):
        """Add a suspended process of the slice."""
        target = self.bench.process("s", pid, 4 * GIB, state=ProcessState.SUSPENDED)
        self.served.processes.track(target.identity).goes_away(4 * GIB, 0, left_gpu_id)
        return target

    def bound_for(self):
        return {
            entry.target.gpu_id for entry in self.bench.journal.entries() if entry.step is not None
        }


@pytest_asyncio.fixture
async def node(tmp_path):
    made = Node(tmp_path)
    made.assign()
    # Longer than it takes to count as idle, and for kernels to be heard of.
    made.bench.clock.passes(1000)
    made.measure()
    yield made
    for residency in made.registry.residencies.values():
        await residency.stop()
    made.bench.close()


@pytest_asyncio.fixture
async def beside(tmp_path):
    """A job's slice, whose process is on the card and stands still."""
    made = Node(tmp_path)
    made.assign(holder="job", lends=())
    made.bench.clock.passes(1000)
    target = made.bench.process("s", 1, 4 * GIB, Holder.JOB)
    made.served.processes.track(target.identity)
    made.measure()
    yield made
    for residency in made.registry.residencies.values():
        await residency.stop()
    made.bench.close()


def says_meanwhile(node, monkeypatch, say):
    """Let something be said while the device is asked for a process's state."""
    loop, state = asyncio.get_running_loop(), node.bench.device.state

    def asked(pid):
        asyncio.run_coroutine_threadsafe(_call(say), loop).result()
        return state(pid)

    monkeypatch.setattr(node.bench.device, "state", asked)


async def _call(say):
    say()


@pytest.mark.asyncio
async def test_a_suspended_slice_is_bound_for_the_other_card_and_that_is_kept_twice(node):
    target = node.suspended(1)
    node.assign(move_to=OTHER)
    await node.changes.look()
    assert node.served.gpu_id == OTHER
    assert node.bound_for() == {OTHER}
    again = MovedSlices(node.bench.folder / "moved-slices.json", BOOT)
    [bound] = again.missing_in(())
    assert (bound.identity, bound.gpu_id, bound.left_gpu_id) == (target.identity, OTHER, GPU)


@pytest.mark.asyncio
async def test_a_job_that_stands_still_on_its_card_leaves_for_the_other(beside):
    beside.assign(holder="job", move_to=OTHER, lends=(OTHER,))
    async with asyncio.timeout(60):
        # It is suspended first, and changes cards once that is over.
        while beside.served.gpu_id != OTHER:
            await beside.changes.look()
            await asyncio.sleep(0)
    assert EventKind.SUSPENDED in beside.events


@pytest.mark.asyncio
async def test_a_job_that_runs_is_not_let_leave(beside):
    here, now = beside.registry.residencies[GPU], beside.bench.clock.now()
    assert here.may_let_leave(beside.served, now)
    beside.served.open_gate(now)
    assert not here.may_let_leave(beside.served, now)


@pytest.mark.asyncio
async def test_a_job_that_is_being_ended_is_not_let_leave(beside):
    here, now = beside.registry.residencies[GPU], beside.bench.clock.now()
    beside.served.evict()
    assert not here.may_let_leave(beside.served, now)


@pytest.mark.asyncio
async def test_a_slice_whose_processes_are_looked_for_stays_until_they_are_known(node):
    node.assign(move_to=OTHER)
    node.is_unclear = True
    await node.changes.look()
    assert node.served.gpu_id == GPU
    node.is_unclear = False
    await node.changes.look()
    assert node.served.gpu_id == OTHER


@pytest.mark.asyncio
async def test_what_the_hub_calls_off_meanwhile_is_not_begun(node, monkeypatch):
    node.suspended(1)
    node.assign(move_to=OTHER)
    says_meanwhile(node, monkeypatch, node.assign)
    await node.changes.look()
    assert node.served.gpu_id == GPU
    assert not node.bench.journal.entries()


@pytest.mark.asyncio
async def test_a_card_that_fails_meanwhile_is_not_gone_to(node, monkeypatch):
    node.suspended(1)
    node.assign(move_to=OTHER)
    other = node.registry.residencies[OTHER].gpu
    says_meanwhile(node, monkeypatch, lambda: node.measure(FAKE_1={"t"}))
    await node.changes.look()
    assert other.reading.foreign
    assert node.served.gpu_id == GPU


@pytest.mark.asyncio
async def test_who_cannot_go_back_either_is_told_of_once(node):
    node.suspended(1)
    node.assign(move_to=OTHER)
    await node.changes.look()
    # One of two came to the other card and was put away there; the other one was refused.
    second = node.suspended(2)
    node.bench.device.processes_here[2].gpu_id = OTHER
    node.bench.device.processes_here[2].stays = Stays(Staying.UNREADABLE)
    node.served.note_stays(OTHER, Stays(Staying.REFUSED))
    assert second.identity
    for _ in range(3):
        node.bench.clock.passes(1)
        node.measure()
        await node.changes.look()
    assert node.events.count(EventKind.REFUSED_MOVE) == 1


@pytest.mark.asyncio
async def test_programs_that_an_agent_before_brought_to_the_other_card_are_followed(node):
    node.assign(move_to=OTHER)
    node.measure(FAKE_1={"s"})
    await node.changes.look()
    assert node.served.gpu_id == OTHER


@pytest.mark.asyncio
async def test_a_tenant_chooses_no_card_that_the_hub_did_not_name(node):
    node.measure(FAKE_1={"s"})
    await node.changes.look()
    assert node.served.gpu_id == GPU


@pytest.mark.asyncio
async def test_what_was_found_on_a_card_stays_there_whatever_is_assigned(node):
    served = node.registry._new("t", node.registry.residencies[OTHER], START)
    served.processes.track(node.bench.process("t", 7, GIB).identity).goes_away(GIB)
    assignment = slice_assignment("t", GPU, 20 * GIB, created_at=START)
    assert node.registry.card_of(assignment) == OTHER


def test_who_was_bound_is_missed_where_the_journal_is_lost(tmp_path):
    bench = Bench(tmp_path)
    bound = bench.process("s", 1, GIB).at_home(OTHER)
    MovedSlices(tmp_path / "moved-slices.json", BOOT).keep_bound([bound])
    again = MovedSlices(tmp_path / "moved-slices.json", BOOT)
    bench.journal.write(Step.SUSPENDED, again.missing_in(bench.journal.entries()))
    [entry] = bench.journal.entries()
    assert entry.target == bound
    assert again.missing_in([entry]) == ()
    again.keep_bound([bound.on_its_card])
    assert MovedSlices(tmp_path / "moved-slices.json", BOOT).missing_in(()) == ()
    bench.close()
