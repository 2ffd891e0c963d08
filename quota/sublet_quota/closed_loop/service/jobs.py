"""Simulated training jobs: submitted, in line, on lent room, done.

Which job is next and where it goes say ``admit_job``, ``JobOrder`` and ``plan_queue``, with the
room that each card's agent reports as lendable; what that makes of others becomes true as for a
slice. Of several cards a job is not here: today's queue places each on one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sublet_quota.admission.jobs_going_on import jobs_to_go_on
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.closed_loop.asks.asked import AskedJob
from sublet_quota.closed_loop.card.slice_on_card import SliceOnCard
from sublet_quota.closed_loop.clock import Phase
from sublet_quota.closed_loop.record.records import JobWaited, SentBack, Who
from sublet_quota.closed_loop.service.parts import Parts
from sublet_quota.closed_loop.service.servers import part_of_a_card
from sublet_quota.document.right_values import Rights
from sublet_quota.holdings.gpu_load import Holding, cards_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.entitled_places import EntitledPlaces
from sublet_quota.jobs.job_admission import AdmittedJob, admit_job
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.job_queue import BesideOthers, QueuePlan, plan_queue
from sublet_quota.jobs.lendable_room import lendable_gpus
from sublet_quota.jobs.payers.job_limits import (
    JobLimits,
    KnownLimits,
    jobs_that_make_way,
)
from sublet_quota.jobs.payers.job_rights import KnownRights
from sublet_quota.jobs.payers.recharged_jobs import RechargedJobs, RunningJob
from sublet_quota.jobs.requested_job import JobCounts, RequestedJob
from sublet_quota.jobs.turns.job_order import HeldCards, JobOrder, entitled_with, open_kinds
from sublet_quota.jobs.turns.past_uses import NO_PAST_USE, UsedBy, estimate_of
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, JobId, SliceId, UserName
from sublet_quota.placement.reserved_room import lies_elsewhere
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Holder, Rank
from sublet_quota.shares.lots import lot_of


@dataclass(slots=True)
class _Job:
    """A job that waits or has its slice."""

    asked: AskedJob
    admitted: AdmittedJob
    waiting: WaitingJob
    has_begun: bool = False
    """Whether it has computed before, and was sent back since."""


class Jobs:
    """All jobs of a simulated hub."""

    def __init__(self, parts: Parts, changed: Callable[[], None]) -> None:
        """``changed``: jobs came to where they are due, or are due no more."""
        self._parts = parts
        self._changed = changed
        self._rights = KnownRights(parts.holdings.document)
        self._limits = KnownLimits(parts.holdings.document)
        self._last_runs: dict[UserName, tuple[timedelta, ...]] = {}
        self.waiting: dict[JobId, _Job] = {}
        self._placed: dict[JobId, _Job] = {}
        self._ranks: dict[JobId, Rank] = {}
        self._pauses_end: set[datetime] = set()
        """When it is looked again at jobs that were held back again and again."""
        parts.asking["jobs"] = self.asking
        self.plan = QueuePlan()
        """What the last round found."""

    def submit(self, asked: AskedJob) -> None:
        """Submit a job: it waits for room, or is refused at once."""
        parts, now = self._parts, self._parts.clock.now
        wish = job_wish_of(parts.holdings, asked)
        admitted = admit_job(parts.holdings, wish, self._counts(wish.owner), now)
        if isinstance(admitted, Refusal):
            parts.record.refused_jobs[str(admitted.reason)] += 1
            return
        waiting = replace(wish.charged_to(admitted.group, now), job_id=JobId(asked.name))
        self.waiting[waiting.job_id] = _Job(asked, admitted, waiting)

    def asking(self) -> Iterator[UsedBy]:
        """Yield who waits: the leaf of the group that would pay, and the person."""
        holdings = self._parts.holdings
        for job in self.waiting.values():
            yield holdings.leaf_for(job.waiting.group, job.waiting.owner), job.waiting.owner

    def is_here(self, slice_id: SliceId) -> bool:
        """Whether a slice is a job's."""
        return JobId(slice_id) in self._placed

    def round(self) -> None:
        """Look at the queue: let go on who was held back, and place what has room."""
        self._let_go_on()
        if not self.waiting:
            self.plan = QueuePlan()
            return
        parts = self._parts
        holdings = parts.holdings
        self._come_under()
        kinds = open_kinds(holdings)
        past = parts.past()
        jobs = [self._with_rights(job, kinds) for job in self.waiting.values()]
        ordered = JobOrder(holdings, past).waiting(jobs, *self._jobs_placed())
        lendable, limits = parts.cards.lendable_mib(), JobLimits(holdings, self._limits)
        self.plan = plan_queue(
            ordered,
            lendable_gpus(holdings, lendable),
            lending=parts.manner.lending,
            limits=limits,
            beside=BesideOthers(
                EntitledPlaces(holdings, lendable),
                RechargedJobs(holdings, limits, self._running(kinds)),
                holdings.host_memory,
                holdings.lot,
            ),
        )
        for placement in self.plan.placements:
            self._place(placement)
        self.tell_ranks()
        if self.plan.placements:
            self._changed()

    def _let_go_on(self) -> None:
        parts, now = self._parts, self._parts.clock.now
        held_back = tuple(each.slice_id for each in parts.holdings.held_back())
        pausing = parts.pauses.pausing(held_back, now)
        while (
            going := jobs_to_go_on(parts.holdings, self._rights_of, self._ranks_now, pausing)
        ).slices:
            parts.hold_back(going.slices, held_back=False)
            parts.hold_back(going.holds_back, held_back=True)
        for slice_id in sorted(pausing):
            at = parts.pauses.back_at(slice_id, now)
            if at is not None and at not in self._pauses_end:
                self._pauses_end.add(at)
                parts.clock.at(at, Phase.ENDS, "pause of jobs", self._changed)

    def slices_changed(self) -> None:
        """Look at which jobs are entitled beside what slices hold now."""
        holdings = self._parts.holdings
        if any(holdings.tree(name).root.guaranteed for name in holdings.types()):
            self.tell_ranks()

    def tell_ranks(self) -> None:
        """Tell agents which of the jobs there are most entitled, and note which are at all."""
        if not self._placed:
            return
        holdings = self._parts.holdings
        order = JobOrder(holdings, NO_PAST_USE)
        for place, job in enumerate(order.placed(*self._jobs_placed())):
            slice_id = SliceId(job.job_id)
            self._ranks[job.job_id] = job.rank
            holding = holdings.slice(slice_id)
            if holding is not None and holding.job_rank is not job.rank:
                holdings.put(replace(holding, job_rank=job.rank))
            in_the_way = holding is not None and self._is_in_the_way(holding)
            told = Rank.BORROWED if in_the_way else job.rank
            self._parts.cards.rank(slice_id, told, place)

    def _is_in_the_way(self, holding: Holding) -> bool:
        """Whether a job is in room that is kept for others, on no card of its group's."""
        is_kept = holding.gpu_id in self._parts.kept
        return is_kept and lies_elsewhere(self._parts.holdings, holding)

    def is_done(self, slice_id: SliceId) -> None:
        """End a job that has done its work."""
        job = self._leave(slice_id)
        self._parts.record.jobs_done[slice_id] = self._parts.clock.now
        owner = job.waiting.owner
        self._last_runs[owner] = (job.asked.works, *self._last_runs.get(owner, ()))[:5]

    def send_back(self, slice_id: SliceId) -> None:
        """Let a job wait again, as its card takes it no more: it begins anew, and keeps its age."""
        parts, now = self._parts, self._parts.clock.now
        job = self._placed[JobId(slice_id)]
        served, card = parts.cards.slice(slice_id), parts.cards.where(slice_id)
        facts = parts.cards.models[card].facts
        ran = job.asked.works - timedelta(seconds=served.work_left_s)
        cards = cards_on(served.amount, facts.kind)
        parts.record.sent_back.append(SentBack(job.asked.name, now, cards, ran))
        job.has_begun |= served.asked_at is None
        self._leave(slice_id)
        self.waiting[job.waiting.job_id] = job

    def _leave(self, slice_id: SliceId) -> _Job:
        parts = self._parts
        job = self._placed.pop(JobId(slice_id))
        self._ranks.pop(job.waiting.job_id, None)
        parts.cards.remove(slice_id)
        parts.uses.end(slice_id, parts.holdings, parts.clock.now)
        parts.holdings.remove(slice_id)
        parts.pauses.forget(slice_id)
        return job

    def finish(self) -> None:
        """Note who waits at the end."""
        parts = self._parts
        began = {JobId(slice_id) for slice_id in self._placed}
        for job_id, job in {**self.waiting, **self._placed}.items():
            if job.has_begun:
                continue
            if job_id in began and parts.cards.slice(SliceId(job_id)).asked_at is None:
                continue
            who = Who(job.waiting.owner, job.waiting.group, is_job=True)
            parts.record.job_waits.append(
                JobWaited(
                    job_id, who, job.asked.cards, job.asked.at, parts.clock.now, started=False
                )
            )

    def _rights_of(self, owner: UserName) -> Rights:
        self._come_under()
        jobs = (job for job in self._placed.values() if job.waiting.owner == owner)
        newest = max(jobs, key=lambda job: job.asked.at)
        return self._rights.of(owner, newest.waiting.hub_groups)

    def _ranks_now(self) -> Mapping[JobId, Rank]:
        placed = JobOrder(self._parts.holdings, NO_PAST_USE).placed(*self._jobs_placed())
        return {job.job_id: job.rank for job in placed}

    def _come_under(self) -> None:
        document = self._parts.holdings.document
        if self._rights.document is not document:
            self._rights, self._limits = KnownRights(document), KnownLimits(document)

    def _with_rights(self, job: _Job, kinds: Mapping[GpuKind, str]) -> WaitingJob:
        others = () if job.admitted.named else job.admitted.member_of
        instead = tuple(
            self._allowed(job, replace(job.waiting, group=group), kinds)
            for group in others
            if group != job.waiting.group
        )
        return replace(self._allowed(job, job.waiting, kinds), instead=instead)

    def _allowed(self, job: _Job, waiting: WaitingJob, kinds: Mapping[GpuKind, str]) -> WaitingJob:
        return replace(
            waiting,
            kinds=self._rights.kinds_for(waiting, kinds),
            estimate=self._estimate(job),
        )

    def _estimate(self, job: _Job) -> timedelta:
        return estimate_of(job.admitted.max_run, self._last_runs.get(job.waiting.owner, ()))

    def _running(self, kinds: Mapping[GpuKind, str]) -> Iterator[RunningJob]:
        """Yield the jobs that have their place and that other groups could pay."""
        for holding, kind, gpu_type in self._slices():
            job_id = JobId(holding.slice_id)
            rank = self._ranks.get(job_id, Rank.BORROWED)
            ranked = replace(self._with_rights(self._placed[job_id], kinds), rank=rank)
            yield RunningJob(ranked, holding.slice_id, kind, gpu_type, holding.since)

    def _jobs_placed(self) -> tuple[tuple[WaitingJob, ...], HeldCards]:
        held = {
            JobId(holding.slice_id): (gpu_type, cards_on(holding.amount, kind))
            for holding, kind, gpu_type in self._slices()
        }
        return tuple(job.waiting for job in self._placed.values()), held

    def _slices(self) -> Iterator[tuple[Holding, GpuKind, str]]:
        """Yield the slices of jobs that have their place, with kind and type of their cards."""
        holdings = self._parts.holdings
        for job_id in self._placed:
            holding = holdings.slice(SliceId(job_id))
            facts = None if holding is None else holdings.gpu(holding.gpu_id)
            gpu_type = None if holding is None else holdings.type_of(holding.gpu_id)
            if holding is not None and facts is not None and gpu_type is not None:
                yield holding, facts.kind, gpu_type

    def _place(self, placement: JobPlacement) -> None:
        parts, job_id = self._parts, placement.job.job_id
        now, job = parts.clock.now, self.waiting.pop(job_id)
        holds_back = jobs_that_make_way(
            parts.holdings,
            placement,
            lambda: entitled_with(parts.holdings, placement, *self._jobs_placed()),
        )
        job.waiting = replace(job.waiting, group=placement.job.group)
        self._placed[job_id] = job
        self._let_others_change(placement)
        parts.hold_back(holds_back, held_back=True)
        holding = Holding(
            slice_id=SliceId(job_id),
            owner=job.waiting.owner,
            holder=Holder.JOB,
            gpu_id=placement.gpu_id,
            pool=placement.pool,
            amount=placement.amount,
            group=placement.job.group,
            named=job.admitted.named,
            member_of=job.admitted.member_of,
            since=now,
            job_rank=placement.job.rank,
        )
        parts.holdings.put(holding)
        parts.charge(holding, self._estimate(job))
        served = SliceOnCard(
            slice_id=holding.slice_id,
            holder=Holder.JOB,
            amount=placement.amount,
            fills_mib=placement.amount.memory_mib,
            began=now,
            rank=placement.job.rank,
            entitlement=len(self._placed),
            work_left_s=job.asked.works.total_seconds(),
            asked_at=None if job.has_begun else job.asked.at,
        )
        who = Who(job.waiting.owner, placement.job.group, is_job=True)
        parts.cards.add(served, who, placement.gpu_id)

    def _let_others_change(self, placement: JobPlacement) -> None:
        self._parts.others_change(placement, placement.job.group)
        for slice_id, group in placement.recharged:
            other = self._placed.get(JobId(slice_id))
            if other is not None:
                other.waiting = replace(other.waiting, group=group)

    def _counts(self, owner: str) -> JobCounts:
        """Return the jobs that wait or run."""
        jobs = (*self.waiting.values(), *self._placed.values())
        return job_counts(self._parts.holdings, (job.waiting for job in jobs), owner)


def job_wish_of(holdings: Holdings, asked: AskedJob) -> RequestedJob:
    """Return what is wished for with a job."""
    memory_mib, compute_milli = part_of_a_card(holdings, asked.cards, asked.gpu_type)
    return RequestedJob(
        owner=asked.owner,
        groups=asked.groups,
        memory_mib=None if asked.cards >= 1 else memory_mib,
        compute_milli=compute_milli,
        gpu_type=asked.gpu_type,
        priority=asked.priority,
        group=asked.group,
        max_run=asked.max_run,
        lot=lot_of(asked.name),
        may_go_first=asked.priority > 0,
    )


def job_counts(holdings: Holdings, jobs: Iterable[WaitingJob], owner: str) -> JobCounts:
    """Return how many jobs wait or run, of these."""
    of_group: Counter[GroupName] = Counter()
    own: Counter[GroupName] = Counter()
    of_owner = 0
    for job in jobs:
        is_own = job.owner == owner
        of_owner += is_own
        for name in holdings.document.path_of_payer(job.group):
            of_group[name] += 1
            own[name] += is_own
    return JobCounts(of_owner, of_group, own)
