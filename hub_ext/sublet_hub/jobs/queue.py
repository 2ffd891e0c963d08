"""The queue of waiting jobs: in the order that ``sublet_quota`` finds, placed where room is lent.

Only nodes on which this service can run jobs are asked. Past use wears off slowly, so it is looked
at anew once a minute, in another thread where many slices are held, and not in each round.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.holdings.gpu_load import cards_on
from sublet_quota.jobs.backfill.free_gpus import free_gpus, still_kept
from sublet_quota.jobs.entitled_places import EntitledPlaces
from sublet_quota.jobs.job_admission import AdmittedJob
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.job_queue import BesideOthers, JobWait, QueuePlan, plan_queue
from sublet_quota.jobs.lent_room.give_backs import GiveBacks
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu, lendable_gpus
from sublet_quota.jobs.payers.job_limits import jobs_that_make_way
from sublet_quota.jobs.payers.recharged_jobs import RechargedJobs
from sublet_quota.jobs.requested_job import RequestedJob
from sublet_quota.jobs.standing_jobs import quiet_cards
from sublet_quota.jobs.turns.job_order import JobEntitlement
from sublet_quota.jobs.turns.past_uses import PastUse, Payer
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import GpuId, GroupName, JobId, SliceId
from sublet_quota.preview.present_state import JobsNow
from sublet_quota.residency.snapshot import Rank

from sublet_hub.jobs import changes
from sublet_hub.jobs.order.charged_uses import ChargedUses
from sublet_hub.jobs.order.held_back import HeldBackJobs
from sublet_hub.jobs.order.job_nodes import JobNodes
from sublet_hub.jobs.order.job_slices import slice_of, steps_of
from sublet_hub.jobs.order.left_groups import LeftGroups
from sublet_hub.jobs.order.placed_jobs import jobs_there
from sublet_hub.jobs.order.standing_jobs import StandingJobs
from sublet_hub.jobs.order.turns import Turns
from sublet_hub.jobs.order.waiting_jobs import WaitingJobs, max_run_of
from sublet_hub.ledger.records import Change, JobRecord, SliceRecord
from sublet_hub.slices.places import held_back_by, others_of
from sublet_hub.state.metrics import ServiceMetrics
from sublet_hub.state.stores import Stores
from sublet_hub.usage.job_stops import JobStops

_PAST_USE_KEPT: Final = timedelta(minutes=1)
_FEW: Final = 1000
"""So many slices are added up in a millisecond or few."""
_LAST_OF_EQUALS: Final = 2**62
"""The lot of a job that is only asked about: it hopes for nothing."""


class WaitingReasons:
    """What the last round of the queue found."""

    def __init__(self) -> None:
        self._waits: dict[JobId, JobWait] = {}

    def replace(self, waits: Iterable[JobWait]) -> None:
        """Take the reasons of a new round for those of the last."""
        self._waits = {wait.job_id: wait for wait in waits}

    def find(self, job_id: JobId) -> JobWait | None:
        """Return why a job waits, as the last round found; ``None`` where it does not."""
        return self._waits.get(job_id)


class JobQueue:
    """Places waiting jobs, and says why the others wait."""

    def __init__(  # noqa: PLR0913 - what it works on
        self,
        stores: Stores,
        waiting: WaitingReasons,
        metrics: ServiceMetrics,
        nodes: JobNodes,
        stops: JobStops,
        *,
        decides: bool = True,
    ) -> None:
        """``decides``: whether this queue says which job is next; else the cluster's does."""
        self._stores = stores
        self._reasons = waiting
        self._metrics = metrics
        self._nodes = nodes
        self._decides = decides
        self._jobs = WaitingJobs(stores.ledger, stores.capacity, nodes.only_for)
        self._uses = ChargedUses(
            stores.ledger,
            stores.now,
            stores.capacity.holdings.document,
            self._estimate,
            stops.since,
        )
        self._stops = stops
        stops.on_end(self._uses.stopped)
        self._turns = Turns(stores, self._jobs)
        self._kept: Mapping[GpuId, WaitingJob] = {}
        """For whom the last round keeps cards."""
        self._held_back = HeldBackJobs(stores, self._ranks, self._kept_now)
        self._standing = StandingJobs(stores, self._jobs, stops.since)
        self._left = LeftGroups(stores.ledger, stores.capacity, self._jobs, stores.now)
        self._looked_at: datetime | None = None
        self._entitlements: Mapping[JobId, JobEntitlement] = {}
        self._ordered_under: object = None
        """By what the places were found; ``None``: they are to be found anew."""
        self._others_ask: Callable[[], Iterable[Payer]] = tuple
        stores.ledger.listen(self._ledger_changed)

    def others_ask(self, asking: Callable[[], Iterable[Payer]]) -> None:
        """Have it known who waits beside jobs: what is used too much is seen beside who asks."""
        self._others_ask = asking

    @property
    def decides(self) -> bool:
        """Whether this queue says which job is next; else it tells only what could be lent now."""
        return self._decides

    def entitlements(self) -> Mapping[JobId, JobEntitlement]:
        """Return how each job that has a slice is entitled."""
        under = self._turns.guarantees_left()
        if self._ordered_under != under:
            ordered = enumerate(self._turns.placed())
            entitled = {job.job_id: JobEntitlement(place, job.rank) for place, job in ordered}
            if entitled != self._entitlements:
                self._entitlements = entitled
            self._ordered_under = under
        return self._entitlements

    def _ranks(self) -> Mapping[JobId, Rank]:
        return {job_id: each.rank for job_id, each in self.entitlements().items()}

    def charge_elsewhere(self) -> None:
        """Let other groups pay for jobs whose owners left the ones that did. ``LedgerWriteError``.

        A job that is charged to another group has another place in the order.
        """
        if self._left.charge_elsewhere():
            self._ordered_under = None

    def let_go_on(self) -> None:
        """Let jobs go on that stand still below a limit, where that has room. ``LedgerWriteError``.

        They come before those that wait, but for jobs within a guarantee: for these they would
        stand still again at once.
        """
        if self._decides and self._stores.capacity.holdings.held_back():
            self._place_due()
        self._held_back.let_go_on()

    def jobs_to_send_back(self) -> Iterator[tuple[SliceId, str]]:
        """Let jobs that stand still move to free cards; yield those to be placed anew, and why.

        ``LedgerWriteError``.
        """
        return self._standing.leave(self._ranks(), self._free_gpus)

    def _free_gpus(self) -> Iterator[LendableGpu]:
        """Yield the cards that lend and are kept for no job that waits."""
        holdings = self._stores.capacity.holdings
        if not self._stores.ledger.lending or not quiet_cards(holdings):
            return
        gpus = lendable_gpus(holdings, self._lendable(), self._stores.now())
        yield from free_gpus(gpus, self._kept_now(), holdings.held_back())

    def keep_ranks(self) -> None:
        """Store by which right the slices of jobs are there, where that is another than before."""
        entitled, ledger = self.entitlements(), self._stores.ledger
        changed = tuple(
            replace(record, entitled=steps)
            for job_id, each in entitled.items()
            if (job := ledger.live_jobs.get(job_id)) is not None
            and (record := ledger.slices.get(job.slice_id or SliceId(""))) is not None
            and record.entitled != (steps := steps_of(each.rank))
        )
        if changed:
            ledger.apply(Change(slices=changed), self._stores.now())

    async def look_at_past_use(self) -> None:
        """Look anew at what everybody used, and tell the ledger what is not charged."""
        await self._uses.come_under(self._stores.capacity.holdings.document)
        self.tell_off_times()
        now = self._stores.now()
        self._take_past_use(await asyncio.to_thread(self._uses.now_used()), now)

    def tell_off_times(self) -> None:
        """Tell the ledger for which times nobody is charged, and who stands still.

        ``LedgerWriteError``.
        """
        off, stand = self._uses.off_times(), tuple(self._stops.unstored())
        if off or stand:
            self._stores.ledger.apply(Change(slices=stand, off=off), self._stores.now())
            self._uses.told(off)

    def place_jobs(self) -> int:
        """Place what can be placed; return how many jobs were."""
        stores = self._stores
        live = stores.ledger.live_jobs.values()
        waiting = [job for job in live if job.state is JobState.WAITING]
        if not waiting:
            self._reasons.replace(())
            self._kept = {}
            self._metrics.jobs_wait({})
            return 0
        now = stores.now()
        began = time.perf_counter()
        ordered = self._ordered(waiting)
        plan = self._plan_for(ordered)
        self._metrics.decision("queue", time.perf_counter() - began)
        self._reasons.replace(plan.waits)
        self._kept = plan.kept
        self._metrics.jobs_wait(_entitled(ordered, plan))
        return sum(self._place(placement, now) for placement in plan.placements)

    def _kept_now(self) -> Mapping[GpuId, WaitingJob]:
        """Return for whom cards are kept, of those who wait still."""
        live = self._stores.ledger.live_jobs
        kept_for = (live.get(job.job_id) for job in self._kept.values())
        waiting = {job.job_id for job in kept_for if job and job.state is JobState.WAITING}
        return still_kept(self._kept, waiting)

    def _place_due(self) -> None:
        """Place what can be placed of the jobs that are within their group's guarantee."""
        live, now = self._stores.ledger.live_jobs.values(), self._stores.now()
        ordered = self._ordered(job for job in live if job.state is JobState.WAITING)
        due = tuple(job for job in ordered if job.rank is Rank.ENTITLED)
        for placement in self._plan_for(due).placements if due else ():
            self._place(placement, now)

    def foresee(self, wish: RequestedJob, admitted: AdmittedJob) -> JobWait | None:
        """Return why one job more would wait now; ``None`` where it would start at once."""
        live = self._stores.ledger.live_jobs.values()
        waiting = [job for job in live if job.state is JobState.WAITING]
        asked = replace(wish, lot=_LAST_OF_EQUALS).charged_to(admitted.group, self._stores.now())
        plan = self._plan_for(self._ordered(waiting, (asked, admitted.max_run)))
        return next((wait for wait in plan.waits if wait.job_id == asked.job_id), None)

    def as_it_is(self) -> JobsNow:
        """Return the jobs, and all that their order hangs on, as values."""
        live, kinds = self._stores.ledger.live_jobs.values(), self._jobs.kinds()
        waiting = (self._jobs.of(job, kinds) for job in live if job.state is JobState.WAITING)
        placed, held = self._turns.jobs_placed()
        self.past_use()
        return JobsNow(
            waiting=tuple(waiting),
            placed=tuple(placed),
            held=held,
            rechargeable=self._jobs.rechargeable(self.entitlements()),
            past=self._turns.sums,
            written_off=tuple(self._stores.ledger.written_off),
            there=jobs_there(self._stores),
            lendable_mib=self._lendable(),
            suspend_mib_per_s=self._rates(),
            lending=self._stores.ledger.lending,
        )

    def _ordered(
        self, waiting: Iterable[JobRecord], more: tuple[WaitingJob, timedelta] | None = None
    ) -> tuple[WaitingJob, ...]:
        """Return the jobs in their order, and one more with its bound, if there is any."""
        kinds = self._jobs.kinds()
        jobs = [self._jobs.of(job, kinds) for job in waiting]
        if more is not None:
            jobs.append(self._jobs.allowed(*more, kinds))
        return self._turns.waiting(jobs, self.past_use())

    def _plan_for(self, ordered: tuple[WaitingJob, ...]) -> QueuePlan:
        """Return what comes of jobs in this order."""
        holdings, lendable = self._stores.capacity.holdings, self._lendable()
        limits = self._jobs.limits()
        running = self._jobs.rechargeable(self.entitlements())
        return plan_queue(
            ordered,
            lendable_gpus(holdings, lendable, self._stores.now()),
            lending=self._stores.ledger.lending,
            limits=limits,
            beside=BesideOthers(
                EntitledPlaces(holdings, lendable),
                RechargedJobs(holdings, limits, running),
                holdings.host_memory,
                holdings.lot,
                GiveBacks(holdings, self._rates),
                jobs_there(self._stores),
            ),
        )

    def _lendable(self) -> dict[GpuId, int]:
        """Return what agents can lend in MiB a card, less jobs that are not there yet."""
        stores = self._stores
        lendable: dict[GpuId, int] = {}
        coming = self._standing.coming_mib()
        for view in stores.fleet.speaking():
            if not self._nodes.reaches(view.node):
                continue
            for gpu_id, report in view.gpus.items():
                unheard = sum(
                    record.memory_mib
                    for record in stores.ledger.slices_on_gpu(gpu_id)
                    if record.is_job and record.slice_id not in view.slices
                )
                taken = unheard + coming.get(gpu_id, 0)
                lendable[gpu_id] = max(0, report.lendable_mib - taken)
        return lendable

    def _rates(self) -> dict[GpuId, int]:
        """Return how fast bytes leave each card in MiB a second, as its agent measured it."""
        return {
            gpu_id: report.suspend_mib_per_s
            for view in self._stores.fleet.speaking()
            for gpu_id, report in view.gpus.items()
        }

    def _place(self, placement: JobPlacement, now: datetime) -> bool:
        ledger = self._stores.ledger
        job = ledger.jobs[placement.job.job_id]
        account = self._stores.accounts.find(job.owner)
        gpu = ledger.gpus[placement.gpu_id]
        # Another job of this owner may have bound their files to a node just now.
        if account is None or self._nodes.only_for(job.owner) not in {None, gpu.node}:
            return False
        record = slice_of(job, placement, gpu, account.template, now)
        record = replace(record, takes=self._nodes.taken_by(placement.amount))
        facts = self._stores.capacity.holdings.gpu(gpu.gpu_id)
        held = 1.0 if facts is None else float(cards_on(placement.amount, facts.kind))
        # Another group of the owner's may pay from now on, as that let the job in.
        charged = replace(job, group=placement.job.group)
        holds_back = jobs_that_make_way(
            self._stores.capacity.holdings, placement, lambda: self._turns.entitled_with(placement)
        )
        beside = others_of(ledger, placement, record, now)
        beside = held_back_by(ledger, placement.holds_back, record, now, beside, on_card=True)
        others, told = held_back_by(ledger, holds_back, record, now, beside)
        placed = changes.placed(charged, record, held, now)
        jobs = (*placed.jobs, *self._recharged(placement))
        slices, events = (*placed.slices, *others), (*placed.events, *told)
        ledger.apply(replace(placed, jobs=jobs, slices=slices, events=events), now)
        return True

    def _recharged(self, placement: JobPlacement) -> Iterator[JobRecord]:
        """Yield the jobs that another group pays for from now on."""
        ledger = self._stores.ledger
        for slice_id, group in placement.recharged:
            job_id = ledger.slices[slice_id].job_id
            if job_id is not None:
                yield replace(ledger.jobs[job_id], group=group)

    def _estimate(self, record: SliceRecord) -> timedelta:
        """Return how long a slice is thought to be held; of a notebook's nobody knows."""
        job = None if record.job_id is None else self._stores.ledger.live_jobs.get(record.job_id)
        if job is None:
            return timedelta()
        return self._jobs.estimate(job.owner, max_run_of(job))

    def past_use(self) -> PastUse:
        """Return what everybody used, at most a minute old where few slices are held."""
        now = self._stores.now()
        is_old = self._looked_at is None or now - self._looked_at > _PAST_USE_KEPT
        # Of many slices it is looked at in another thread, once a minute.
        if is_old and (self._looked_at is None or len(self._stores.ledger.slices) <= _FEW):
            self._take_past_use(self._uses.now_used()(), now)
        return self._turns.past

    def _take_past_use(self, sums: Mapping[Payer, float], now: datetime) -> None:
        live = self._stores.ledger.live_jobs.values()
        asking = {(job.group, job.owner) for job in live if job.state is JobState.WAITING}
        asking.update(self._others_ask())
        self._turns.take(sums, asking, now)
        self._looked_at = now

    def _ledger_changed(self, change: Change) -> None:
        # What else changes of a job (its reason, its progress) has no part in the order.
        order = self._entitlements
        if any((job.slice_id is not None) != (job.job_id in order) for job in change.jobs):
            self._ordered_under = None


def _entitled(ordered: Iterable[WaitingJob], plan: QueuePlan) -> Counter[GroupName | None]:
    """Return of how many jobs each group pays that wait though they are within its guarantee."""
    waits = {wait.job_id for wait in plan.waits}
    return Counter(
        job.group for job in ordered if job.rank is Rank.ENTITLED and job.job_id in waits
    )
