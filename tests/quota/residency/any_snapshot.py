"""Any snapshot that an agent might measure, and what it may mean for the GPU's memory."""

from datetime import timedelta

from hypothesis import strategies as st
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.actions import Decision, OpenGate, Pause, Resume
from sublet_quota.residency.snapshot import (
    GpuSnapshot,
    Holder,
    PoolSettings,
    SliceView,
    Transition,
    TransitionKind,
)

from tests.quota.residency.gpu_pictures import NOW, ago

_seconds = st.sampled_from([0, 1, 30, 59, 60, 61, 200, 5000])
_amounts = st.sampled_from([0, 1, 5, 10, 20, 30, 39, 40, 41, 60, 80])
_reasons = st.sampled_from([None, None, None, None, "managed memory"])


@st.composite
def _slices(draw: st.DrawFn, name: str) -> SliceView:
    is_job = draw(st.sampled_from([False, False, True]))
    active = is_job or draw(st.booleans())
    away = draw(st.sampled_from([False, False, True]))
    cap = draw(_amounts)
    # Mostly within the cap; a suspended slice has on the GPU only what was born since.
    size = min(draw(_amounts), cap) if draw(st.integers(0, 5)) else draw(_amounts)
    held, image = (draw(st.sampled_from([0, 0, 0, 1])), size) if away else (size, 0)
    paused = held > 0 and draw(st.sampled_from([is_job, False]))
    gate_open = active and not away and not paused and draw(st.booleans())
    on_gpu = SliceState.PAUSED if paused else SliceState.RESIDENT
    kept = draw(st.sampled_from([None, None, None, -1, 100]))
    rests = draw(st.sampled_from([None, None, None, -1, 5]))
    since = ago(draw(_seconds))
    return SliceView(
        slice_id=SliceId(name),
        holder=Holder.JOB if is_job else Holder.NOTEBOOK,
        cap_mib=cap,
        state=SliceState.SUSPENDED if away else on_gpu,
        held_mib=held,
        image_mib=image,
        active=active,
        since=since,
        gate_open=gate_open,
        state_since=ago(draw(_seconds)),
        waiting_since=ago(draw(_seconds)) if active and not gate_open else None,
        turn_since=ago(draw(_seconds)) if gate_open else None,
        entitlement=draw(st.integers(0, 2)),
        kept_until=None if kept is None else NOW + timedelta(seconds=kept),
        runs_a_cell=not is_job and draw(st.sampled_from([False, False, True])),
        past_the_gate=not is_job and not gate_open and draw(st.sampled_from([False, False, True])),
        unsuspendable=draw(_reasons),
        not_before=None if rests is None else NOW + timedelta(seconds=rests),
    )


@st.composite
def snapshots(draw: st.DrawFn) -> GpuSnapshot:
    """Draw a GPU of 81 with a margin of 1, so that amounts are small and often just fit."""
    slices = [draw(_slices(f"s{i}")) for i in range(draw(st.integers(0, 7)))]
    transition = None
    if slices and draw(st.booleans()):
        index = draw(st.integers(0, len(slices) - 1))
        kind = draw(st.sampled_from(list(TransitionKind)))
        transition = Transition(
            slices[index].slice_id,
            kind,
            undoable=kind is TransitionKind.SUSPENDING and draw(st.booleans()),
        )
        slices[index] = _as_moving(slices[index], kind)
    foreign_present = draw(st.sampled_from([False, False, False, True]))
    return GpuSnapshot(
        gpu_id=GpuId("GPU-1"),
        now=NOW,
        total_mib=81,
        margin_mib=1,
        host_free_mib=draw(st.sampled_from([0, 20, 60, 1000, 1000])),
        suspend_mib_per_s=draw(st.sampled_from([1, 3])),
        slices=tuple(slices),
        transition=transition,
        foreign_mib=draw(st.sampled_from([0, 0, 0, 1, 20])),
        foreign_present=foreign_present,
        lending=draw(st.sampled_from([True, True, True, False])),
        closed=draw(st.sampled_from([None, None, None, "XID 79"])),
        settings=PoolSettings(lend=draw(st.sampled_from([True, True, True, False]))),
    )


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
