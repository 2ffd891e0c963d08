"""Simulated training jobs: submitted, in line, on lent room, done.

Which job is next and where it goes say ``admit_job``, ``JobOrder`` and ``plan_queue``, with the
room that each card's agent reports as lendable; what that makes of others becomes true as for a
slice. A job on several cards has a slice on each, and runs while all of them can.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from sublet_quota.admission.jobs_going_on import GoingOn, jobs_to_go_on
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.closed_loop.asks.asked import AskedJob
from sublet_quota.closed_loop.card.slice_on_card import SliceOnCard
from sublet_quota.closed_loop.clock import Phase
from sublet_quota.closed_loop.record.records import JobWaited, SentBack, Who
from sublet_quota.closed_loop.service.job_slices import (
    Job,
    cards_of,
    holding_of,
    jobs_there,
    on_card,
    slice_ids_of,
)
from sublet_quota.closed_loop.service.job_wishes import job_counts, job_wish_of
from sublet_quota.closed_loop.service.parts import Parts
from sublet_quota.closed_loop.service.standing import Standing
from sublet_quota.document.right_values import Rights
from sublet_quota.holdings.gpu_load import Holding, cards_on
from sublet_quota.jobs.backfill.free_gpus import free_gpus, still_kept
from sublet_quota.jobs.backfill.going_on import room_to_go_on, who_goes_on
from sublet_quota.jobs.backfill.jobs_there import JobsThere
from sublet_quota.jobs.entitled_places import EntitledPlaces
from sublet_quota.jobs.job_admission import admit_job
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.job_queue import BesideOthers, QueuePlan, plan_queue
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu, lendable_gpus
from sublet_quota.jobs.payers.job_limits import JobLimits, jobs_that_make_way
from sublet_quota.jobs.payers.job_rights import KnownRights
from sublet_quota.jobs.payers.known_limits import KnownLimits
from sublet_quota.jobs.payers.recharged_jobs import RechargedJobs, RunningJob
from sublet_quota.jobs.requested_job import JobCounts
from sublet_quota.jobs.standing_jobs import quiet_cards
from sublet_quota.jobs.turns.job_order import HeldCards, JobOrder, entitled_with, open_kinds
from sublet_quota.jobs.turns.past_uses import NO_PAST_USE, UsedBy, estimate_of
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId, SliceId, UserName
from sublet_quota.placement.reserved_room import lies_elsewhere
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Rank


class Jobs:
    """All jobs of a simulated hub."""

    def __init__(self, parts: Parts, changed: Callable[[], None]) -> None:
        """``changed``: jobs came to where they are due, or are due no more."""
        self._parts = parts
        self._changed = changed
        self._rights = KnownRights(parts.holdings.document)
        self._limits = KnownLimits(parts.holdings.document)
        self._last_runs: dict[UserName, tuple[timedelta, ...]] = {}
        self.waiting: dict[JobId, Job] = {}
        self._placed: dict[JobId, Job] = {}
        self._ranks: dict[JobId, Rank] = {}
        self._job_of: dict[SliceId, JobId] = {}
        self._pauses_end: set[datetime] = set()
        """When it is looked again at jobs that were held back again and again."""
        self._turns: tuple[object, ...] = ()
        """What the order of those that have their place hangs on, as it was last."""
        self._in_turn: Sequence[WaitingJob] = ()
        self._standing = Standing(parts, self.send_back, self.round)
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
        self.waiting[waiting.job_id] = Job(asked, admitted, waiting)

    def asking(self) -> Iterator[UsedBy]:
        """Yield who waits: the leaf of the group that would pay, and the person."""
        holdings = self._parts.holdings
        for job in self.waiting.values():
            yield holdings.leaf_for(job.waiting.group, job.waiting.owner), job.waiting.owner

    def is_here(self, slice_id: SliceId) -> bool:
        """Whether a slice is a job's."""
        return slice_id in self._job_of

    def round(self) -> None:
        """Look at the queue: let go on who was held back, and place what has room."""
        self._let_go_on()
        self._come_under()
        self._standing.look(self._on_one_card, self._free_gpus)
        if not self.waiting:
            self.plan = QueuePlan()
            return
        parts = self._parts
        holdings = parts.holdings
        kinds = open_kinds(holdings)
        past = parts.past()
        jobs = [self._with_rights(job, kinds) for job in self.waiting.values()]
        ordered = JobOrder(holdings, past).waiting(jobs, *self._jobs_placed())
        self.plan = self._planned(ordered, kinds)
        for placement in self.plan.placements:
            self._place(placement)
        self.tell_ranks()
        if self.plan.placements:
            self._changed()

    def _planned(self, jobs: tuple[WaitingJob, ...], kinds: Mapping[GpuKind, str]) -> QueuePlan:
        """Return what can be placed of jobs, which are in their order."""
        holdings, manner = self._parts.holdings, self._parts.manner
        lendable, limits = self._standing.lendable_mib(), JobLimits(holdings, self._limits)
        return plan_queue(
            jobs,
            lendable_gpus(holdings, lendable, self._parts.clock.now),
            lending=manner.lending,
            limits=limits,
            beside=BesideOthers(
                EntitledPlaces(holdings, lendable),
                RechargedJobs(holdings, limits, self._running(kinds)),
                holdings.host_memory,
                holdings.lot,
                there=self._there(),
            ),
        )

    def _free_gpus(self) -> tuple[LendableGpu, ...]:
        """Return the cards that lend and are kept for no job that waits."""
        holdings, now = self._parts.holdings, self._parts.clock.now
        quiet = quiet_cards(holdings) if self._parts.manner.lending else ()
        if not quiet:
            return ()
        gpus = lendable_gpus(holdings, self._standing.lendable_mib(quiet), now)
        return tuple(free_gpus(gpus, self._kept_now(), holdings.held_back()))

    def _kept_now(self) -> Mapping[GpuId, WaitingJob]:
        return still_kept(self.plan.kept, self.waiting)

    def _on_one_card(self, slices: Iterable[SliceId]) -> Iterator[tuple[SliceId, WaitingJob]]:
        """Yield the jobs on one card that these slices are of, with their rights."""
        kinds = open_kinds(self._parts.holdings)
        for slice_id in slices:
            job = self._placed[self._job_of[slice_id]]
            if len(job.slices) == 1:
                rank = self._ranks.get(job.waiting.job_id, Rank.BORROWED)
                yield slice_id, self._allowed(job, replace(job.waiting, rank=rank), kinds)

    def _there(self) -> JobsThere:
        return jobs_there(self._parts, self._placed.values())

    def _let_go_on(self) -> None:
        parts, now = self._parts, self._parts.clock.now
        while (going := self._going()).slices:
            parts.hold_back(going.slices, held_back=False)
            others = dict.fromkeys((*going.holds_back_on_card, *going.holds_back))
            parts.hold_back(others, held_back=True)
        for slice_id in sorted(each.slice_id for each in parts.holdings.held_back()):
            at = parts.pauses.back_at(slice_id, now)
            if at is not None and at not in self._pauses_end:
                self._pauses_end.add(at)
                parts.clock.at(at, Phase.ENDS, "pause of jobs", self._changed)

    def _going(self) -> GoingOn:
        holdings, now = self._parts.holdings, self._parts.clock.now
        stand = tuple(each.slice_id for each in holdings.held_back())
        if not stand:
            return GoingOn()
        pausing = frozenset(self._parts.pauses.pausing(stand, now))
        there, kept, ranks_now = self._there(), self._kept_now(), cache(self._ranks_now)
        return who_goes_on(
            holdings,
            lambda stay: room_to_go_on(holdings, there, kept, stay),
            lambda stay, way: jobs_to_go_on(holdings, self._rights_of, ranks_now, stay, way),
            pausing,
        )

    def slices_changed(self) -> None:
        """Look at which jobs are entitled beside what slices hold now."""
        holdings = self._parts.holdings
        if any(holdings.tree(name).root.guaranteed for name in holdings.types()):
            self.tell_ranks()

    def tell_ranks(self) -> None:
        """Tell agents which of the jobs there are most entitled, and note which are at all."""
        if not self._placed:
            return
        for place, job in enumerate(self._placed_in_order()):
            # A card's time passes as it is told: another job may have ended there by now.
            there = self._placed.get(job.job_id)
            # Beside what is kept, a rank is told by where the job lies, too.
            told = None if self._parts.kept else (job.rank, place)
            if there is not None and (told is None or there.told != told):
                self._ranks[job.job_id], there.told = job.rank, told
                for slice_id in there.slices:
                    self._tell_rank(slice_id, job.rank, place)

    def _tell_rank(self, slice_id: SliceId, rank: Rank, place: int) -> None:
        holdings = self._parts.holdings
        holding = holdings.slice(slice_id)
        if holding is not None and holding.job_rank is not rank:
            holdings.put(replace(holding, job_rank=rank))
        in_the_way = holding is not None and self._is_in_the_way(holding)
        told = Rank.BORROWED if in_the_way else rank
        self._parts.cards.rank(slice_id, told, place)

    def _is_in_the_way(self, holding: Holding) -> bool:
        """Whether a job is in room that is kept for others, on no card of its group's."""
        is_kept = holding.gpu_id in self._parts.kept
        return is_kept and lies_elsewhere(self._parts.holdings, holding)

    def is_done(self, slice_id: SliceId) -> bool:
        """End a job that has done its work, on all its cards; return whether it has."""
        job = self._placed[self._job_of[slice_id]]
        job.at_work.discard(slice_id)
        if job.at_work:
            return False
        self._leave(job)
        self._parts.record.jobs_done[job.waiting.job_id] = self._parts.clock.now
        owner = job.waiting.owner
        self._last_runs[owner] = (job.asked.works, *self._last_runs.get(owner, ()))[:5]
        return True

    def send_back(self, slice_id: SliceId) -> None:
        """Let a job wait again, as its card takes it no more: it begins anew, and keeps its age."""
        parts, now = self._parts, self._parts.clock.now
        job = self._placed[self._job_of[slice_id]]
        served = [parts.cards.slice(each) for each in job.slices]
        left_s = max(each.work_left_s for each in served)
        ran = job.asked.works - timedelta(seconds=left_s)
        facts = parts.cards.models[parts.cards.where(slice_id)].facts
        cards = len(served) * cards_on(served[0].amount, facts.kind)
        parts.record.sent_back.append(SentBack(job.asked.name, now, cards, ran))
        job.has_begun |= served[0].asked_at is None
        self._leave(job)
        self.waiting[job.waiting.job_id] = job

    def _leave(self, job: Job) -> None:
        parts = self._parts
        del self._placed[job.waiting.job_id]
        job.told = None
        self._ranks.pop(job.waiting.job_id, None)
        for slice_id in job.slices:
            del self._job_of[slice_id]
            parts.cards.remove(slice_id)
            parts.uses.end(slice_id, parts.holdings, parts.clock.now)
            parts.uses.forget(slice_id)
            parts.holdings.remove(slice_id)
            parts.pauses.forget(slice_id)
            self._standing.forget(slice_id)

    def finish(self) -> None:
        """Note who waits at the end."""
        parts = self._parts
        began = set(self._placed)
        for job_id, job in {**self.waiting, **self._placed}.items():
            if job.has_begun:
                continue
            if job_id in began and parts.cards.slice(job.slices[0]).asked_at is None:
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
        return {job.job_id: job.rank for job in self._placed_in_order()}

    def _placed_in_order(self) -> Sequence[WaitingJob]:
        """Return the jobs that have their place, the most entitled first."""
        holdings = self._parts.holdings
        order, (jobs, held) = JobOrder(holdings, NO_PAST_USE), self._jobs_placed()
        kinds = tuple(open_kinds(holdings).items())
        # What a spent budget pays counts elsewhere, and has other turns.
        turns = holdings.document, holdings.spent, kinds, jobs
        if turns != self._turns:
            self._turns, self._in_turn = turns, order.in_turn(jobs)
        return order.ranked(self._in_turn, held)

    def _come_under(self) -> None:
        document = self._parts.holdings.document
        if self._rights.document is not document:
            self._rights, self._limits = KnownRights(document), KnownLimits(document)

    def _with_rights(self, job: Job, kinds: Mapping[GpuKind, str]) -> WaitingJob:
        instead = tuple(
            self._allowed(job, replace(job.waiting, group=group), kinds)
            for group in job.could_be_paid_by
        )
        allowed = self._allowed(job, job.waiting, kinds)
        return replace(allowed, instead=instead) if instead else allowed

    def _allowed(self, job: Job, waiting: WaitingJob, kinds: Mapping[GpuKind, str]) -> WaitingJob:
        return replace(
            waiting,
            kinds=self._rights.kinds_for(waiting, kinds),
            estimate=self._estimate(job),
            max_run=job.admitted.max_run,
        )

    def _estimate(self, job: Job) -> timedelta:
        return estimate_of(job.admitted.max_run, self._last_runs.get(job.waiting.owner, ()))

    def _running(self, kinds: Mapping[GpuKind, str]) -> Iterator[RunningJob]:
        """Yield the jobs that have their place and that other groups could pay."""
        for job, holding, kind, gpu_type in self._slices():
            if not job.could_be_paid_by:
                continue
            rank = self._ranks.get(job.waiting.job_id, Rank.BORROWED)
            ranked = replace(self._with_rights(job, kinds), rank=rank)
            yield RunningJob(ranked, holding.slice_id, kind, gpu_type, holding.since)

    def _jobs_placed(self) -> tuple[tuple[WaitingJob, ...], HeldCards]:
        held = {
            job.waiting.job_id: (gpu_type, job.on_all(cards_on(holding.amount, kind)))
            for job, holding, kind, gpu_type in self._slices()
        }
        return tuple(job.waiting for job in self._placed.values()), held

    def _slices(self) -> Iterator[tuple[Job, Holding, GpuKind, str]]:
        """Yield each job's first slice that has its place, with kind and type of its card."""
        holdings = self._parts.holdings
        for job in self._placed.values():
            holding = holdings.slice(job.slices[0])
            facts = None if holding is None else holdings.gpu(holding.gpu_id)
            gpu_type = None if holding is None else holdings.type_of(holding.gpu_id)
            if holding is not None and facts is not None and gpu_type is not None:
                yield job, holding, facts.kind, gpu_type

    def _place(self, placement: JobPlacement) -> None:
        """Let a job begin, on one card or on several at once."""
        parts, placed, places = self._parts, placement.job, cards_of(placement)
        job_id = placed.job_id
        job = self.waiting.pop(job_id)
        below_limits = jobs_that_make_way(
            parts.holdings,
            placement,
            lambda: entitled_with(parts.holdings, placement, *self._jobs_placed()),
        )
        holds_back = dict.fromkeys((*placement.holds_back, *below_limits))
        job.waiting = replace(job.waiting, group=placed.group)
        job.slices = slice_ids_of(job_id, len(places))
        job.at_work = set(job.slices)
        self._placed[job_id] = job
        self._let_others_change(placement)
        parts.hold_back(tuple(holds_back), held_back=True)
        served = [
            self._begin(job, slice_id, place, placed.rank)
            for slice_id, place in zip(job.slices, places, strict=True)
        ]
        if len(served) > 1:
            for each in served:
                each.together = tuple(served)
        who = Who(job.waiting.owner, placed.group, is_job=True)
        for each, place in zip(served, places, strict=True):
            parts.cards.add(each, who, place.gpu_id)

    def _begin(
        self, job: Job, slice_id: SliceId, placement: JobPlacement, rank: Rank
    ) -> SliceOnCard:
        """Enter a job's slice, and return it as it comes to its card."""
        parts, now = self._parts, self._parts.clock.now
        self._job_of[slice_id] = job.waiting.job_id
        holding = holding_of(job, slice_id, placement, rank, now)
        parts.holdings.put(holding)
        parts.charge(holding, self._estimate(job))
        return on_card(job, holding, rank, len(self._placed))

    def _let_others_change(self, placement: JobPlacement) -> None:
        self._parts.others_change(placement, placement.job.group)
        for slice_id, group in placement.recharged:
            job_id = self._job_of.get(slice_id)
            if job_id is not None:
                other = self._placed[job_id]
                other.waiting = replace(other.waiting, group=group)

    def _counts(self, owner: str) -> JobCounts:
        """Return the jobs that wait or run."""
        jobs = (*self.waiting.values(), *self._placed.values())
        return job_counts(self._parts.holdings, (job.waiting for job in jobs), owner)
