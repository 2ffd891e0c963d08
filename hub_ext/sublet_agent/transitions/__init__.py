"""Moves of a slice's memory between a GPU and the host, each step in the order that is safe."""

from sublet_agent.transitions.moves import (
    MoveEnd,
    MoveOutcome,
    MovePlan,
    MoveSettings,
    MoveTools,
    UndoSwitch,
)
from sublet_agent.transitions.resume import resume_slice
from sublet_agent.transitions.suspend import suspend_slice

__all__ = [
    "MoveEnd",
    "MoveOutcome",
    "MovePlan",
    "MoveSettings",
    "MoveTools",
    "UndoSwitch",
    "resume_slice",
    "suspend_slice",
]
