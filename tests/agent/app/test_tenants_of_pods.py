"""An agent tells whoever reads tenants' memory apart by owner where all pods have one account."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sublet_agent.app.node_agent import NodeAgent
from sublet_agent.app.settings import AgentSettings
from sublet_agent.cgroups.node_groups import GROUPS_NAME, GroupSettings
from sublet_agent.clock import SystemClock
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.state_files.assignments import AssignmentsFile
from sublet_quota.reasons.obstacles import Unsuspendable
from sublet_quota.wire.agent_link import Assignments

from tests.support.control_groups import in_a_pod, leave_no_groups
from tests.support.fake_device import GPU, FakeDevice
from tests.support.fake_service_link import gpu_assignment, slice_assignment

EVERY_PODS_UID = 65534


@dataclass
class AskedDevice(FakeDevice):
    """A card that keeps whose each process was said to be."""

    whose: dict[int, str | None] = field(default_factory=dict)

    def why_not_suspendable(self, pid: int, whose: str | None = None) -> Unsuspendable | None:
        self.whose[pid] = whose
        return super().why_not_suspendable(pid)


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[dict[str, tuple[int, str]]]:
    """A process in a pod of each owner's, with one account: its pid, and the pod's UID."""
    made = {}
    with ExitStack() as undo:
        undo.callback(leave_no_groups, tmp_path / GROUPS_NAME)
        for owner in ("ada", "ben"):
            sleeps = subprocess.Popen(["/bin/sleep", "600"], user=EVERY_PODS_UID)
            made[owner] = (sleeps.pid, undo.enter_context(in_a_pod(tmp_path, sleeps.pid)))
            # Before its group is removed.
            undo.callback(sleeps.wait)
            undo.callback(sleeps.kill)
        yield made


@pytest.mark.asyncio
async def test_an_agent_tells_pods_of_one_account_apart_by_their_owners(
    tmp_path: Path, pods: dict[str, tuple[int, str]]
) -> None:
    device = AskedDevice()
    for pid, _ in pods.values():
        device.add(pid, 8)
    slices = tuple(
        slice_assignment(owner, GPU, 1024, owner=owner, uid=EVERY_PODS_UID, pod_uid=uid)
        for owner, (_, uid) in pods.items()
    )
    kept = Assignments(
        epoch=1, sequence=1, lending=True, gpus=(gpu_assignment(GPU),), slices=slices
    )
    AssignmentsFile(tmp_path / "assignments.json").keep(kept)
    settings = AgentSettings(
        "node",
        tmp_path,
        tmp_path / "agent.sock",
        link=None,
        groups=GroupSettings(freeze=False),
        canary=None,
    )
    agent = NodeAgent(settings, device, LinuxProcessTable(), SystemClock())
    await agent.start()
    await agent.stop()
    assert device.whose == {pid: f"owner {owner!r}" for owner, (pid, _) in pods.items()}
