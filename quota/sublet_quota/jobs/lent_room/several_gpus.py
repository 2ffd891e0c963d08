"""GPUs of one node for a job of several: all at once, or none."""

from collections import defaultdict
from collections.abc import Callable

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.lent_room.lendable_room import Kinds, LendableRoom
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import NodeId
from sublet_quota.shares.lots import lot_of

GroupedGpus = dict[tuple[NodeId, GpuKind], list[LendableGpu]]
"""GPUs by node and kind."""


def gpus_for(job: WaitingJob, room: LendableRoom, kinds: Kinds) -> tuple[LendableGpu, ...]:
    """Return the GPUs that lend a job all that it needs now; none where it has to wait."""
    if job.gpus == 1:
        gpu = room.best_fit(job, kinds)
        return () if gpu is None else (gpu,)
    return _together(job, room, kinds)


def _together(job: WaitingJob, room: LendableRoom, kinds: Kinds) -> tuple[LendableGpu, ...]:
    """Return GPUs of the node on which the fewest would do; of these the tightest."""

    def lends(gpu: LendableGpu) -> bool:
        return room.lends(gpu) and room.left(gpu) >= job.amount_on(gpu.facts.kind).memory_mib

    able = by_node(job, room, kinds, lends)
    if not able:
        return ()
    node, kind = min(able, key=lambda key: (len(able[key]), lot_of(key[0]), key[0], key[1].type))
    tightest = sorted(able[node, kind], key=lambda gpu: (room.left(gpu), gpu.facts.index))
    return tuple(tightest[: job.gpus])


def by_node(
    job: WaitingJob, room: LendableRoom, kinds: Kinds, may: Callable[[LendableGpu], bool]
) -> GroupedGpus:
    """Return the GPUs that would do, of nodes with enough of them and of host memory."""
    found: defaultdict[tuple[NodeId, GpuKind], list[LendableGpu]] = defaultdict(list)
    for gpu in room.gpus(kinds):
        facts = gpu.facts
        is_there = job.node in {None, facts.node}
        if is_there and job.fits_on(facts.kind) and may(gpu):
            found[facts.node, facts.kind].append(gpu)
    return {
        (node, kind): gpus
        for (node, kind), gpus in found.items()
        if len(gpus) >= job.gpus
        and room.has_host_memory(gpus[0], job.gpus * job.amount_on(kind).memory_mib)
    }
