"""What a move of memory changed: its outcome taken over into the agent's state."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.residency.snapshot import TransitionKind
from sublet_quota.wire.event_kinds import EventKind

from sublet_agent.moves.plan import MoveEnd, MoveOutcome
from sublet_agent.residency.state import RunningMove, ServedGpu, ServedSlice, TrackedProcess
from sublet_agent.state_files.event_log import RecordEvent

_FIRST_RETRY_S: Final = 0.25
_LONGEST_RETRY_S: Final = 30.0
_TRIES: Final = 4
"""After so many suspends that did not work another slice has to make the room for a while."""
_REFUSALS: Final = 6
"""A process that the driver did not bring back so often (in 8 seconds), with room, is lost."""
_LET_BE_FOR: Final = timedelta(seconds=60)
_RATE_WEIGHT: Final = 0.3
_LEAST_MEASURED_MIB: Final = 256
"""A smaller move says more about latency than about the rate."""


@dataclass(frozen=True, slots=True)
class EndedMove:
    """A move that is over."""

    served: ServedSlice
    move: RunningMove
    outcome: MoveOutcome
    at: datetime


def take_over(gpu: ServedGpu, ended: EndedMove, record: RecordEvent) -> None:
    """Note where each process is now, what was learnt, and when to try again."""
    served, move, outcome, now = ended.served, ended.move, ended.outcome, ended.at
    before = served.state()
    _note_processes(served, outcome)
    _count_refusals(served, outcome)
    for identity, detail in outcome.lost.items():
        record(
            EventKind.LOST,
            gpu.gpu.gpu_id,
            served.slice_id,
            detail=f"process {identity.pid}: {detail}",
        )
    if served.state() is not before or outcome.end is MoveEnd.DONE:
        served.state_since = now
    _learn_rate(gpu, move.kind, outcome)
    suspending = move.kind is TransitionKind.SUSPENDING
    match outcome.end:
        case MoveEnd.DONE:
            served.failed_moves, served.not_before = 0, None
            record(
                EventKind.SUSPENDED if suspending else EventKind.RESUMED,
                gpu.gpu.gpu_id,
                served.slice_id,
                for_slice_id=move.room_for,
                bytes_mib=outcome.moved_mib,
                took_s=outcome.took_s,
            )
        case MoveEnd.UNDONE:
            record(EventKind.UNDONE, gpu.gpu.gpu_id, served.slice_id, for_slice_id=move.room_for)
        case MoveEnd.REFUSED:
            if suspending:
                _mark_unsuspendable(served, outcome)
            record(EventKind.REFUSED_MOVE, gpu.gpu.gpu_id, served.slice_id, detail=outcome.detail)
        case MoveEnd.PUT_OFF:
            _put_off(served, outcome, now, suspending=suspending)
            if served.failed_moves == 1:
                record(
                    EventKind.REFUSED_MOVE, gpu.gpu.gpu_id, served.slice_id, detail=outcome.detail
                )


def _note_processes(served: ServedSlice, outcome: MoveOutcome) -> None:
    for identity, target in outcome.suspended.items():
        tracked = served.processes.setdefault(identity.pid, TrackedProcess(identity))
        if tracked.identity != identity:
            tracked = served.processes[identity.pid] = TrackedProcess(identity)
        tracked.image_mib = target.image_mib
        # What may still be on the card is not free until the card says so.
        tracked.memory_mib = target.image_mib if identity in outcome.unknown else 0
        # What the driver itself computed while it moved the bytes is nobody's work.
        tracked.cpu_s = None
    for identity in outcome.on_gpu:
        tracked = served.processes.setdefault(identity.pid, TrackedProcess(identity))
        if tracked.image_mib is not None:
            tracked.memory_mib, tracked.image_mib = tracked.image_mib, None
            tracked.cpu_s, tracked.refusals = None, 0
    for identity in outcome.gone:
        known = served.processes.get(identity.pid)
        if known is not None and known.identity == identity:
            del served.processes[identity.pid]
    for identity, detail in outcome.lost.items():
        known = served.processes.get(identity.pid)
        if known is not None and known.identity == identity:
            known.lost = detail


def _count_refusals(served: ServedSlice, outcome: MoveOutcome) -> None:
    for process in served.processes.values():
        detail = outcome.refused.get(process.identity)
        if detail is None:
            continue
        process.refusals += 1
        if process.refusals >= _REFUSALS:
            process.lost = outcome.lost[process.identity] = detail


def _learn_rate(gpu: ServedGpu, kind: TransitionKind, outcome: MoveOutcome) -> None:
    if outcome.moved_mib < _LEAST_MEASURED_MIB or outcome.moved_s <= 0:
        return
    rate = outcome.moved_mib / outcome.moved_s
    if kind is TransitionKind.SUSPENDING:
        gpu.suspend_mib_per_s += _RATE_WEIGHT * (rate - gpu.suspend_mib_per_s)
    else:
        gpu.resume_mib_per_s += _RATE_WEIGHT * (rate - gpu.resume_mib_per_s)


def _mark_unsuspendable(served: ServedSlice, outcome: MoveOutcome) -> None:
    for process in served.processes.values():
        if process.identity == outcome.blame:
            process.unsuspendable = outcome.detail
            process.unsuspendable_until = None


def _put_off(served: ServedSlice, outcome: MoveOutcome, now: datetime, *, suspending: bool) -> None:
    served.failed_moves += 1
    wait_s = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2 ** (served.failed_moves - 1))
    served.not_before = now + timedelta(seconds=wait_s)
    if suspending and served.failed_moves >= _TRIES:
        for process in served.on_gpu():
            process.unsuspendable = outcome.detail
            process.unsuspendable_until = now + _LET_BE_FOR
