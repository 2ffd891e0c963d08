"""Leases of locks, as the helper of a real driver keeps them: nobody stays locked by who is gone.

Whatever is asked for a process ends its lease, also where it fails: a lock of what is locked makes
the lock stay. But who was not unlocked when that was asked for keeps its lease.
"""

from sublet_agent.simulated.machine.card import SimulatedProcess
from sublet_agent.simulated.machine.operations import Lease, Operation, OperationKind
from sublet_agent.simulated.machine.replies import NobodyAsks


def end_lease(process: SimulatedProcess, begins: Operation) -> None:
    """End a process's lease, as something else begins."""
    begins.lease_before, process.lease = process.lease, None


def lease_anew(process: SimulatedProcess, ended: Operation, now_s: float, *, done: bool) -> None:
    """Begin the lease that a process has after an operation, if it has one."""
    before = ended.lease_before
    lasts_s = ended.lease_s if ended.kind is OperationKind.LOCK else None
    if not done and before is None:
        lasts_s = None
    elif not done and before is not None and ended.kind is OperationKind.UNLOCK:
        lasts_s = before.lasts_s
    process.lease = None if lasts_s is None else Lease(lasts_s, now_s + lasts_s)


def unlock_when_over(process: SimulatedProcess, now_s: float) -> None:
    """Ask for a process to be unlocked whose lease is over; again, where that fails."""
    lease = process.lease
    if lease is not None and now_s >= lease.ends_s and not process.pending:
        process.pending.append(Operation(OperationKind.UNLOCK, NobodyAsks()))
