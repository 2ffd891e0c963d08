"""What the hub service is told of this node's cards and slices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.not_frozen import NotFrozen
from sublet_quota.residency.actions import Wait
from sublet_quota.wire.agent_link import (
    MOST_FOREIGN_PIDS,
    ForeignProcesses,
    GpuReport,
    SliceReport,
    Status,
    ToldUnfit,
    WaitReport,
)
from sublet_quota.wire.event_kinds import EventKind
from sublet_quota.wire.schema import LEAST_CELSIUS, MOST_CELSIUS, MOST_EXACT, MOST_MIB

from sublet_agent.moves.recovery import Recovered
from sublet_agent.residency.description import (
    describe_move,
    describe_trouble,
    own_move,
    since_of,
    utilisation_of,
)
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.residency.snapshots import NodeConditions, lendable_mib, lent_to
from sublet_agent.state_files.event_log import RecordEvent

_MOST: Final = 1000
"""The most characters of a detail that the service is told."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Which status it is of a connection."""

    epoch: int
    sequence: int
    acknowledged: int
    """The last of the service's assignments that the agent took over."""


def report_status(
    sent: Sent,
    registry: SliceRegistry,
    node: NodeConditions,
    unfrozen_on: Callable[[GpuId], NotFrozen | None],
) -> Status:
    """Return what the service is told of the whole node."""
    return Status(
        epoch=sent.epoch,
        sequence=sent.sequence,
        at=node.now,
        gpus=tuple(
            report_gpu(r.gpu, r.managed(), node, unfrozen=unfrozen_on(r.gpu.gpu.gpu_id))
            for r in registry.residencies.values()
        ),
        slices=tuple(
            report_slice(s, r.gpu, r.managed(), node.now).model_copy(
                update={
                    "gpu_id": registry.told_card(s),
                    "compute_kept": r.shares.kept(s),
                    "compute_most_milli": r.shares.most_milli(s),
                    "compute_foreign_percent": r.shares.foreign_percent(s),
                    "driver_limit": r.limits.standing(s.slice_id),
                }
            )
            for r, s in registry.assigned()
        ),
        acknowledged=sent.acknowledged,
    )


def record_recovery(record: RecordEvent, recovered: Recovered) -> None:
    """Record who was found standing still, and what was done with each."""
    for what, targets in (
        ("suspended", recovered.suspended),
        ("paused", recovered.paused_jobs),
        ("unpaused", recovered.unpaused),
        ("lost", recovered.lost),
    ):
        for target in targets:
            record(
                EventKind.RECOVERED,
                target.gpu_id,
                target.slice_id,
                bytes_mib=target.image_mib,
                detail=f"process {target.identity.pid} was found; now {what}",
            )


def report_gpu(
    gpu: ServedGpu,
    slices: Sequence[ServedSlice],
    node: NodeConditions,
    *,
    unfrozen: NotFrozen | None = None,
) -> GpuReport:
    """Return the report of a card, as the service is told of it."""
    return GpuReport(
        gpu_id=gpu.gpu.gpu_id,
        index=gpu.gpu.index,
        type=gpu.gpu.type,
        simulated=gpu.gpu.simulated,
        memory_mib=gpu.gpu.memory_mib,
        margin_mib=node.margin_mib,
        used_mib=gpu.reading.memory.used_mib,
        utilisation_percent=_percent(gpu.reading.utilisation_percent),
        energy_mj=_counter(gpu.reading.energy_mj),
        temperature_c=_celsius(gpu.reading.temperature_c),
        closed=None if gpu.closed is None else gpu.closed.words,
        closed_for_good=gpu.closed is not None and not gpu.closed.may_pass,
        foreign_processes=_foreign(gpu),
        unfit=tuple(ToldUnfit(why=each.why, detail=each.detail[:_MOST]) for each in gpu.unfit),
        unfrozen=unfrozen,
        lendable_mib=lendable_mib(gpu, slices, node),
        suspend_mib_per_s=min(MOST_MIB, max(1, int(gpu.suspend_mib_per_s))),
        host_memory_mib=_most_mib(node.host_in_all_mib),
    )


def _foreign(gpu: ServedGpu) -> ForeignProcesses | None:
    foreign = gpu.reading.foreign
    if not foreign:
        return None
    told = [mib for mib in foreign.values() if mib is not None]
    return ForeignProcesses(
        count=len(foreign),
        pids=tuple(sorted(foreign)[:MOST_FOREIGN_PIDS]),
        held_mib=sum(told),
        memory_told=len(told) == len(foreign),
        utilisation_percent=_percent(gpu.reading.foreign_percent),
    )


def _counter(told: int | None) -> int | None:
    """Return what a card's counter says; what no counter can say is not told."""
    return None if told is None or not 0 <= told <= MOST_EXACT else told


def _celsius(told: int | None) -> int | None:
    """Return a card's temperature; what no card can have is not told."""
    return None if told is None or not LEAST_CELSIUS <= told <= MOST_CELSIUS else told


def _most_mib(told: int | None) -> int | None:
    return None if told is None else min(MOST_MIB, told)


def _percent(told: int | None) -> int | None:
    return None if told is None else min(100, told)


def report_slice(
    served: ServedSlice, gpu: ServedGpu, slices: Sequence[ServedSlice], now: datetime
) -> SliceReport:
    """Return the report of a slice, as the service is told of it."""
    move = own_move(served, gpu)
    return SliceReport(
        slice_id=served.slice_id,
        state=served.state(),
        active=served.active,
        since=since_of(served),
        gate_open=served.gate_open,
        memory_mib=served.processes.held_mib(),
        memory_told=served.processes.is_told(),
        host_mib=served.processes.image_mib(),
        utilisation_percent=utilisation_of(served),
        gpu_busy_ms=min(MOST_EXACT, served.gpu_busy_ms),
        pids=tuple(sorted(p.identity.pid for p in served.processes)),
        wait=_wait(served.gate.wait),
        move=describe_move(move, now),
        **describe_trouble(served),
        stays=None if served.stays is None else served.stays.clause[:_MOST],
        over_cap=served.over_cap,
        over_cap_since=served.cap_watch.over_since,
        running_cell=served.activity_record.runs_a_cell(now),
        quiet_since=served.activity_record.quiet_since(),
        lent_to=lent_to(served, slices),
    )


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
