"""Builders for snapshots of one GPU, in GiB, so that a case reads like the picture above it.

The pictures show the GPU as a bar of 80 GiB (beside the margin), and host memory to its right:
``A`` a slice's bytes, ``a`` the rest of a promised cap, ``.`` free, ``!`` an owner with work.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.actions import (
    Action,
    Decision,
    Evict,
    OpenGate,
    Pause,
    Resume,
    Suspend,
    Undo,
    Unpause,
)
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import (
    GpuSnapshot,
    Holder,
    PoolSettings,
    SliceView,
    Transition,
    TransitionKind,
)

GIB = 1024
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SETTINGS = PoolSettings(
    turn=timedelta(seconds=60),
    give_back_within=timedelta(seconds=30),
    lend_at_least=timedelta(seconds=60),
)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def idle(
    name: str, cap: int, *, on: int = 0, out: int = 0, for_s: float = 600, **more: Any
) -> SliceView:
    """An owner's slice without work since ``for_s``: ``on`` the GPU, or ``out`` in host memory."""
    return _view(name, cap, (on, out), active=False, for_s=for_s, **more)


def waiting(
    name: str, cap: int, *, on: int = 0, out: int = 0, for_s: float = 0, **more: Any
) -> SliceView:
    """An owner with work whose gate is closed since ``for_s``."""
    more.setdefault("waiting_since", ago(for_s))
    return _view(name, cap, (on, out), active=True, for_s=for_s, **more)


def running(name: str, cap: int, *, on: int = 0, for_s: float = 10, **more: Any) -> SliceView:
    """An owner with work, whose turn began ``for_s`` ago."""
    more.setdefault("turn_since", ago(for_s))
    return _view(name, cap, (on, 0), active=True, for_s=for_s, gate_open=True, **more)


def training(name: str, cap: int, *, on: int = 0, **more: Any) -> SliceView:
    """A job that has been let run."""
    more.setdefault("turn_since", ago(100))
    return _view(
        name, cap, (on, 0), active=True, for_s=100, holder=Holder.JOB, gate_open=True, **more
    )


def stopped(name: str, cap: int, *, on: int = 0, out: int = 0, **more: Any) -> SliceView:
    """A job that is paused (``on``), suspended (``out``) or has not begun (neither)."""
    more.setdefault("state", SliceState.PAUSED if on else None)
    return _view(name, cap, (on, out), active=True, for_s=100, holder=Holder.JOB, **more)


def _view(
    name: str, cap: int, on_and_out: tuple[int, int], *, active: bool, for_s: float, **more: Any
) -> SliceView:
    on, out = on_and_out
    state = more.pop("state", None) or (SliceState.SUSPENDED if out else SliceState.RESIDENT)
    fields: dict[str, Any] = {
        "holder": Holder.NOTEBOOK,
        "gate_open": False,
        "state_since": ago(for_s),
    } | more
    return SliceView(
        slice_id=SliceId(name),
        cap_mib=cap * GIB,
        state=state,
        held_mib=on * GIB,
        image_mib=out * GIB,
        active=active,
        since=ago(for_s),
        **fields,
    )


def gpu(*slices: SliceView, **more: Any) -> GpuSnapshot:
    """A GPU that can give 80 GiB, on a node with host memory for 200 GiB more."""
    fields: dict[str, Any] = {
        "total_mib": 81 * GIB,
        "margin_mib": GIB,
        "host_free_mib": 200 * GIB,
        "suspend_mib_per_s": 9 * GIB,
        "resume_mib_per_s": 9 * GIB,
        "settings": SETTINGS,
    } | more
    return GpuSnapshot(gpu_id=GpuId("GPU-1"), now=NOW, slices=slices, **fields)


def with_settings(snapshot: GpuSnapshot, **changes: Any) -> GpuSnapshot:
    return replace(snapshot, settings=replace(snapshot.settings, **changes))


def suspending(name: str, *, undoable: bool = False, leaves: bool = False) -> Transition:
    return Transition(SliceId(name), TransitionKind.SUSPENDING, undoable=undoable, leaves=leaves)


def resuming(name: str) -> Transition:
    return Transition(SliceId(name), TransitionKind.RESUMING, undoable=False)


def told(snapshot: GpuSnapshot) -> list[str]:
    """What the policy says, in short: ``pause J``, ``suspend B for A``, ``open A``."""
    return [_short(a) for a in decide(snapshot).actions]


def _short(action: Action) -> str:
    match action:
        case Pause():
            return f"pause {action.slice_id}"
        case Unpause():
            return f"unpause {action.slice_id}"
        case Suspend():
            of = "" if action.room_for is None else f" for {action.room_for}"
            return f"suspend {action.slice_id}{of}"
        case Resume():
            return f"resume {action.slice_id}"
        case OpenGate():
            return f"open {action.slice_id}"
        case Undo():
            return f"undo {action.slice_id}"
        case Evict():
            return f"evict {action.slice_id} for {action.room_for}"


def waits(snapshot: GpuSnapshot) -> list[tuple[str, WaitReason]]:
    """Who waits, in their order, and why."""
    return [(w.slice_id, w.reason) for w in decide(snapshot).waits]


def whom(decision: Decision, name: str) -> list[str]:
    """For whom this slice waits."""
    return next(list(w.waits_for) for w in decision.waits if w.slice_id == name)
