"""What a tenant is told of its own slice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.reasons.cap_keepers import DriverLimit
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.reasons.standings import SliceFacts, standing_of, standing_with_next_cell
from sublet_quota.wire.agent_link import MoveReport
from sublet_quota.wire.kept import (
    ToldCapKept,
    tell_cap_kept,
    tell_cap_kept_with,
    tell_share_kept,
)
from sublet_quota.wire.slice_warnings import ToldWarning, cap_warning, tell_warnings
from sublet_quota.wire.standing import ToldStanding, tell_standing
from sublet_quota.wire.tenant_socket import (
    CapNotice,
    GateWaits,
    LocalShare,
    ShareMove,
    ShareProcess,
)

from sublet_agent.residency.description import (
    describe_move,
    describe_trouble,
    own_move,
    since_of,
    utilisation_of,
)
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.residency.snapshots import lent_to


@dataclass(frozen=True, slots=True)
class TenantView:
    """What a tenant is told beyond what its slice says of itself."""

    now: datetime
    wait: GateWaits | None
    kernels: Mapping[int, str | None]
    """The kernel that each of the slice's processes belongs to."""
    compute_kept: ShareKept | None = None
    """How it stands with the slice's share of the card's compute."""
    compute_most_milli: int | None = None
    """How much of the card's compute the slice has at most, also alone; ``None``: all."""
    compute_foreign_percent: int | None = None
    """How much of the card's time what belongs to no slice uses, where that is why."""
    driver_limit: DriverLimit | None = None
    """How it stands with the driver's limit of the slice's memory; ``None``: none was asked for."""


def share_of(
    served: ServedSlice, gpu: ServedGpu, slices: Sequence[ServedSlice], view: TenantView
) -> LocalShare:
    """Return what a tenant is told about its own slice."""
    assignment = served.assignment
    lent = bool(lent_to(served, slices))
    move = describe_move(own_move(served, gpu), view.now)
    held_mib, host_mib = served.processes.held_mib(), served.processes.image_mib()
    trouble = describe_trouble(served)
    of_cap = None if move is not None else cap_warning_of(served)
    return LocalShare(
        slice_id=served.slice_id,
        gpu_id=gpu.gpu.gpu_id,
        gpu_type=gpu.gpu.type,
        simulated=gpu.gpu.simulated,
        cap_mib=served.cap_mib,
        memory_mib=held_mib,
        memory_told=served.processes.is_told(),
        host_mib=host_mib,
        standing=_standing(served, move, view.wait, lent=lent),
        standing_with_next_cell=_with_next_cell(host_mib),
        state=served.state(),
        active=served.active,
        since=since_of(served),
        utilisation_percent=utilisation_of(served),
        lent=lent,
        **trouble,
        warnings=tell_warnings(of_cap, **trouble),
        gpu_memory_mib=gpu.gpu.memory_mib,
        compute_milli=1000 if assignment is None else assignment.compute_milli,
        compute_kept=None
        if view.compute_kept is None
        else tell_share_kept(
            view.compute_kept, view.compute_most_milli, view.compute_foreign_percent
        ),
        cap_kept=_cap_kept(served, view, simulated=gpu.gpu.simulated),
        move=None if move is None else ShareMove(**move.model_dump()),
        wait=view.wait,
        waiting_kernels=tuple(sorted({r.kernel for r in served.requests})),
        processes=tuple(
            ShareProcess(
                pid=process.identity.pid,
                kernel=view.kernels.get(process.identity.pid),
                memory_mib=0 if process.suspended else process.memory_mib or 0,
                memory_told=process.suspended or process.memory_mib is not None,
                host_mib=process.image_mib or 0,
            )
            for process in sorted(served.processes, key=lambda p: p.identity.pid)
        ),
        over_cap=served.over_cap,
        running_cell=served.activity_record.runs_a_cell(view.now),
    )


def _cap_kept(served: ServedSlice, view: TenantView, *, simulated: bool) -> ToldCapKept | None:
    if view.driver_limit is not None:
        return tell_cap_kept_with(view.driver_limit, simulated=simulated)
    assignment = served.assignment
    return tell_cap_kept(
        None if assignment is None else assignment.cap_kept_by, simulated=simulated
    )


def cap_warning_of(served: ServedSlice) -> ToldWarning | None:
    """Return the warning about a slice's cap as of now; ``None``: none is called for."""
    assignment = served.assignment
    if assignment is None:
        return None
    return cap_warning(served.cap_use, assignment.over_cap_ends_at)


def cap_notice_of(served: ServedSlice) -> CapNotice | None:
    """Return what is to be said of the slice's cap in a cell's output; ``None``: nothing."""
    crossing, warning = served.cap_watch.notice, cap_warning_of(served)
    if crossing is None or warning is None:
        return None
    ends_at = None if served.assignment is None else served.assignment.over_cap_ends_at
    if served.over_cap and ends_at is not None:
        crossing = f"{crossing} ends {ends_at.isoformat()}"
    return CapNotice(
        crossing=crossing, message=f"Your slice {warning.clause}. {warning.advice}".strip()
    )


def _standing(
    served: ServedSlice, move: MoveReport | None, wait: GateWaits | None, *, lent: bool
) -> ToldStanding:
    facts = SliceFacts(
        state=served.state(),
        active=served.active,
        lent=lent,
        move=None if move is None else move.kind,
        wait=None if wait is None else wait.reason,
    )
    return tell_standing(standing_of(facts))


def _with_next_cell(host_mib: int) -> ToldStanding | None:
    standing = standing_with_next_cell(host_mib)
    return None if standing is None else tell_standing(standing)
