"""What the agent tells the hub service, and a tenant about its own slice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.amounts import format_memory
from sublet_quota.residency import TransitionKind, Wait
from sublet_quota.slice_states import SliceState
from sublet_quota.wire.agent_link import GpuReport, MoveReport, SliceReport, WaitReport
from sublet_quota.wire.tenant_socket import GateWaits, Share, ShareMove, ShareProcess

from sublet_agent.slices import RunningMove, ServedGpu, ServedSlice
from sublet_agent.snapshots import NodeView, lendable_mib, lent_to


@dataclass(frozen=True, slots=True)
class TenantView:
    """What a tenant is told beyond what its slice says of itself."""

    now: datetime
    wait: GateWaits | None
    kernels: Mapping[int, str | None]
    """Of each of its processes, the kernel that it belongs to."""


def report_gpu(
    gpu: ServedGpu, slices: Sequence[ServedSlice], node: NodeView, *, not_frozen: str | None = None
) -> GpuReport:
    """Return the card as the service is told."""
    return GpuReport(
        gpu_id=gpu.gpu.gpu_id,
        index=gpu.gpu.index,
        type=gpu.gpu.type,
        simulated=gpu.gpu.simulated,
        memory_mib=gpu.gpu.memory_mib,
        margin_mib=node.margin_mib,
        used_mib=gpu.memory.used_mib,
        utilisation_percent=min(100, gpu.utilisation_percent),
        energy_mj=gpu.energy_mj,
        closed=gpu.closed,
        foreign=_foreign(gpu),
        not_frozen=not_frozen,
        lendable_mib=lendable_mib(gpu, slices, node),
        suspend_mib_per_s=max(1, int(gpu.suspend_mib_per_s)),
    )


def _foreign(gpu: ServedGpu) -> str | None:
    if not gpu.foreign:
        return None
    pids = ", ".join(str(pid) for pid in sorted(gpu.foreign)[:20])
    held = format_memory(sum(gpu.foreign.values()))
    return (
        f"process {pids} of no slice holds {held}: nothing is suspended or resumed on this GPU "
        f"until it ends"
    )


def report_slice(
    served: ServedSlice, gpu: ServedGpu, slices: Sequence[ServedSlice], now: datetime
) -> SliceReport:
    """Return the slice as the service is told."""
    move = _own_move(served, gpu)
    return SliceReport(
        slice_id=served.slice_id,
        state=served.state(),
        active=served.active,
        since=served.activity.since if served.activity is not None else served.state_since,
        gate_open=served.gate_open,
        memory_mib=served.held_mib(),
        host_mib=served.image_mib(),
        utilisation_percent=_utilisation(served),
        gpu_busy_ms=served.gpu_busy_ms,
        pids=tuple(sorted(served.processes)),
        wait=_wait(served.wait),
        move=_move(move, now),
        unsuspendable=trouble(served),
        over_cap=served.over_cap,
        running_cell=served.account.runs_a_cell(now),
        lent_to=lent_to(served, slices),
    )


def trouble(served: ServedSlice) -> str | None:
    """Return what its owner must know: lost memory first, else why it cannot be suspended."""
    for process in served.processes.values():
        if process.lost is not None:
            return (
                f"the GPU memory of process {process.identity.pid} is lost ({process.lost}): "
                f"restart its kernel"
            )
    return served.unsuspendable()


def share_of(
    served: ServedSlice, gpu: ServedGpu, slices: Sequence[ServedSlice], view: TenantView
) -> Share:
    """Return what a tenant is told about its own slice."""
    assignment = served.assignment
    lent = bool(lent_to(served, slices))
    return Share(
        slice_id=served.slice_id,
        gpu_id=gpu.gpu.gpu_id,
        gpu_type=gpu.gpu.type,
        simulated=gpu.gpu.simulated,
        cap_mib=served.cap_mib,
        memory_mib=served.held_mib(),
        host_mib=served.image_mib(),
        state=served.state(),
        active=served.active,
        since=served.activity.since if served.activity is not None else served.state_since,
        utilisation_percent=_utilisation(served),
        lent=lent,
        unsuspendable=trouble(served),
        message=_message(served, lent=lent),
        gpu_memory_mib=gpu.gpu.memory_mib,
        compute_milli=1000 if assignment is None else assignment.compute_milli,
        move=_share_move(_own_move(served, gpu), view.now),
        wait=view.wait,
        waiting_kernels=tuple(sorted({r.kernel for r in served.requests})),
        processes=tuple(
            ShareProcess(
                pid=pid,
                kernel=view.kernels.get(pid),
                memory_mib=0 if process.suspended else process.memory_mib,
                host_mib=process.image_mib or 0,
            )
            for pid, process in sorted(served.processes.items())
        ),
        over_cap=served.over_cap,
        running_cell=served.account.runs_a_cell(view.now),
    )


def _own_move(served: ServedSlice, gpu: ServedGpu) -> RunningMove | None:
    return gpu.move if gpu.move is not None and gpu.move.slice_id == served.slice_id else None


def _message(served: ServedSlice, *, lent: bool) -> str:
    if served.over_cap:
        held, cap = format_memory(served.held_mib()), format_memory(served.cap_mib)
        return f"Your processes hold {held} on the GPU, more than your {cap}: free some."
    if served.state() is SliceState.SUSPENDED:
        return "Your data is safe in host memory, and comes back when you run a cell."
    if lent:
        return "A job uses the GPU while you do not. It stops when you run a cell."
    return ""


def _utilisation(served: ServedSlice) -> int:
    if served.paused:
        return 0
    return min(100, sum(p.utilisation_percent for p in served.on_gpu()))


def _wait(wait: Wait | None) -> WaitReport | None:
    if wait is None:
        return None
    return WaitReport(
        reason=wait.reason,
        place=wait.place,
        waits_for=wait.waits_for,
        need_mib=wait.need_mib,
        free_mib=wait.free_mib,
        turn_ends=wait.turn_ends,
    )


def _share_move(move: RunningMove | None, now: datetime) -> ShareMove | None:
    told = _move(move, now)
    return None if told is None else ShareMove(**told.model_dump())


def _move(move: RunningMove | None, now: datetime) -> MoveReport | None:
    if move is None:
        return None
    suspending = move.kind is TransitionKind.SUSPENDING
    return MoveReport(
        kind="suspending" if suspending else "resuming",
        began=move.began,
        bytes_mib=move.bytes_mib,
        moved_mib=move.moved_mib,
        expected_s=move.expected_s,
        elapsed_s=max(0.0, (now - move.began).total_seconds()),
    )
