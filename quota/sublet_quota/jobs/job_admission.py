"""The admission of training jobs: what could never run is refused when it is submitted.

A job uses what is lent, so it is on nobody's account and waits for room as long as it takes; only a
job that the GPUs can never take, one too many, and one that would go before what is fair without an
admin's word, are refused.
"""

from dataclasses import dataclass

from sublet_quota.amounts.gpu_amounts import BEYOND_ALL_GPUS, WHOLE_GPU_MILLI
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import PoolName
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.jobs import JobRefusal
from sublet_quota.reasons.refusals.limits import LimitRefusal
from sublet_quota.reasons.refusals.refuse import refuse


@dataclass(frozen=True, slots=True)
class RequestedJob:
    """A wish to submit a training job."""

    owner: str
    groups: tuple[str, ...] = ()
    memory_mib: int | None = None
    """The memory on each GPU; ``None``: the whole GPU."""
    compute_milli: int = WHOLE_GPU_MILLI
    gpus: int = 1
    """The number of GPUs, each with as much of its memory and compute."""
    gpu_type: str | None = None
    """The model's name, or a pattern for it."""
    priority: int = 0
    may_go_first: bool = False
    """Whether an admin submits it."""


def refuse_job(holdings: Holdings, wish: RequestedJob, live_jobs: int) -> Refusal | None:
    """Return why the job is refused, or ``None``; ``live_jobs`` of its owner wait or run."""
    return (
        _refuse_amount(wish)
        or _refuse_going_first(wish)
        or _refuse_too_many(holdings, wish, live_jobs)
        or _refuse_what_never_fits(holdings, wish)
    )


def _refuse_amount(wish: RequestedJob) -> Refusal | None:
    if not 1 <= wish.compute_milli <= WHOLE_GPU_MILLI:
        return refuse(JobRefusal.BAD_COMPUTE)
    memory = wish.memory_mib
    if memory is not None and memory < 1:
        return refuse(JobRefusal.NO_MEMORY)
    if memory is not None and memory > BEYOND_ALL_GPUS:
        return refuse(JobRefusal.MEMORY_BEYOND_ALL_GPUS)
    return None


def _refuse_going_first(wish: RequestedJob) -> Refusal | None:
    if wish.priority <= 0 or wish.may_go_first:
        return None
    return refuse(JobRefusal.GOING_FIRST, asked=wish.priority, most=0)


def _refuse_too_many(holdings: Holdings, wish: RequestedJob, live_jobs: int) -> Refusal | None:
    most = rights_of(holdings.document, wish.owner, wish.groups).most_jobs
    if most is None or live_jobs < most:
        return None
    return refuse(LimitRefusal.JOBS, owner=wish.owner, jobs=live_jobs, most_jobs=most)


def _refuse_what_never_fits(holdings: Holdings, wish: RequestedJob) -> Refusal | None:
    lending = [name for name, pool in holdings.document.pools.items() if pool.lend]
    if not lending:
        return refuse(JobRefusal.NO_POOL_LENDS)
    everywhere = {kind for name in lending for kind in holdings.kinds_in(PoolName(name))}
    if not everywhere:
        return refuse(JobRefusal.NO_GPU)
    kinds = [kind for kind in everywhere if kind.is_type(wish.gpu_type)]
    if not kinds:
        types = tuple(sorted({kind.type for kind in everywhere}))
        return refuse(JobRefusal.NO_GPU_OF_TYPE, asked_type=wish.gpu_type, types=types)
    largest = max(kinds, key=lambda kind: (kind.usable_mib, kind.type))
    if (wish.memory_mib or 1) <= largest.usable_mib:
        return _refuse_too_few_gpus(holdings, wish, frozenset(lending))
    return refuse(
        JobRefusal.LARGER_THAN_GPU,
        asked_mib=wish.memory_mib or 0,
        largest_mib=largest.usable_mib,
        gpu_type=largest.type,
    )


def _refuse_too_few_gpus(
    holdings: Holdings, wish: RequestedJob, lending: frozenset[str]
) -> Refusal | None:
    if wish.gpus <= 1:
        return None
    there = sum(
        gpu.kind.is_type(wish.gpu_type)
        and (wish.memory_mib or 1) <= gpu.kind.usable_mib
        and holdings.pool_of(gpu.gpu_id) in lending
        for gpu in holdings.gpus()
    )
    if wish.gpus <= there:
        return None
    return refuse(JobRefusal.TOO_FEW_GPUS, asked_gpus=wish.gpus, most_gpus=there)
