"""The nodes on which jobs can run, and what they take there beside the GPU."""

from collections.abc import Callable
from dataclasses import dataclass

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.node_amounts import NodeAmount, NodeNeed
from sublet_quota.names.ids import NodeId, UserName


@dataclass(frozen=True, slots=True)
class JobNodes:
    """The nodes on which jobs can run."""

    reaches: Callable[[NodeId], bool]
    """Whether jobs can run on a node: on this machine alone, or in the whole cluster."""
    only_for: Callable[[UserName], NodeId | None] = lambda _: None
    """The one node on which the jobs of an owner can run, where there is only one."""
    takes: NodeNeed | None = None
    """What each takes of its node; ``None``: not known."""

    def taken_by(self, amount: GpuAmount) -> NodeAmount | None:
        """Return what a job with so much of a GPU takes of its node; ``None``: not known."""
        return None if self.takes is None else self.takes.with_cap(amount.memory_mib)
