"""The results of a move of memory, taken over into the agent's state."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable
from sublet_quota.residency.snapshot import TransitionKind
from sublet_quota.wire.event_kinds import EventKind

from sublet_agent.moves.plan import MoveEnd, MoveOutcome
from sublet_agent.residency.served_gpu import RunningMove, ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.state_files.event_log import RecordEvent

_FIRST_RETRY_S: Final = 0.25
_LONGEST_RETRY_S: Final = 30.0
_TRIES: Final = 4
"""The number of suspends that did not work, after which another slice makes the room for a while.
"""
_REFUSALS: Final = 6
"""The number of restores (in 8 seconds) that the driver refused, with room, before a process counts
as lost.
"""
_LET_BE_FOR: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class EndedMove:
    """A move that is over, with its outcome."""

    served: ServedSlice
    move: RunningMove
    outcome: MoveOutcome
    at: datetime


def take_over(gpu: ServedGpu, ended: EndedMove, record: RecordEvent) -> None:
    """Note where each process of a moved slice is now, the rate, and when to try again.

    What an owner or an admin should know is recorded as an event.
    """
    served, move, outcome, now = ended.served, ended.move, ended.outcome, ended.at
    before, was_settled = served.state(), served.is_settled
    _note_processes(served, outcome)
    _count_refusals(served, outcome)
    _note_card(gpu, ended, record, was_settled=was_settled)
    for identity, detail in outcome.lost.items():
        record(
            EventKind.LOST,
            gpu.gpu.gpu_id,
            served.slice_id,
            detail=f"process {identity.pid}: {detail}",
        )
    if served.state() is not before or outcome.end is MoveEnd.DONE:
        served.note_moved(now)
    gpu.learn_rate(move.kind, outcome.moved_mib, outcome.moved_s)
    suspending = move.kind is TransitionKind.SUSPENDING
    match outcome.end:
        case MoveEnd.DONE:
            served.moving_works()
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
            if served.move_failures.count == 1:
                record(
                    EventKind.REFUSED_MOVE, gpu.gpu.gpu_id, served.slice_id, detail=outcome.detail
                )


def _note_card(gpu: ServedGpu, ended: EndedMove, record: RecordEvent, *, was_settled: bool) -> None:
    """Note whether what left another card is on this one now, or cannot come here."""
    served, outcome = ended.served, ended.outcome
    if outcome.stays is not None:
        served.note_stays(gpu.gpu.gpu_id, outcome.stays)
    if not was_settled and served.is_settled and outcome.on_gpu:
        was_on = f"it was on {served.came_from}"
        record(EventKind.CARD_CHANGED, gpu.gpu.gpu_id, served.slice_id, detail=was_on)


def _note_processes(served: ServedSlice, outcome: MoveOutcome) -> None:
    for identity, target in outcome.suspended.items():
        tracked = served.processes.find(identity) or served.processes.track(identity)
        # What may still be on the card is not free until the card says so.
        on_card_mib = target.image_mib if identity in outcome.unknown else 0
        tracked.goes_away(target.image_mib, on_card_mib, target.left_gpu_id)
    for identity in outcome.on_gpu:
        tracked = served.processes.find(identity) or served.processes.track(identity)
        tracked.comes_back()
    for identity in outcome.gone:
        served.processes.forget(identity)
    for identity, detail in outcome.lost.items():
        known = served.processes.find(identity)
        if known is not None:
            known.loses(detail)


def _count_refusals(served: ServedSlice, outcome: MoveOutcome) -> None:
    for process in served.processes:
        detail = outcome.refused.get(process.identity)
        if detail is None:
            continue
        if process.count_refusal() >= _REFUSALS:
            process.loses(detail)
            outcome.lost[process.identity] = detail


def _mark_unsuspendable(served: ServedSlice, outcome: MoveOutcome) -> None:
    for process in served.processes:
        if process.identity == outcome.blame:
            obstacle = outcome.obstacle or Obstacle.NOT_SUPPORTED
            process.mark_unsuspendable(Unsuspendable(obstacle, outcome.detail))


def _put_off(served: ServedSlice, outcome: MoveOutcome, now: datetime, *, suspending: bool) -> None:
    before = served.move_failures.count
    wait_s = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2**before)
    served.moving_fails(now + timedelta(seconds=wait_s))
    if suspending and served.move_failures.count >= _TRIES:
        for process in served.processes.on_gpu():
            why = Unsuspendable(Obstacle.FAILED_BEFORE, outcome.detail)
            process.mark_unsuspendable(why, until=now + _LET_BE_FOR)
