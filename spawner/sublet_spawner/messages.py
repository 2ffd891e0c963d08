"""Sentences for the progress page, in the words of the design, which name no other user."""

from sublet_quota.amounts.gpu_amounts import format_compute, format_memory
from sublet_quota.reasons.waiting import wait_clause
from sublet_quota.wire.api import Lease, SliceInfo


def gpu_granted(lease: Lease) -> str:
    """Return which GPU was granted, how much of it, and whether it is real."""
    kind = "simulated" if lease.simulated else "real"
    size = f" (size {lease.size})" if lease.size is not None else ""
    return (
        f"Slice granted{size}: {format_memory(lease.memory_mib)} and "
        f"{format_compute(lease.compute_milli)} of GPU {lease.gpu_index} on {lease.node}, "
        f"{lease.gpu_type} with {format_memory(lease.gpu_memory_mib)} ({kind})"
    )


def gpu_granted_somewhere(lease: Lease) -> str:
    """Return how much was granted where the cluster's scheduler picks the card."""
    size = f" (size {lease.size})" if lease.size is not None else ""
    return (
        f"Slice granted{size}: {format_memory(lease.memory_mib)} and "
        f"{format_compute(lease.compute_milli)} of a GPU; the cluster's scheduler picks which"
    )


def how_it_waits(info: SliceInfo) -> str:
    """Return what the slice waits for, or that it is ready."""
    report = info.report
    if report is None or report.wait is None:
        return f"The slice is ready on {info.lease.node}"
    wait = report.wait
    text = f"The slice waits: {wait_clause(wait.reason)}, place {wait.place}"
    if wait.need_mib:
        text += f", {format_memory(wait.need_mib)} needed and {format_memory(wait.free_mib)} free"
    return text
