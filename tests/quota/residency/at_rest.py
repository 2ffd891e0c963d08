"""What the policy's decisions lead to, where moves take no time and nobody changes their mind."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.residency.actions import (
    Action,
    Evict,
    OpenGate,
    Pause,
    Resume,
    Suspend,
    Undo,
    Unpause,
)
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import GpuSnapshot, SliceView, TransitionKind

_ENDLESS = timedelta(days=9999)


@dataclass
class Rested:
    """How it ended, and who was moved on the way there."""

    snapshot: GpuSnapshot
    goes_on: bool = True
    """Whether it did not come to rest."""
    suspends: Counter[str] = field(default_factory=Counter)
    resumes: Counter[str] = field(default_factory=Counter)

    def take(self, action: Action) -> None:
        """Do what the policy says, at once."""
        snapshot = self.snapshot
        views = {s.slice_id: s for s in snapshot.slices}
        view = views[action.slice_id]
        match action:
            case Pause():
                state = SliceState.PAUSED if view.held_mib else view.state
                views[view.slice_id] = _with_closed_gate(snapshot, view, state=state)
            case Unpause():
                views[view.slice_id] = replace(view, state=SliceState.RESIDENT)
            case OpenGate():
                views[view.slice_id] = replace(
                    view, gate_open=True, turn_since=snapshot.now, waiting_since=None
                )
            case Suspend():
                self.suspends[view.slice_id] += 1
                self.snapshot = snapshot = _moved(snapshot, -view.held_mib)
                views[view.slice_id] = _away(snapshot, view)
            case Resume():
                self.resumes[view.slice_id] += 1
                self.snapshot = snapshot = _moved(snapshot, view.image_mib)
                views[view.slice_id] = _here(snapshot, view)
            case Evict():
                del views[view.slice_id]
            case Undo():
                message = "nothing is in flight"
                raise AssertionError(message)
        self.snapshot = _with(snapshot, views.values())


def come_to_rest(snapshot: GpuSnapshot) -> Rested:
    """Ask and act until the policy says nothing new, in one moment, with turns that never end."""
    slices = tuple(replace(s, not_before=None) for s in snapshot.slices)
    settings = replace(snapshot.settings, turn=_ENDLESS, lend_at_least=_ENDLESS)
    rested = Rested(_landed(replace(snapshot, slices=slices, settings=settings)))
    for _ in range(6 * len(slices) + 6):
        actions = decide(rested.snapshot).actions
        if not actions:
            rested.goes_on = False
            break
        for action in actions:
            rested.take(action)
    return rested


def _landed(snapshot: GpuSnapshot) -> GpuSnapshot:
    """The move in flight has ended."""
    move = snapshot.transition
    if move is None:
        return snapshot
    land = _away if move.kind is TransitionKind.SUSPENDING else _here
    slices = (land(snapshot, s) if s.slice_id == move.slice_id else s for s in snapshot.slices)
    return replace(_with(snapshot, slices), transition=None)


def _with(snapshot: GpuSnapshot, slices: Iterable[SliceView]) -> GpuSnapshot:
    return replace(snapshot, slices=tuple(slices))


def _moved(snapshot: GpuSnapshot, to_the_gpu_mib: int) -> GpuSnapshot:
    return replace(snapshot, host_free_mib=snapshot.host_free_mib + to_the_gpu_mib)


def _with_closed_gate(snapshot: GpuSnapshot, view: SliceView, **changes: Any) -> SliceView:
    waiting_since = view.waiting_since or snapshot.now if view.active else None
    return replace(view, gate_open=False, turn_since=None, waiting_since=waiting_since, **changes)


def _away(snapshot: GpuSnapshot, view: SliceView) -> SliceView:
    all_mib = view.held_mib + view.image_mib
    return _with_closed_gate(
        snapshot,
        view,
        # Who holds nothing only gives up its promise.
        state=SliceState.SUSPENDED if all_mib else SliceState.RESIDENT,
        held_mib=0,
        image_mib=all_mib,
        state_since=snapshot.now,
        past_the_gate=False,
    )


def _here(snapshot: GpuSnapshot, view: SliceView) -> SliceView:
    return replace(
        view,
        state=SliceState.RESIDENT,
        held_mib=view.held_mib + view.image_mib,
        image_mib=0,
        state_since=snapshot.now,
    )
