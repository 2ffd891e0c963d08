"""A GPU on which nothing is to be decided: all who have work fit there with all that others hold.

That is how most GPUs are at most moments. The answer is the policy's own, found without a plan of
seats: nobody moves, nobody is away, and what is promised fits beside what idle slices hold. Whoever
wakes alone into room that is free is let in at once.
"""

from typing import Final

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.residency.actions import Decision, OpenGate
from sublet_quota.residency.room import committed_mib, full_mib, is_kept
from sublet_quota.residency.snapshot import GpuSnapshot, SliceView

_NOTHING: Final = Decision()


def decide_calm(snapshot: GpuSnapshot) -> Decision | None:
    """Return the decision on a GPU where nobody is in anybody's way; ``None`` on any other."""
    if snapshot.transition is not None or snapshot.reserved_mib > 0:
        return None
    taken_mib = 0
    comes: SliceView | None = None
    owners = jobs = False
    for view in snapshot.slices:
        if view.state is not SliceState.RESIDENT or view.image_mib or view.held_back:
            return None
        full = full_mib(snapshot, view)
        if view.is_job:
            if not view.gate_open or view.is_over_cap:
                return None
            jobs = True
        owners = owners or (view.active and not view.is_job)
        if view.active and not view.gate_open:
            if comes is not None:
                return None
            comes = view
            taken_mib += full
        else:
            taken_mib += committed_mib(snapshot, view, full)
    if taken_mib > snapshot.usable_mib:
        return None
    if jobs and (owners or not _jobs_run_on(snapshot)):
        return None
    return _NOTHING if comes is None else Decision((OpenGate(comes.slice_id),))


def _jobs_run_on(snapshot: GpuSnapshot) -> bool:
    """Whether nothing but owners at work is ever in the way of jobs that run."""
    return snapshot.is_lent and not any(is_kept(snapshot, view) for view in snapshot.slices)
