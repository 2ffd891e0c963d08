"""The room on each card that the kubelet is told of, from what the agent keeps."""

from collections.abc import Iterable

from sublet_agent.device_plugin.units import JobRoom
from sublet_agent.residency.controller import GpuResidency
from sublet_agent.residency.snapshots import NodeConditions, lendable_mib


def rooms_of(residencies: Iterable[GpuResidency], node: NodeConditions) -> tuple[JobRoom, ...]:
    """Return what jobs have on each card, and what one more could have, as the service is told."""
    return tuple(
        JobRoom(
            gpu_id=r.gpu.gpu.gpu_id,
            memory_mib=r.gpu.gpu.memory_mib,
            usable_mib=r.gpu.gpu.memory_mib - node.margin_mib,
            lendable_mib=lendable_mib(r.gpu, r.managed(), node),
            jobs_mib=tuple(
                s.cap_mib for s in r.slices.values() if s.is_job and s.assignment is not None
            ),
            closed=r.gpu.closed is not None,
        )
        for r in residencies
    )
