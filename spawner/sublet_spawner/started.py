"""The start of a server, by which its slice's processes are known: a process, or a pod."""

from typing import Any

from sublet_quota.wire.api import PodStarted, SliceStarted

Started = SliceStarted | PodStarted


def state_of(started: Started) -> dict[str, Any]:
    """Return what the hub's database keeps of a start."""
    match started:
        case SliceStarted():
            return started.model_dump(exclude_none=True)
        case PodStarted():
            return {"pod": started.model_dump(exclude={"template"})}


def started_of(state: dict[str, Any]) -> Started | None:
    """Return the start that was kept in the hub's database, or ``None``."""
    if "pod" in state:
        return PodStarted.model_validate(state["pod"])
    if "root_pid" in state and "root_start_time" in state:
        return SliceStarted(
            root_pid=state["root_pid"],
            root_start_time=state["root_start_time"],
            unit_group=state.get("unit_group"),
        )
    return None
