"""Who is on the GPU this second: from a snapshot of one GPU to a list of actions."""

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
    Wait,
    WaitReason,
)
from sublet_quota.residency.lending import lendable_mib
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import (
    GpuSnapshot,
    Holder,
    PoolSettings,
    SliceView,
    Transition,
    TransitionKind,
)

__all__ = [
    "Action",
    "Decision",
    "Evict",
    "GpuSnapshot",
    "Holder",
    "OpenGate",
    "Pause",
    "PoolSettings",
    "Resume",
    "SliceView",
    "Suspend",
    "Transition",
    "TransitionKind",
    "Undo",
    "Unpause",
    "Wait",
    "WaitReason",
    "decide",
    "lendable_mib",
]
