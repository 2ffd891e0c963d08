"""A simulated job, and its slices: one on each of its cards, all of one node."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction

from sublet_quota.closed_loop.asks.asked import AskedJob
from sublet_quota.closed_loop.card.slice_on_card import SliceOnCard
from sublet_quota.closed_loop.service.parts import Parts
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.jobs.backfill.jobs_there import (
    JobsThere,
    JobThere,
    by_gpu,
    end_after,
    job_there,
)
from sublet_quota.jobs.job_admission import AdmittedJob
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, GroupName, JobId, SliceId
from sublet_quota.residency.snapshot import Holder, Rank
from sublet_quota.shares.past_use import NO_TIME


@dataclass(slots=True)
class Job:
    """A job that waits or has its slice."""

    asked: AskedJob
    admitted: AdmittedJob
    waiting: WaitingJob
    has_begun: bool = False
    """Whether it has computed before, and was sent back since."""
    slices: tuple[SliceId, ...] = ()
    at_work: set[SliceId] = field(default_factory=set)
    """Those of its slices whose work is not done."""
    told: tuple[Rank, int] | None = None
    """Its rank and place as its agents were told them last; ``None``: they are to be told."""

    def on_all(self, cards: Fraction) -> Fraction:
        """Return what all its slices have together where one has so many cards."""
        return cards if len(self.slices) == 1 else len(self.slices) * cards

    @property
    def could_be_paid_by(self) -> tuple[GroupName, ...]:
        """The other groups of its owner that could pay, where none was named."""
        if self.admitted.named:
            return ()
        return tuple(each for each in self.admitted.member_of if each != self.waiting.group)


def slice_ids_of(job_id: JobId, cards: int) -> tuple[SliceId, ...]:
    """Return the names of a job's slices: its own, or of several cards one each."""
    if cards == 1:
        return (SliceId(job_id),)
    return tuple(SliceId(f"{job_id}#{rank}") for rank in range(cards))


def cards_of(placement: JobPlacement) -> tuple[JobPlacement, ...]:
    """Return a job's place as one on each of its cards."""
    others = (replace(placement, gpu_id=gpu_id, beside=()) for gpu_id in placement.beside)
    return replace(placement, beside=()), *others


def holding_of(
    job: Job, slice_id: SliceId, placement: JobPlacement, rank: Rank, now: datetime
) -> Holding:
    """Return a slice of a job that begins on a card, as it is counted."""
    return Holding(
        slice_id=slice_id,
        owner=job.waiting.owner,
        holder=Holder.JOB,
        gpu_id=placement.gpu_id,
        pool=placement.pool,
        amount=placement.amount,
        group=job.waiting.group,
        named=job.admitted.named,
        member_of=job.admitted.member_of,
        since=now,
        job_rank=rank,
        job_id=job.waiting.job_id if len(job.slices) > 1 else None,
        fills_in_for=placement.fills_in_for,
    )


def jobs_there(parts: Parts, jobs: Iterable[Job]) -> JobsThere:
    """Return jobs that have their place, by the cards on which they are."""
    return by_gpu(_there(parts, jobs), parts.clock.now)


def _there(parts: Parts, jobs: Iterable[Job]) -> Iterator[tuple[GpuId, JobThere]]:
    for job in jobs:
        ends = _end_of(parts, job)
        for slice_id in job.slices:
            holding = parts.holdings.slice(slice_id)
            if holding is not None:
                waiting = job.waiting
                there = job_there(holding, waiting.job_id, waiting.priority, ends, job.slices)
                yield holding.gpu_id, there


def _end_of(parts: Parts, job: Job) -> datetime:
    """Return when a job ends at the latest, if it stands still no more."""
    first = parts.cards.slice(job.slices[0])
    off_since, stood = first.off_since, parts.uses.stood(job.slices[0])
    lasts = NO_TIME if off_since is None else parts.clock.now - off_since
    return end_after(first.began, job.admitted.max_run + stood + lasts)


def on_card(job: Job, holding: Holding, rank: Rank, entitlement: int) -> SliceOnCard:
    """Return a slice of a job as it comes to its card; ``entitlement``: its place in the order."""
    is_first = holding.slice_id == job.slices[0]
    return SliceOnCard(
        slice_id=holding.slice_id,
        holder=Holder.JOB,
        amount=holding.amount,
        fills_mib=holding.amount.memory_mib,
        began=holding.since,
        rank=rank,
        entitlement=entitlement,
        work_left_s=job.asked.works.total_seconds(),
        asked_at=None if job.has_begun or not is_first else job.asked.at,
    )
