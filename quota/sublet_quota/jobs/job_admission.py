"""The admission of training jobs: what could never run is refused when it is submitted.

A job uses what is lent, so it is on nobody's account and waits for room as long as it takes; only a
job that the GPUs can never take, one too many, and one that would go before what is fair without an
admin's word, are refused.
"""

from dataclasses import dataclass
from typing import Final

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, format_memory
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import PoolName
from sublet_quota.reasons.refusal import Refusal, RefusalReason, quoted

_BEYOND_ALL_GPUS: Final = 10**9


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
        said = "ask for 1 to 1000 milli-GPU"
        return Refusal(RefusalReason.BAD_AMOUNT, f"A job's compute is a part of one GPU: {said}.")
    memory = wish.memory_mib
    if memory is not None and memory < 1:
        message = "A job needs memory: ask for 1 MiB or more, or for a whole GPU."
        return Refusal(RefusalReason.BAD_AMOUNT, message)
    if memory is not None and memory > _BEYOND_ALL_GPUS:
        message = "That is more memory than any GPU has: ask for less, or for a whole GPU."
        return Refusal(RefusalReason.BAD_AMOUNT, message)
    return None


def _refuse_going_first(wish: RequestedJob) -> Refusal | None:
    if wish.priority <= 0 or wish.may_go_first:
        return None
    return Refusal(
        RefusalReason.PRIORITY_NOT_ALLOWED,
        f"Priority {wish.priority} would put your job before everybody's fair share: ask for 0, or "
        "for less, which lets others' jobs go first. Above 0 is for administrators.",
        {"asked": wish.priority, "most": 0},
    )


def _refuse_too_many(holdings: Holdings, wish: RequestedJob, live_jobs: int) -> Refusal | None:
    most = rights_of(holdings.document, wish.owner, wish.groups).most_jobs
    if most is None or live_jobs < most:
        return None
    return Refusal(
        RefusalReason.TOO_MANY_JOBS,
        f"'{wish.owner}' has {live_jobs} jobs waiting or running and may have {most}. "
        "Cancel one, or wait until one ends.",
        {"jobs": live_jobs, "most_jobs": most},
    )


def _refuse_what_never_fits(holdings: Holdings, wish: RequestedJob) -> Refusal | None:
    lending = [name for name, pool in holdings.document.pools.items() if pool.lend]
    if not lending:
        message = "No pool lends its GPUs to jobs. Ask an administrator to let one."
        return Refusal(RefusalReason.NO_GPU, message)
    everywhere = {kind for name in lending for kind in holdings.kinds_in(PoolName(name))}
    kinds = [kind for kind in everywhere if kind.is_type(wish.gpu_type)]
    if not kinds:
        types = ", ".join(sorted({kind.type for kind in everywhere}))
        asked = f" of type {quoted(wish.gpu_type)}" if wish.gpu_type and types else ""
        hint = f" There are: {types}." if types else " Ask an administrator."
        message = f"There is no GPU{asked} that jobs could use.{hint}"
        return Refusal(RefusalReason.NO_GPU, message)
    largest = max(kinds, key=lambda kind: (kind.usable_mib, kind.type))
    if (wish.memory_mib or 1) <= largest.usable_mib:
        return _refuse_too_few_gpus(holdings, wish, frozenset(lending))
    asked_mib = wish.memory_mib or 0
    return Refusal(
        RefusalReason.LARGER_THAN_GPU,
        f"A job of {format_memory(asked_mib)} fits on no GPU: at most "
        f"{format_memory(largest.usable_mib)} on {largest.type}. Ask for less.",
        {"asked_mib": asked_mib, "largest_mib": largest.usable_mib},
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
    are = "there is 1" if there == 1 else f"there are {there}"
    return Refusal(
        RefusalReason.BAD_AMOUNT,
        f"The job asks for {wish.gpus} GPUs, each another, and {are} that it could use. "
        "Ask for fewer.",
        {"asked_gpus": wish.gpus, "most_gpus": there},
    )
