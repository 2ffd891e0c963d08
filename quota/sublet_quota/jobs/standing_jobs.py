"""Jobs that stand still on their card while another is free: which of them go there.

A job that has begun goes to another card of its node, of the same kind, with all that it holds; one
that has not begins on any of the type, and loses nothing. It leaves only for a card on which it
runs at once: no owner is at work there, and no other job has the compute. What is kept for jobs
that wait is not free; beside those that wait these come first, as they have begun, or were before
them in line. A job that runs again is looked at no more, so nobody goes to and fro by this alone;
and none that has moved goes again for a while.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.lent_room.lendable_room import LendableRoom
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.residency.snapshot import Rank

STANDS_FOR: Final = timedelta(minutes=1)
"""Who stands still for so long goes elsewhere: longer than a move takes, or an owner's short cell.
"""
MOVES_EVERY: Final = timedelta(minutes=10)
"""A job that has begun moves at most once in so long."""


@dataclass(frozen=True, slots=True)
class StandingJob:
    """A job that has its place on one card, and stands still."""

    job: WaitingJob
    """The job, with its rank, and where rights let it run."""
    slice_id: SliceId
    gpu_id: GpuId
    since: datetime
    has_begun: bool
    """Whether it has memory to take along, and so cannot leave its node."""
    moved_at: datetime | None = None
    """When it was last asked to move."""

    def due_at(self) -> datetime:
        """Return from when on it may go elsewhere."""
        return leaves_from(self.since, self.moved_at)


def leaves_from(since: datetime, moved_at: datetime | None) -> datetime:
    """Return from when on a job may go elsewhere that stands still, by when it moved last."""
    due = since + STANDS_FOR
    return due if moved_at is None else max(due, moved_at + MOVES_EVERY)


def quiet_cards(holdings: Holdings) -> tuple[GpuId, ...]:
    """Return the cards on which no owner is at work and jobs leave compute: where one might run.

    Where all is in use there are none, and nothing more need be asked.
    """
    return tuple(
        facts.gpu_id
        for facts in holdings.gpus()
        if holdings.load(facts.gpu_id).jobs.compute_milli < WHOLE_GPU_MILLI
        and holdings.rest_of(facts.gpu_id) is not None
    )


@dataclass(frozen=True, slots=True)
class Leaving:
    """A job that goes from its card to another: that, or back in the queue, which places it there.

    One that has begun moves; another has nothing that could.
    """

    slice_id: SliceId
    has_begun: bool
    to: GpuId


def jobs_that_leave(
    standing: Iterable[StandingJob], gpus: Iterable[LendableGpu], now: datetime
) -> tuple[Leaving, ...]:
    """Return which jobs leave their card, and for which, who stands longest first.

    ``gpus``: those that lend, less what is kept for jobs that wait. Entitled jobs take turns where
    their guarantee lies, and stay.
    """
    due = [each for each in standing if each.job.rank is Rank.BORROWED and each.due_at() <= now]
    if not due:
        return ()
    room, found = LendableRoom(gpus), []
    for each in sorted(due, key=lambda one: (one.since, one.job.lot, one.slice_id)):
        here = room.gpu(each.gpu_id)
        if here is None:
            continue
        to = _runs_on(each, here, room)
        if to is None:
            continue
        # Also where that is its own card: nobody else is sent into its room.
        room.take(to, each.job.amount_on(to.facts.kind))
        if to is not here:
            found.append(Leaving(each.slice_id, each.has_begun, to.facts.gpu_id))
    return tuple(found)


def _runs_on(each: StandingJob, here: LendableGpu, room: LendableRoom) -> LendableGpu | None:
    """Return the best card for a job if it runs there at once; ``None``: it does on none now."""
    node: NodeId | None = here.facts.node if each.has_begun else each.job.node
    job = replace(each.job, node=node)
    kinds = {
        kind: name
        for kind, name in room.kinds_for(job).items()
        if name == here.gpu_type and (kind == here.facts.kind or not each.has_begun)
    }
    to = room.best_fit(job, kinds)
    if to is None:
        return None
    is_barred = room.company(to).turn_for(job.compute_milli)[:2] != (False, False)
    return None if is_barred else to
