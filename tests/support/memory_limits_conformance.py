"""What every driver with memory limits of control groups must do, simulated or real: one suite.

A subclass gives ``limited``: the limits of a card, and processes in groups of version 2.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sublet_agent.cgroups.trees import FreezerTree
from sublet_agent.devices.interface import Device
from sublet_agent.devices.memory_limits import MemoryLimits
from sublet_quota.names.ids import GpuId

from tests.support.tenants import Tenant, TenantError

_WITHIN_S = 60.0


@dataclass
class LimitedGroups:
    """Groups below one of the test's own, on one card."""

    device: Device
    tree: FreezerTree
    place: str
    """The place of the test's own group, in which nobody is."""
    begin: Callable[[], Tenant]
    """Start a process that uses the card."""
    gib: int = 1024
    """A GiB in MiB: on small cards it is less."""
    tenants: list[Tenant] = field(default_factory=list)

    @property
    def limits(self) -> MemoryLimits:
        return self.device.memory_limits

    @property
    def gpu_id(self) -> GpuId:
        return self.device.gpus()[0].gpu_id

    def folder(self, name: str) -> Path:
        """Make a group, and return the full path of its folder."""
        place = f"{self.place}/{name}"
        self.tree.make(place)
        self.tree.hand_down(place, "dmem")
        return self.tree.folder / place.lstrip("/")

    def tenant(self, name: str) -> Tenant:
        """Start a process in a group, before it has anything on the card."""
        tenant = self.begin()
        self.tenants.append(tenant)
        self.tree.make(f"{self.place}/{name}")
        self.tree.move(tenant.pid, f"{self.place}/{name}")
        return tenant

    def set(self, name: str, gib: float) -> None:
        self.limits.set(self.gpu_id, self.folder(name), round(gib * self.gib))

    def is_refused(self, tenant: Tenant, gib: float) -> bool:
        """Whether a process is not given so much more, as where there is no room."""
        try:
            tenant.run(f"more = gpu.allocate(mib={round(gib * self.gib)})")
        except TenantError as error:
            if "memory" not in str(error):
                raise
            return True
        tenant.run("more.free()")
        return False

    def close(self) -> None:
        """End the processes, and remove the groups."""
        for tenant in self.tenants:
            tenant.close()
        deadline = time.monotonic() + _WITHIN_S
        while not self.tree.remove(self.place):
            assert time.monotonic() < deadline, f"{self.place} is not empty"
            time.sleep(0.01)


class MemoryLimitsConformance:
    """The suite."""

    def test_a_group_can_have_a_limit_and_has_none_at_first(self, limited: LimitedGroups) -> None:
        folder = limited.folder("a")
        assert limited.limits.why_not(limited.gpu_id, folder) is None
        assert limited.limits.limit(limited.gpu_id, folder) is None

    def test_what_is_set_is_told_with_what_is_used(self, limited: LimitedGroups) -> None:
        limited.set("a", 8)
        found = limited.limits.limit(limited.gpu_id, limited.folder("a"))
        assert found is not None
        assert (found.limit_mib, found.used_mib) == (8 * limited.gib, 0)
        limited.tenant("a").run(f"held = gpu.allocate(mib={2 * limited.gib})")
        found = limited.limits.limit(limited.gpu_id, limited.folder("a"))
        assert found is not None
        assert 2 * limited.gib <= found.used_mib < 4 * limited.gib

    def test_what_is_beyond_a_limit_is_refused_and_the_process_goes_on(
        self, limited: LimitedGroups
    ) -> None:
        limited.set("a", 8)
        tenant = limited.tenant("a")
        tenant.run(f"held = gpu.allocate(mib={5 * limited.gib})")
        digest = tenant.run("held.fill(1)")
        assert limited.is_refused(tenant, 4)
        assert not limited.is_refused(tenant, 1)
        assert tenant.run("held.sha256()") == digest

    def test_all_processes_of_a_group_count_together(self, limited: LimitedGroups) -> None:
        limited.set("a", 8)
        first, second = limited.tenant("a/one"), limited.tenant("a/two")
        first.run(f"held = gpu.allocate(mib={4 * limited.gib})")
        assert limited.is_refused(second, 4)
        first.run("held.free()")
        assert not limited.is_refused(second, 4)

    def test_other_groups_are_not_limited(self, limited: LimitedGroups) -> None:
        limited.set("a", 4)
        assert not limited.is_refused(limited.tenant("b"), 6)
        assert limited.limits.limit(limited.gpu_id, limited.folder("b")) is None

    def test_another_limit_holds_at_once(self, limited: LimitedGroups) -> None:
        limited.set("a", 4)
        tenant = limited.tenant("a")
        assert limited.is_refused(tenant, 6)
        limited.set("a", 10)
        assert not limited.is_refused(tenant, 6)

    def test_a_lower_limit_takes_nothing_that_is_held(self, limited: LimitedGroups) -> None:
        tenant = limited.tenant("a")
        tenant.run(f"held = gpu.allocate(mib={6 * limited.gib})")
        digest = tenant.run("held.fill(1)")
        limited.set("a", 8)
        assert limited.is_refused(tenant, 3)
        assert tenant.run("held.sha256()") == digest

    @pytest.mark.parametrize("times", [1, 2])
    def test_a_limit_that_is_lifted_is_gone(self, limited: LimitedGroups, times: int) -> None:
        limited.set("a", 4)
        tenant = limited.tenant("a")
        for _ in range(times):
            limited.limits.lift(limited.gpu_id, limited.folder("a"))
        assert limited.limits.limit(limited.gpu_id, limited.folder("a")) is None
        assert not limited.is_refused(tenant, 6)

    def test_a_limit_is_gone_with_its_group(self, limited: LimitedGroups) -> None:
        limited.set("a", 4)
        limited.tree.remove(f"{limited.place}/a")
        assert limited.limits.limit(limited.gpu_id, limited.folder("a")) is None
        assert not limited.is_refused(limited.tenant("a"), 6)
