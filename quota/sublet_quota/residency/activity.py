"""The activity of an owner's slice, from what was reported and what was measured.

Evidence wears off: each kind counts for ``idle_after`` from when it was last seen, so neither an
endless "busy" nor a missing report can hold or lose a slice for ever. An agent that knows nothing
yet starts every slice as active.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class ActivityEvidence:
    """The times when each kind of evidence of work was last seen; ``None`` for never."""

    known_since: datetime
    """When the agent first heard of the slice (or started): counts as evidence itself."""
    cell_started: datetime | None = None
    """The start of a cell, by an ``execute_request``."""
    cell_ended: datetime | None = None
    """The end of a cell that was running, or its stop at ``input()``. This prolongs activity, but
    is no wake: a long cell that left the GPU alone ends as it ran.
    """
    gpu_used: datetime | None = None
    """Measured: a process of the slice used the GPU."""
    woken: datetime | None = None
    """The last wake: the owner asked, or a suspended process used CPU beyond the threshold. Also:
    the slice has work and waits for its room. Who waits longer than ``idle_after`` for its turn
    cannot show any use meanwhile, and would lose its place otherwise.
    """


@dataclass(frozen=True, slots=True)
class Activity:
    """An owner's slice is active or idle, and since when."""

    active: bool
    since: datetime


def judge_activity(
    evidence: ActivityEvidence, idle_after: timedelta, now: datetime, before: Activity | None
) -> Activity:
    """Return what the evidence says at ``now``; the judgement ``before`` stays while it holds."""
    seen = (
        evidence.known_since,
        evidence.cell_started,
        evidence.gpu_used,
        evidence.woken,
    )
    last = max(at for at in seen if at is not None)
    cell_ended = evidence.cell_ended
    if cell_ended is not None and last < cell_ended < last + idle_after:
        last = cell_ended
    active = now - last < idle_after
    if active:
        began = before.since if before is not None and before.active else now
        return Activity(active=True, since=began)
    ended = min(now, last + idle_after)
    if before is not None and not before.active:
        # Work may have come and gone between two judgements: idle since the later of the two.
        ended = max(ended, before.since)
    return Activity(active=False, since=ended)
