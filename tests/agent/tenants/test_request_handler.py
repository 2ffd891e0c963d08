"""How much the desk looks into, however often a tenant asks."""

import asyncio
import threading
from dataclasses import dataclass, field

import pytest
from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.devices.interface import Gpu, GpuMemory
from sublet_agent.moves.driver_limits import DriverLimits
from sublet_agent.processes.peer import Peer
from sublet_agent.residency.activity import ActivityRecord, ActivitySettings
from sublet_agent.residency.gate import GateRequest
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.tenants.request_handler import TenantRequests
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.reasons.standings import Standing
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.actions import Wait

from tests.support.agent_cases import START, FakeClock
from tests.support.fake_device import GPU, FakeTable
from tests.support.fake_service_link import slice_assignment
from tests.support.served_slices import nothing_moved


@dataclass
class CountingTable(FakeTable):
    """Counts how often a parent is asked for, which may take its time."""

    clock: FakeClock = field(default_factory=FakeClock)
    takes_s: float = 0
    parents_asked: int = 0

    def parent(self, pid):
        self.parents_asked += 1
        self.clock.passes(self.takes_s)
        return super().parent(pid)


class SharesNotNeeded:
    """The shares of a card with time to spare."""

    def kept(self, _served):
        return ShareKept.NOT_NEEDED

    def most_milli(self, _served):
        return None

    def foreign_percent(self, _served):
        return None


@dataclass
class OneGpu:
    """As much of a residency as the desk asks for."""

    slices: dict
    gpu: ServedGpu = field(
        default_factory=lambda: ServedGpu(
            Gpu(GPU, 0, "Fake GPU", 80_000, simulated=True), GpuMemory(80_000, 0, 80_000)
        )
    )

    shares: SharesNotNeeded = field(default_factory=SharesNotNeeded)
    limits: DriverLimits = field(default_factory=DriverLimits)

    def poke(self):
        """Nothing is decided here."""


class Office:
    """A desk with one slice of a kernel and ten processes below it."""

    def __init__(self):
        self.clock = FakeClock()
        self.table = CountingTable(clock=self.clock)
        activity_record = ActivityRecord(START, ActivitySettings())
        self.slice = ServedSlice("a", GPU, activity_record, START)
        self.slice.assign(slice_assignment("a", GPU, 1000), START)
        self.kernel = self.table.add(10)
        for pid in range(11, 21):
            self.slice.processes.track(self.table.add(pid, parent=pid - 1))
        residency = OneGpu({"a": self.slice})
        self.gpu = residency.gpu
        registry = SliceRegistry(
            {GPU: residency},
            Attribution(self.table),
            self.table,
            ActivitySettings(),
            nothing_moved(),
        )
        self.tenant_requests = TenantRequests(
            registry, Attribution(self.table), self.table, self.clock
        )

    def kernels(self):
        return {process.kernel for process in self.tenant_requests.share("a").processes}

    def enter(self, kernel="k"):
        self.tenant_requests.enter("a", GateRequest(kernel, "c", lambda: None, self.kernel))


@pytest.fixture
def office():
    made = Office()
    yield made
    made.tenant_requests.close()


def test_processes_are_told_with_the_kernel_that_they_descend_from(office):
    assert office.kernels() == {None}
    office.enter()
    office.clock.passes(0.1)
    assert office.kernels() == {"k"}


def test_a_share_that_is_asked_for_again_at_once_is_not_looked_into_again(office):
    office.enter()
    first = office.tenant_requests.share("a")
    assert all(office.tenant_requests.share("a") is first for _ in range(100))
    office.clock.passes(0.1)
    assert office.tenant_requests.share("a") is not first


def test_where_processes_come_from_is_looked_for_once(office):
    office.enter()
    office.tenant_requests.share("a")
    asked = office.table.parents_asked
    for _ in range(20):
        office.clock.passes(1)
        office.tenant_requests.share("a")
    assert office.table.parents_asked == asked > 0


def test_looking_that_takes_long_is_done_seldom(office):
    office.table.takes_s = 0.0005
    began = office.clock.monotonic()
    for turn in range(400):
        office.enter(f"k{turn}")
        office.clock.passes(0.1)
        office.tenant_requests.share("a")
    looked_s = office.table.parents_asked * office.table.takes_s
    assert 0 < looked_s <= (office.clock.monotonic() - began) / 10


def test_one_look_that_took_long_does_not_keep_the_share_from_being_told_anew(office):
    office.table.takes_s = 2
    office.enter()
    first = office.tenant_requests.share("a")
    office.clock.passes(1)
    assert office.tenant_requests.share("a") is not first


def test_what_was_told_is_forgotten_when_a_move_begins_or_a_cell_waits_for_another_reason(office):
    office.enter()
    told = office.tenant_requests.share("a")
    office.tenant_requests.share("a")
    served = office.slice
    for changes in (
        office.gpu.end_move,
        lambda: served.open_gate(office.clock.now()),
    ):
        changes()
        again = office.tenant_requests.share("a")
        assert again is not told
        told = again


def test_a_cell_that_is_stopped_in_its_middle_is_told_why(office):
    request = GateRequest("k", "c", lambda: None, office.kernel)
    office.tenant_requests.enter("a", request)
    served, now = office.slice, office.clock.now()
    served.open_gate(now)
    assert office.tenant_requests.lets_through("a", request)
    assert office.tenant_requests.share("a").wait is None
    served.begin_suspend(now)
    served.show_wait(Wait("a", WaitReason.CALLED_BACK, place=1, waits_for=("b",)))
    told = office.tenant_requests.share("a")
    assert told.wait.reason is WaitReason.CALLED_BACK
    assert told.standing.code == Standing.WAITING


def test_a_slice_without_a_cell_waits_for_nothing(office):
    served, now = office.slice, office.clock.now()
    served.begin_suspend(now)
    served.show_wait(Wait("a", WaitReason.CALLED_BACK, place=1, waits_for=("b",)))
    assert office.tenant_requests.share("a").wait is None


ADA, BEN = 1001, 1002


@dataclass
class HoldingTable(FakeTable):
    """Whoever reads the memory of a process of Ada's waits until the test lets it go on."""

    let_go: threading.Event = field(default_factory=threading.Event)
    reads: list[int] = field(default_factory=list)
    read_in: set[threading.Thread] = field(default_factory=set)

    def environment(self, pid, name):
        self.reads.append(pid)
        self.read_in.add(threading.current_thread())
        if self.uids[pid] == ADA:
            self.let_go.wait()
        return super().environment(pid, name)


class MemoryOffice:
    """A desk on whose machine only environments tell whose a process is."""

    def __init__(self):
        self.table = HoldingTable()
        attribution = Attribution(self.table)
        slices = {}
        assigned = []
        for slice_id, uid in (("a", ADA), ("a2", ADA), ("b", BEN), ("b2", BEN)):
            assignment = slice_assignment(slice_id, GPU, 1000, uid=uid)
            served = ServedSlice(slice_id, GPU, ActivityRecord(START, ActivitySettings()), START)
            served.assign(assignment, START)
            slices[slice_id] = served
            assigned.append(assignment)
        attribution.serve(assigned)
        registry = SliceRegistry(
            {GPU: OneGpu(slices)}, attribution, self.table, ActivitySettings(), nothing_moved()
        )
        self.requests = TenantRequests(registry, attribution, self.table, FakeClock())

    def peer(self, pid, uid, slice_id):
        self.table.environments[pid] = {"SUBLET_SLICE_ID": slice_id}
        return Peer(pid, uid, self.table.add(pid, uid=uid))


@pytest.fixture
def memory_office():
    made = MemoryOffice()
    yield made
    made.table.let_go.set()
    made.requests.close()


def test_at_once_nobodys_memory_is_read(memory_office):
    assert memory_office.requests.slice_of_peer(memory_office.peer(20, BEN, "b")) is None
    assert memory_office.table.reads == []


@pytest.mark.asyncio
async def test_who_keeps_its_memory_from_being_read_keeps_no_other_from_being_known(memory_office):
    requests, ours = memory_office.requests, threading.current_thread()
    held = [
        asyncio.create_task(requests.look_closely(memory_office.peer(pid, ADA, "a")))
        for pid in range(10, 30)
    ]
    found = asyncio.create_task(requests.look_closely(memory_office.peer(40, BEN, "b")))
    assert await asyncio.wait_for(found, 60) == "b"
    assert not any(task.done() for task in held)
    assert ours not in memory_office.table.read_in
    memory_office.table.let_go.set()
    assert set(await asyncio.wait_for(asyncio.gather(*held), 60)) == {"a"}


@pytest.mark.asyncio
async def test_once_it_is_known_whose_a_process_is_it_is_told_at_once(memory_office):
    peer = memory_office.peer(40, BEN, "b2")
    assert await memory_office.requests.look_closely(peer) == "b2"
    assert memory_office.requests.slice_of_peer(peer) == "b2"
    assert await memory_office.requests.look_closely(peer) == "b2"
    assert memory_office.table.reads == [40]
