"""The way from what the agent keeps of a GPU to what the policy sees of it.

Where the agent knows more than the policy has words for, the numbers err on the safe side: bytes
that belong to a suspended slice but are on the GPU (a process born meanwhile) count as taken, and
come off the slice's cap, so that they are not counted twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.fitness import is_return_put_off
from sublet_quota.residency import lending
from sublet_quota.residency.snapshot import (
    GpuSnapshot,
    Rank,
    SliceView,
    Transition,
    TransitionKind,
    TurnKind,
)

from sublet_agent.residency.served_gpu import RunningMove, ServedGpu
from sublet_agent.residency.served_slice import ServedSlice


@dataclass(frozen=True, slots=True)
class NodeConditions:
    """What is the same for all GPUs of the node at one moment."""

    now: datetime
    lending: bool
    margin_mib: int
    host_free_mib: int
    host_in_all_mib: int | None = None
    """What images may take of the host memory in all; ``None``: not asked for."""
    ahead: timedelta = timedelta(0)
    """By how much ``now`` is later than what the hub's clock says."""
    unsafe_skip_room_check: bool = False
    """Whether a slice that is away and wanted is taken to need no room: brought back into a full
    GPU, and lost.
    """


def assemble(gpu: ServedGpu, slices: Sequence[ServedSlice], node: NodeConditions) -> GpuSnapshot:
    """Return the GPU as the policy sees it."""
    move = gpu.move
    turn = gpu.pool.turn
    views = tuple(_view(s, move if gpu.is_moving(s.slice_id) else None, node, turn) for s in slices)
    if node.unsafe_skip_room_check:
        views = tuple(
            replace(v, cap_mib=0, image_mib=0) if v.is_away and v.active else v for v in views
        )
    return GpuSnapshot(
        gpu_id=gpu.gpu.gpu_id,
        now=node.now,
        total_mib=gpu.reading.memory.total_mib,
        margin_mib=node.margin_mib,
        host_free_mib=node.host_free_mib,
        suspend_mib_per_s=max(1, int(gpu.suspend_mib_per_s)),
        resume_mib_per_s=max(1, int(gpu.resume_mib_per_s)),
        slices=views,
        transition=None
        if move is None
        else Transition(
            move.slice_id,
            move.kind,
            undoable=move.kind is TransitionKind.SUSPENDING and move.undo.undoable,
            leaves=move.leaves,
        ),
        foreign_mib=foreign_mib(gpu, slices),
        foreign_present=bool(gpu.reading.foreign),
        unfit=bool(gpu.unfit),
        return_put_off=is_return_put_off(gpu.unfit),
        lending=node.lending,
        closed=None if gpu.closed is None else gpu.closed.words,
        settings=gpu.pool,
        reserved_mib=_reserved_mib(gpu, node),
    )


def foreign_mib(gpu: ServedGpu, slices: Iterable[ServedSlice]) -> int:
    """Return how much is taken on the GPU, in MiB, by others than whole slices."""
    slices = tuple(slices)
    strays = sum(_stray_mib(s) for s in slices if not gpu.is_moving(s.slice_id))
    told = [mib for mib in gpu.reading.foreign.values() if mib is not None]
    own = gpu.reading.canary_mib + (gpu.overhead_mib or 0)
    taken = sum(told) + gpu.orphans_mib + own + strays
    if len(told) == len(gpu.reading.foreign):
        return taken
    # What is not told is taken to be all that is in use and that nobody else accounts for.
    accounted = sum(s.processes.held_mib() for s in slices if s.state() is not SliceState.SUSPENDED)
    return max(taken, gpu.reading.memory.used_mib - accounted)


def _stray_mib(served: ServedSlice) -> int:
    return served.reckoned_mib() if served.state() is SliceState.SUSPENDED else 0


def _view(
    served: ServedSlice, move: RunningMove | None, node: NodeConditions, turn: timedelta
) -> SliceView:
    now = node.now
    state, cap_mib = served.state(), served.cap_mib
    held_mib, image_mib = served.reckoned_mib(), served.processes.image_mib()
    if move is not None and move.kind is TransitionKind.SUSPENDING:
        state, held_mib, image_mib = SliceState.PAUSED, max(move.bytes_mib, held_mib), 0
        if move.may_grow:
            held_mib = max(held_mib, cap_mib)
    elif move is not None:
        state, held_mib, image_mib = SliceState.SUSPENDED, 0, max(move.bytes_mib, image_mib)
    elif state is SliceState.SUSPENDED:
        cap_mib, held_mib = max(cap_mib - held_mib, 0), 0
    active = served.active
    assignment = served.assignment
    kept = None if assignment is None else assignment.kept_until
    return SliceView(
        slice_id=served.slice_id,
        holder=served.holder,
        cap_mib=cap_mib,
        state=state,
        held_mib=held_mib,
        image_mib=image_mib,
        active=active,
        since=_since(served),
        gate_open=served.gate_open and active and move is None,
        state_since=served.state_since,
        waiting_since=served.gate.waiting_since,
        turn_since=served.gate.turn_since,
        turn_kind=served.past_turns.next_kind(turn),
        rank=Rank.BORROWED if assignment is None else assignment.rank,
        entitlement=0 if assignment is None else assignment.entitlement,
        held_back=assignment is not None and assignment.held_back,
        kept_until=kept and kept + node.ahead,
        runs_a_cell=not served.is_job and served.activity_record.may_run_a_cell(now),
        past_the_gate=served.past_the_gate(now),
        rests_since=served.rests_since(now),
        unsuspendable=None if (why := served.unsuspendable()) is None else why.detail,
        not_before=served.move_failures.not_before,
        in_reserve=assignment is not None and assignment.in_reserve,
    )


def _reserved_mib(gpu: ServedGpu, node: NodeConditions) -> int:
    until = gpu.pool.reserved_until
    return gpu.pool.reserved_mib if until is not None and node.now < until + node.ahead else 0


def view_on_another_card(served: ServedSlice, node: NodeConditions) -> SliceView:
    """Return a slice as the policy of another card would see it if its owner wanted it there.

    Newcomer or not, it comes there behind who waits already, and ends nobody's turn early.
    """
    bytes_mib = served.processes.image_mib() + served.reckoned_mib()
    return replace(
        _view(served, None, node, timedelta(0)),
        state=SliceState.SUSPENDED if bytes_mib else SliceState.RESIDENT,
        cap_mib=max(served.cap_mib, bytes_mib),
        held_mib=0,
        image_mib=bytes_mib,
        active=True,
        gate_open=False,
        waiting_since=node.now,
        turn_since=None,
        turn_kind=TurnKind.USUAL,
        rests_since=None,
        not_before=None,
    )


def _since(served: ServedSlice) -> datetime:
    return served.state_since if served.activity is None else served.activity.since


def lendable_mib(gpu: ServedGpu, slices: Sequence[ServedSlice], node: NodeConditions) -> int:
    """Return how large a job the policy would seat on the GPU now, in MiB."""
    return lending.lendable_mib(assemble(gpu, slices, node))


def lent_to(served: ServedSlice, slices: Iterable[ServedSlice]) -> tuple[SliceId, ...]:
    """Return the jobs that use this slice's room, or its compute, while it is idle."""
    if served.is_job or served.active:
        return ()
    return tuple(s.slice_id for s in slices if s.is_job and s.gate_open)
