"""What would help a job that waits in the queue: only what the round that let it wait has found."""

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.reasons.helping import ADMIN, Help, HelpKind
from sublet_quota.reasons.waiting import QueueReason, QueueWait


def queue_helps(wait: QueueWait, compute_milli: int) -> tuple[Help, ...]:
    """Return what would help a job that asks for so much compute; nothing where that is unknown.

    A job in the queue is looked at again by itself: to wait on is no advice.
    """
    match wait.reason:
        case QueueReason.LENDING_OFF:
            return ADMIN
        case QueueReason.LIMIT_FULL:
            is_own = wait.limit is not None and wait.limit.group is None and not wait.limit.kept
            return (Help(HelpKind.CANCEL_JOB),) if is_own else ()
        case QueueReason.LARGER_THAN_GPU:
            return _less(wait, wait.largest_mib, compute_milli)
        case QueueReason.TOO_LITTLE_IDLE:
            return _less(wait, wait.most_mib, compute_milli)
        case QueueReason.HOST_MEMORY:
            return _less(wait, wait.host_mib, compute_milli)
        case _:
            return ()


def _less(wait: QueueWait, there_is_mib: int, compute_milli: int) -> tuple[Help, ...]:
    """Return that a smaller job would begin, where one may be smaller and there is any room."""
    if wait.is_whole or not 0 < there_is_mib < (wait.need_mib or 0):
        return ()
    return (Help(HelpKind.LESS, amount=GpuAmount(there_is_mib, compute_milli)),)
