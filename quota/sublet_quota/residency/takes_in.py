"""Whether a slice that is on another card of its node would be brought back on this one next."""

from dataclasses import replace

from sublet_quota.residency.actions import OpenGate, Resume, Suspend
from sublet_quota.residency.policy import decide
from sublet_quota.residency.snapshot import GpuSnapshot, SliceView


def takes_in(snapshot: GpuSnapshot, view: SliceView, *, at_work: bool) -> bool:
    """Return whether a card's policy would bring a slice of another card there as its next step.

    ``view``: the slice as it would be seen here if its owner wanted it, with nothing on the card.
    ``at_work``: whether its owner does: then jobs and idle slices may have to make its room first.
    """
    decision = decide(replace(snapshot, slices=(*snapshot.slices, view)))
    # Who is at work here has no turn with those of another card.
    may_leave = {each.slice_id for each in snapshot.slices if each.is_job or not each.active}
    return any(
        (isinstance(action, Resume | OpenGate) and action.slice_id == view.slice_id)
        or (
            isinstance(action, Suspend)
            and (at_work and action.room_for == view.slice_id)
            and action.slice_id in may_leave
        )
        for action in decision.actions
    )
