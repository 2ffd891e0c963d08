"""What every device must do, simulated or real: the one suite that both are held to.

A subclass gives ``node``: a device, and a way to start processes that use it.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pytest
from sublet_agent.devices.interface import (
    Device,
    DeviceError,
    Gpu,
    NoGpuContextError,
    NoSuchProcessError,
    NotSupportedError,
    OutOfGpuMemoryError,
    PauseTimeoutError,
    ProcessState,
    ResumeRefusedError,
)
from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.staying import Staying

from tests.support.tenants import Tenant

GIB = 1024
BLOCKED_S = 0.3
"""A call that has not returned after this long is taken to be blocked."""
PATIENCE_S = 60.0
ROOM_LEFT_MIB = 2 * GIB


class Node(Protocol):
    """The device under test and what runs on it."""

    @property
    def device(self) -> Device: ...

    def tenant(self) -> Tenant:
        """Start a process that uses the first card; it ends with the test."""
        ...

    def tenant_that_sees(self, *, all_cards: bool) -> Tenant:
        """Start a process that uses the first card, and sees the others too, or not."""
        ...


def eventually(holds, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S} s"
        time.sleep(0.01)


class DeviceConformance:
    """The suite."""

    @staticmethod
    def card(node: Node) -> Gpu:
        return node.device.gpus()[0]

    def listed_mib(self, node: Node, pid: int) -> int | None:
        listed = node.device.processes(self.card(node).gpu_id)
        return next((each.memory_mib for each in listed if each.pid == pid), None)

    def free_mib(self, node: Node) -> int:
        return node.device.memory(self.card(node).gpu_id).free_mib

    @staticmethod
    def filled(node: Node, mib: int = GIB, seed: int = 7) -> Tenant:
        tenant = node.tenant()
        tenant.run(f"b = gpu.allocate(mib={mib}); h = b.fill({seed})")
        return tenant

    @staticmethod
    def suspend(node: Node, tenant: Tenant) -> None:
        node.device.pause(tenant.pid, 5000)
        node.device.suspend(tenant.pid)

    @staticmethod
    def resume(node: Node, tenant: Tenant) -> None:
        node.device.resume(tenant.pid)
        node.device.unpause(tenant.pid)

    def test_cards_are_listed_with_their_memory(self, node: Node) -> None:
        card = self.card(node)
        memory = node.device.memory(card.gpu_id)
        assert card.simulated is node.device.simulated
        assert memory.total_mib == card.memory_mib
        assert memory.used_mib + memory.free_mib == memory.total_mib

    def test_a_process_is_listed_with_what_it_holds(self, node: Node) -> None:
        tenant = self.filled(node)
        held = self.listed_mib(node, tenant.pid)
        assert held is not None
        assert GIB <= held <= 3 * GIB
        assert node.device.state(tenant.pid) is ProcessState.RUNNING
        assert node.device.why_not_suspendable(tenant.pid) is None

    def test_a_paused_process_stays_on_the_card_and_its_calls_wait(self, node: Node) -> None:
        tenant = self.filled(node)
        node.device.pause(tenant.pid, 5000)
        assert node.device.state(tenant.pid) is ProcessState.PAUSED
        assert self.listed_mib(node, tenant.pid) is not None
        tenant.begin("b.sha256() == h")
        self.assert_blocked(tenant)
        node.device.unpause(tenant.pid)
        assert tenant.end() == "True"

    def test_a_pause_ends_by_itself_when_its_lease_is_over(self, node: Node) -> None:
        tenant = self.filled(node)
        node.device.pause(tenant.pid, 5000, lease_s=1.0)
        tenant.begin("b.sha256() == h")
        eventually(
            lambda: node.device.state(tenant.pid) is ProcessState.RUNNING, "the lease is over"
        )
        assert tenant.end() == "True"

    def test_a_pause_without_a_lease_ends_the_lease_of_one_before(self, node: Node) -> None:
        tenant, other = self.filled(node), self.filled(node)
        for each in (other, tenant):
            node.device.pause(each.pid, 5000, lease_s=1.0)
        with contextlib.suppress(DeviceError):
            # A driver refuses to lock what is locked.
            node.device.pause(tenant.pid, 5000)
        # The other's lease began before.
        eventually(
            lambda: node.device.state(other.pid) is ProcessState.RUNNING, "the lease is over"
        )
        node.device.pause(other.pid, 5000, lease_s=1.0)
        eventually(
            lambda: node.device.state(other.pid) is ProcessState.RUNNING, "the lease is over"
        )
        assert node.device.state(tenant.pid) is ProcessState.PAUSED
        node.device.unpause(tenant.pid)
        assert tenant.run("b.sha256() == h") == "True"

    def test_a_suspended_process_holds_nothing_and_is_not_listed(self, node: Node) -> None:
        tenant = self.filled(node, 4 * GIB)
        before = self.free_mib(node)
        self.suspend(node, tenant)
        assert node.device.state(tenant.pid) is ProcessState.SUSPENDED
        assert self.listed_mib(node, tenant.pid) is None
        assert self.free_mib(node) >= before + 4 * GIB

    def test_bytes_are_intact_after_a_resume(self, node: Node) -> None:
        tenant = self.filled(node, 2 * GIB)
        for _ in range(3):
            self.suspend(node, tenant)
            self.resume(node, tenant)
            assert tenant.run("b.sha256() == h") == "True"

    def test_a_call_made_while_suspended_completes_after_the_resume(self, node: Node) -> None:
        tenant = self.filled(node)
        self.suspend(node, tenant)
        tenant.begin("b.sha256() == h")
        self.assert_blocked(tenant)
        self.resume(node, tenant)
        assert tenant.end() == "True"

    def test_a_resumed_process_is_paused_until_it_is_unpaused(self, node: Node) -> None:
        tenant = self.filled(node)
        self.suspend(node, tenant)
        node.device.resume(tenant.pid)
        assert node.device.state(tenant.pid) is ProcessState.PAUSED
        node.device.unpause(tenant.pid)
        assert node.device.state(tenant.pid) is ProcessState.RUNNING

    def test_unpausing_what_runs_does_nothing(self, node: Node) -> None:
        tenant = self.filled(node)
        node.device.unpause(tenant.pid)
        assert tenant.run("b.sha256() == h") == "True"

    def test_the_rest_of_a_paused_process_runs_on(self, node: Node) -> None:
        tenant = self.filled(node)
        node.device.pause(tenant.pid, 5000)
        assert tenant.run("1 + 1") == "2"
        node.device.unpause(tenant.pid)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    def test_a_suspended_process_dies_of_a_signal_and_leaves_nothing(
        self, node: Node, number: signal.Signals
    ) -> None:
        tenant = self.filled(node, 2 * GIB)
        self.suspend(node, tenant)
        os.kill(tenant.pid, number)
        tenant.process.wait(timeout=PATIENCE_S)
        assert node.device.state(tenant.pid) is None

    def test_a_paused_process_dies_of_a_signal_and_its_memory_is_free(self, node: Node) -> None:
        tenant = self.filled(node, 4 * GIB)
        before = self.free_mib(node)
        node.device.pause(tenant.pid, 5000)
        os.kill(tenant.pid, signal.SIGKILL)
        tenant.process.wait(timeout=PATIENCE_S)
        eventually(lambda: self.free_mib(node) >= before + 4 * GIB, "its memory is free")

    def test_a_process_without_a_context_has_no_state_and_cannot_be_paused(
        self, node: Node
    ) -> None:
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bare:
            assert node.device.state(bare.pid) is None
            with pytest.raises(NoGpuContextError):
                node.device.pause(bare.pid, 1000)
            bare.kill()

    def test_a_process_that_is_gone_has_no_state_and_cannot_be_paused(self, node: Node) -> None:
        with subprocess.Popen([sys.executable, "-c", ""]) as gone:
            pass
        assert node.device.state(gone.pid) is None
        with pytest.raises(NoSuchProcessError):
            node.device.pause(gone.pid, 1000)

    def test_pausing_without_a_bound_is_refused(self, node: Node) -> None:
        with pytest.raises(ValueError, match="give 1 or more"):
            node.device.pause(os.getpid(), 0)

    def test_an_endless_kernel_makes_a_pause_time_out_and_the_process_runs_on(
        self, node: Node
    ) -> None:
        tenant = node.tenant()
        tenant.run("gpu.launch_endless_kernel()")
        with pytest.raises(PauseTimeoutError):
            node.device.pause(tenant.pid, 300)
        assert node.device.state(tenant.pid) is ProcessState.RUNNING
        assert tenant.run("gpu.memory_info() is not None") == "True"

    def test_managed_memory_is_not_suspended_and_stays_paused_until_unpaused(
        self, node: Node
    ) -> None:
        tenant = node.tenant()
        tenant.run("b = gpu.allocate_managed(mib=256); h = b.fill(3)")
        node.device.pause(tenant.pid, 5000)
        with pytest.raises(NotSupportedError):
            node.device.suspend(tenant.pid)
        assert node.device.state(tenant.pid) is ProcessState.PAUSED
        node.device.unpause(tenant.pid)
        assert tenant.run("b.sha256() == h") == "True"

    def test_shared_memory_is_seen_beforehand_on_both_sides(self, node: Node) -> None:
        parent, child = self.filled(node, 256), self.filled(node, 256)
        assert node.device.why_not_suspendable(parent.pid) is None
        assert node.device.why_not_suspendable(child.pid) is None
        token = parent.run("b.share()")
        child.run(f"s = gpu.open_shared({token})")
        for tenant in (parent, child):
            assert "CUDA IPC" in str(node.device.why_not_suspendable(tenant.pid))

    def test_a_resume_without_room_loses_the_process_for_ever(self, node: Node) -> None:
        victim = self.filled(node, 4 * GIB)
        self.suspend(node, victim)
        thief = node.tenant()
        thief.run("gpu.memory_info()")
        thief.run(f"t = gpu.allocate(mib={self.free_mib(node) - ROOM_LEFT_MIB})")
        with pytest.raises(OutOfGpuMemoryError):
            node.device.resume(victim.pid)
        assert node.device.state(victim.pid) is ProcessState.SUSPENDED
        thief.kill()
        eventually(lambda: self.free_mib(node) > 8 * GIB, "there is room again")
        with pytest.raises(ResumeRefusedError):
            node.device.resume(victim.pid)
        assert node.device.state(victim.pid) is ProcessState.SUSPENDED

    def test_a_process_is_resumed_while_its_neighbour_is_paused(self, node: Node) -> None:
        one, two = self.filled(node, seed=1), self.filled(node, seed=2)
        self.suspend(node, one)
        node.device.pause(two.pid, 5000)
        node.device.resume(one.pid)
        node.device.unpause(two.pid)
        node.device.unpause(one.pid)
        for tenant in (one, two):
            assert tenant.run("b.sha256() == h") == "True"

    def test_two_processes_are_moved_at_the_same_time(self, node: Node) -> None:
        pair = [self.filled(node, 2 * GIB, seed) for seed in (1, 2)]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda tenant: self.suspend(node, tenant), pair))
            list(pool.map(lambda tenant: self.resume(node, tenant), pair))
        for tenant in pair:
            assert tenant.run("b.sha256() == h") == "True"

    def test_a_process_that_sees_every_card_comes_back_on_another(self, node: Node) -> None:
        first, second = self.two_of_a_type(node)
        tenant = node.tenant_that_sees(all_cards=True)
        tenant.run(f"b = gpu.allocate(mib={GIB}); h = b.fill(7)")
        reason = node.device.why_not_movable(tenant.pid, second)
        if reason is not None:
            pytest.skip(reason.clause)
        for mapping, where in (({first: second}, second), (None, second), ({second: first}, first)):
            self.suspend(node, tenant)
            assert node.device.why_not_movable(tenant.pid, second) is None
            node.device.resume(tenant.pid, mapping)
            node.device.unpause(tenant.pid)
            holds = {g: self.held_on(node, g, tenant.pid) for g in (first, second)}
            assert [g for g, held in holds.items() if held >= GIB] == [where]
            assert tenant.run("b.sha256() == h") == "True"

    def test_a_process_that_sees_one_card_is_told_to_stay(self, node: Node) -> None:
        _, second = self.two_of_a_type(node)
        tenant = node.tenant_that_sees(all_cards=False)
        tenant.run(f"b = gpu.allocate(mib={GIB}); h = b.fill(7)")
        for _ in range(2):
            reason = node.device.why_not_movable(tenant.pid, second)
            assert reason is not None
            assert reason.why is Staying.SEES_SOME_CARDS
            self.suspend(node, tenant)
            self.resume(node, tenant)
        assert tenant.run("b.sha256() == h") == "True"

    def test_a_card_that_is_not_there_takes_nobody(self, node: Node) -> None:
        tenant = self.filled(node)
        reason = node.device.why_not_movable(tenant.pid, GpuId("GPU-of-elsewhere"))
        assert reason is not None
        assert reason.why is Staying.NO_SUCH_CARD

    def two_of_a_type(self, node: Node) -> tuple[GpuId, GpuId]:
        first, *others = node.device.gpus()
        same = [each.gpu_id for each in others if each.type == first.type]
        if not same:
            pytest.skip("this node has one card of its type")
        return first.gpu_id, same[0]

    @staticmethod
    def held_on(node: Node, gpu_id: GpuId, pid: int) -> int:
        listed = node.device.processes(gpu_id)
        return sum(each.memory_mib or 0 for each in listed if each.pid == pid)

    def test_computing_shows_as_utilisation(self, node: Node) -> None:
        tenant = node.tenant()
        card = self.card(node).gpu_id
        tenant.begin("gpu.compute(600)")
        eventually(lambda: node.device.utilisation_percent(card) > 0, "the card is busy")

        def busy() -> bool:
            listed = node.device.processes(card)
            return any(each.pid == tenant.pid and each.utilisation_percent for each in listed)

        eventually(busy, "the process is busy")
        tenant.kill()

    def test_energy_is_counted_where_the_card_can(self, node: Node) -> None:
        card = self.card(node).gpu_id
        first = node.device.energy_mj(card)
        if first is None:
            pytest.skip("this card does not count its energy")
        eventually(lambda: (node.device.energy_mj(card) or 0) > first, "energy was used")

    def test_temperature_is_of_a_card_where_the_card_tells(self, node: Node) -> None:
        told = node.device.temperature_c(self.card(node).gpu_id)
        if told is None:
            pytest.skip("this card does not tell its temperature")
        assert 0 < told < 120

    def test_a_healthy_card_reports_nothing(self, node: Node) -> None:
        assert list(node.device.health()) == []

    @staticmethod
    def assert_blocked(tenant: Tenant) -> None:
        ready, _, _ = select.select([tenant.process.stdout], [], [], BLOCKED_S)
        assert not ready, "the call returned"
