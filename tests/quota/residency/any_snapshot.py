"""Any snapshot that an agent might measure, and what it may mean for the GPU's memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import shake_128
from typing import TypeVar

from hypothesis import strategies as st
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.actions import Decision, OpenGate, Pause, Resume
from sublet_quota.residency.snapshot import (
    GpuSnapshot,
    Holder,
    PoolSettings,
    Rank,
    SliceView,
    Transition,
    TransitionKind,
)

from tests.quota.residency.gpu_pictures import NOW, ago

_SECONDS = (0, 1, 30, 59, 60, 61, 200, 5000)
_AMOUNTS = (0, 1, 5, 10, 20, 30, 39, 40, 41, 60, 80)
_T = TypeVar("_T")


class _Chances:
    """One drawn value, a byte for each question: drawn in the time of one choice, not of twenty.

    A byte of 0 is the first answer, so what hypothesis shrinks gets simple here too.
    """

    def __init__(self, drawn: bytes) -> None:
        self._left = iter(drawn)

    def one_of(self, answers: Sequence[_T]) -> _T:
        return answers[next(self._left) % len(answers)]

    def one_in(self, many: int) -> bool:
        return next(self._left) % many == many - 1


_SLICE_BYTES, _MOST_SLICES, _GPU_BYTES = 20, 7, 12
_SLICE = st.binary(min_size=_SLICE_BYTES, max_size=_SLICE_BYTES)
_SLICES = st.lists(_SLICE, max_size=_MOST_SLICES)
_GPU = st.binary(min_size=_GPU_BYTES, max_size=_GPU_BYTES)


def _slice(name: str, drawn: bytes) -> SliceView:
    of = _Chances(drawn)
    is_job = of.one_in(3)
    active = of.one_in(2) or is_job
    away = of.one_in(3)
    cap = of.one_of(_AMOUNTS)
    # Mostly within the cap; a suspended slice has on the GPU only what was born since.
    size = of.one_of(_AMOUNTS)
    size = size if of.one_in(6) else min(size, cap)
    born_since = of.one_of((0, 0, 0, 1))
    held, image = (born_since, size) if away else (size, 0)
    paused = (of.one_in(2) and is_job) and held > 0
    gate_open = of.one_in(2) and active and not away and not paused
    on_gpu = SliceState.PAUSED if paused else SliceState.RESIDENT
    kept = of.one_of((None, None, None, -1, 100))
    rests = of.one_of((None, None, None, -1, 5))
    return SliceView(
        slice_id=SliceId(name),
        holder=Holder.JOB if is_job else Holder.NOTEBOOK,
        cap_mib=cap,
        state=SliceState.SUSPENDED if away else on_gpu,
        held_mib=held,
        image_mib=image,
        active=active,
        since=ago(of.one_of(_SECONDS)),
        gate_open=gate_open,
        state_since=ago(of.one_of(_SECONDS)),
        waiting_since=_ago_if(of.one_of(_SECONDS), holds=active and not gate_open),
        turn_since=_ago_if(of.one_of(_SECONDS), holds=gate_open),
        entitlement=of.one_of((0, 1, 2)),
        kept_until=None if kept is None else NOW + timedelta(seconds=kept),
        runs_a_cell=of.one_in(3) and not is_job,
        past_the_gate=of.one_in(3) and not is_job and not gate_open,
        unsuspendable=of.one_of((None, None, None, None, "managed memory")),
        not_before=None if rests is None else NOW + timedelta(seconds=rests),
        rank=of.one_of((Rank.BORROWED, Rank.ENTITLED, Rank.ENTITLED_IN_PART, Rank.CALLED_BACK)),
    )


def _ago_if(seconds: int, *, holds: bool) -> datetime | None:
    return ago(seconds) if holds else None


def _snapshot(drawn_slices: Sequence[bytes], drawn: bytes) -> GpuSnapshot:
    slices = [_slice(f"s{i}", each) for i, each in enumerate(drawn_slices)]
    of = _Chances(drawn)
    transition = None
    moves, moving = of.one_in(2), of.one_of(range(len(slices) or 1))
    kind, undoable = of.one_of(tuple(TransitionKind)), of.one_in(2)
    if slices and moves:
        undoable = undoable and kind is TransitionKind.SUSPENDING
        transition = Transition(slices[moving].slice_id, kind, undoable=undoable)
        slices[moving] = _as_moving(slices[moving], kind)
    return GpuSnapshot(
        gpu_id=GpuId("GPU-1"),
        now=NOW,
        total_mib=81,
        margin_mib=1,
        host_free_mib=of.one_of((0, 20, 60, 1000, 1000)),
        suspend_mib_per_s=of.one_of((1, 3)),
        resume_mib_per_s=3,
        slices=tuple(slices),
        transition=transition,
        foreign_mib=of.one_of((0, 0, 0, 1, 20)),
        foreign_present=of.one_in(4),
        unfit=of.one_in(4),
        lending=not of.one_in(4),
        closed=of.one_of((None, None, None, "XID 79")),
        settings=PoolSettings(lend=not of.one_in(4)),
    )


def snapshots() -> st.SearchStrategy[GpuSnapshot]:
    """Draw a GPU of 81 with a margin of 1, so that amounts are small and often just fit."""
    return st.builds(_snapshot, _SLICES, _GPU)


def numbered(number: int) -> GpuSnapshot:
    """Return the one of these with that number: the same on every machine, and by every library."""
    count = number % (_MOST_SLICES + 1)
    drawn = shake_128(str(number).encode()).digest(_GPU_BYTES + count * _SLICE_BYTES)
    starts = range(_GPU_BYTES, len(drawn), _SLICE_BYTES)
    return _snapshot([drawn[at : at + _SLICE_BYTES] for at in starts], drawn[:_GPU_BYTES])


def _as_moving(view: SliceView, kind: TransitionKind) -> SliceView:
    """As the agent tells it: with its gate closed, its bytes on the side they come from."""
    size = max(view.held_mib, view.image_mib)
    leaves = kind is TransitionKind.SUSPENDING
    return SliceView(
        slice_id=view.slice_id,
        holder=view.holder,
        cap_mib=view.cap_mib,
        state=SliceState.PAUSED if leaves else SliceState.SUSPENDED,
        held_mib=size if leaves else 0,
        image_mib=0 if leaves else size,
        active=view.active,
        since=view.since,
        gate_open=False,
        state_since=view.state_since,
        waiting_since=view.since if view.active else None,
        rank=view.rank,
        entitlement=view.entitlement,
        kept_until=view.kept_until,
        runs_a_cell=view.runs_a_cell,
        past_the_gate=view.past_the_gate,
    )


def most_it_may_hold_mib(snapshot: GpuSnapshot, view: SliceView, decision: Decision) -> int:
    """Say how much a slice may fill until the policy is asked again, if this is done."""
    cap_mib = view.cap_mib
    if 0 < cap_mib - snapshot.usable_mib <= snapshot.margin_mib:
        cap_mib = snapshot.usable_mib
    opened = any(isinstance(a, OpenGate) and a.slice_id == view.slice_id for a in decision.actions)
    resumed = any(isinstance(a, Resume) and a.slice_id == view.slice_id for a in decision.actions)
    paused = any(isinstance(a, Pause) and a.slice_id == view.slice_id for a in decision.actions)
    moving = snapshot.transition is not None and snapshot.transition.slice_id == view.slice_id
    if moving or resumed:
        has_mib = view.held_mib + view.image_mib
        # Who is owed its cap must find it when it is back.
        comes = resumed or (
            snapshot.transition is not None and snapshot.transition.kind is TransitionKind.RESUMING
        )
        by_itself = view.past_the_gate or (view.runs_a_cell and not view.active)
        goes_on = (view.active and comes) or by_itself
        return max(cap_mib, has_mib) if goes_on else has_mib
    if opened or (view.gate_open and not paused):
        return max(cap_mib, view.held_mib)
    by_itself = view.past_the_gate or (view.runs_a_cell and not view.active)
    in_a_cell = by_itself and not view.is_away
    stays = view.unsuspendable is not None and not view.is_job
    if view.held_mib > 0 and (in_a_cell or stays):
        return max(cap_mib, view.held_mib)
    return view.held_mib
