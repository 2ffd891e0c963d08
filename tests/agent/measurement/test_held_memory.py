"""Whoever keeps its memory from being read keeps no other owner's pods from being looked at."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.cgroups.registry import Verdict
from sublet_agent.devices import beforehand
from sublet_agent.measurement.sample import SampleRequest, take_sample
from sublet_agent.moves.one_process import why_not_suspend
from sublet_agent.residency.activity import ActivityRecord, ActivitySettings
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.state_files.journal import Target
from sublet_procfs.tenant_memory import ReadingLimits, TenantMemory
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import SliceAssignment

from tests.support.agent_cases import START, Bench
from tests.support.fake_device import GPU, FakeDevice
from tests.support.fake_service_link import slice_assignment
from tests.support.held_memory import holding_process, pretended_process
from tests.support.served_slices import nothing_moved

EVERY_PODS_UID = 1000
PODS = {10: ("a", "ada"), 11: ("a2", "ada"), 20: ("b", "ben")}


@dataclass
class LookingDevice(FakeDevice):
    """A card whose processes' maps are read."""

    proc: Path = Path()
    memory_reads: TenantMemory = field(default_factory=TenantMemory)

    def why_not_suspendable(self, pid: int, whose: str | None = None) -> Unsuspendable | None:
        return beforehand.why_not_suspendable(pid, whose, self.proc, self.memory_reads)


@dataclass
class OneCard:
    """As much of a GPU's residency as a registry asks for."""

    slices: dict[SliceId, ServedSlice]


class Node:
    """A node of three pods with one account, the first of which holds its memory map."""

    def __init__(self, folder: Path, memory: TenantMemory, *, pods: bool = True) -> None:
        proc = folder / "proc"
        self.bench = Bench(folder, device=LookingDevice(proc=proc, memory_reads=memory))
        verdicts = {pid: Verdict(SliceId(slice_id)) for pid, (slice_id, _) in PODS.items()}
        self.attribution = Attribution(self.bench.table, verdicts.get)
        slices: dict[SliceId, ServedSlice] = {}
        for pid, (slice_id, owner) in PODS.items():
            make = holding_process if pid == min(PODS) else pretended_process
            make(proc, pid, uid=EVERY_PODS_UID)
            self.bench.process(slice_id, pid, 1024)
            served = ServedSlice(SliceId(slice_id), GPU, _record(), START)
            served.assign(_assignment(pid, slice_id, owner, pods=pods), START)
            slices[served.slice_id] = served
        card: Any = OneCard(slices)
        registry = SliceRegistry(
            {GPU: card}, self.attribution, self.bench.table, ActivitySettings(), nothing_moved()
        )
        self.tools = replace(self.bench.tools, tenant_of=registry.tenant_of)

    def obstacles(self) -> dict[int, Obstacle | None]:
        """What forbids a suspend of each process, as a sample tells."""
        request = SampleRequest(
            gpu_id=GPU,
            generation=0,
            began=START,
            known=(),
            to_look_at=frozenset(),
            ask_states=False,
        )
        tools = self.tools
        sample = take_sample(tools.device, tools.table, self.attribution, tools.tenant_of, request)
        return {
            each.identity.pid: each.obstacle and each.obstacle.obstacle for each in sample.processes
        }

    def target(self, pid: int) -> Target:
        identity = self.bench.table.identify(pid)
        assert identity is not None
        return Target(identity, GPU, SliceId(PODS[pid][0]), Holder.NOTEBOOK, 1024)


def _record() -> ActivityRecord:
    return ActivityRecord(START, ActivitySettings())


def _assignment(pid: int, slice_id: str, owner: str, *, pods: bool) -> SliceAssignment:
    uid = f"00000000-0000-0000-0000-{pid:012}" if pods else None
    return slice_assignment(slice_id, GPU, 1024, owner=owner, uid=EVERY_PODS_UID, pod_uid=uid)


@pytest.fixture
def memory() -> Iterator[TenantMemory]:
    with TenantMemory(ReadingLimits(within_s=0.2)) as made:
        yield made


@pytest.fixture
def node(tmp_path: Path, memory: TenantMemory) -> Iterator[Node]:
    made = Node(tmp_path, memory)
    yield made
    made.bench.close()


def test_of_two_pods_with_one_account_the_one_that_blocks_is_unreadable_and_the_other_is_not(
    node: Node,
) -> None:
    for _ in range(4):
        told = node.obstacles()
        assert told[10] is Obstacle.UNREADABLE
        assert told[20] is None


def test_all_pods_of_one_owner_count_as_one_so_that_many_of_them_gain_nothing(node: Node) -> None:
    for _ in range(3):
        told = node.obstacles()
    assert told[11] is Obstacle.UNREADABLE


def test_right_before_a_suspend_too_a_pod_that_blocks_keeps_only_its_owners_unread(
    node: Node,
) -> None:
    for _ in range(4):
        assert why_not_suspend(node.tools, node.target(10)) is not None
        assert why_not_suspend(node.tools, node.target(20)) is None


def test_on_one_machine_the_account_tells_which_nobody_can_choose(
    tmp_path: Path, memory: TenantMemory
) -> None:
    node = Node(tmp_path, memory, pods=False)
    for _ in range(3):
        told = node.obstacles()
    assert told[20] is Obstacle.UNREADABLE
    node.bench.close()
