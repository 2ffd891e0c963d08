"""For whom GPUs are kept still, and what is left for jobs that stand still elsewhere."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace

from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId


def still_kept(
    kept: Mapping[GpuId, WaitingJob], waiting: Container[JobId]
) -> dict[GpuId, WaitingJob]:
    """Return for whom GPUs are kept by the last plan, of those who wait still."""
    return {gpu_id: job for gpu_id, job in kept.items() if job.job_id in waiting}


def free_gpus(
    gpus: Iterable[LendableGpu],
    kept: Container[GpuId],
    held_back: Iterable[Holding],
) -> Iterator[LendableGpu]:
    """Yield the GPUs that are kept for nobody, less the room of those who stand still there."""
    theirs: Counter[GpuId] = Counter()
    for holding in held_back:
        theirs[holding.gpu_id] += holding.amount.memory_mib
    for gpu in gpus:
        gpu_id = gpu.facts.gpu_id
        if gpu_id not in kept:
            left_mib = max(0, gpu.lendable_mib - theirs[gpu_id])
            yield replace(gpu, lendable_mib=left_mib) if gpu_id in theirs else gpu
