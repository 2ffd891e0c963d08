"""The queue of waiting jobs: in the order that ``sublet_quota`` finds, placed where room is lent.

Only nodes on which this service can run jobs are asked. Past use wears off slowly, so it
is added up anew once a minute, not in each round.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sublet_quota.jobs.fair_share import (
    NO_PAST_USE,
    JobRun,
    PastUse,
    WaitingJob,
    gpus_held,
    order_jobs,
    past_use,
)
from sublet_quota.jobs.job_queue import JobPlacement, JobWait, lendable_gpus, plan_queue
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import GpuId, JobId, NodeId, SliceId, UserName
from sublet_quota.residency.snapshot import Holder

from sublet_hub.jobs import changes
from sublet_hub.ledger.records import Change, JobRecord, SliceRecord
from sublet_hub.state.metrics import ServiceMetrics
from sublet_hub.state.stores import Stores

_PAST_USE_KEPT = timedelta(minutes=1)


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


@dataclass(frozen=True, slots=True)
class JobNodes:
    """The nodes on which jobs can run."""

    reaches: Callable[[NodeId], bool]
    """Whether jobs can run on a node: on this machine alone, or in the whole cluster."""
    only_for: Callable[[UserName], NodeId | None] = lambda _: None
    """The one node on which the jobs of an owner can run, where there is only one."""


class JobQueue:
    """Places waiting jobs, and says why the others wait."""

    def __init__(
        self,
        stores: Stores,
        waiting: WaitingReasons,
        metrics: ServiceMetrics,
        nodes: JobNodes,
        *,
        decides: bool = True,
    ) -> None:
        """``decides``: whether this queue says which job is next; else the cluster's does."""
        self._stores = stores
        self._reasons = waiting
        self._metrics = metrics
        self._nodes = nodes
        self._decides = decides
        self._past = NO_PAST_USE
        self._past_at: datetime | None = None
        self._entitlements: Mapping[JobId, int] | None = None
        self._ordered_under = stores.capacity.holdings.document
        stores.ledger.listen(self._ledger_changed)

    @property
    def decides(self) -> bool:
        """Whether this queue says which job is next; else it tells only what could be lent now."""
        return self._decides

    def entitlements(self) -> Mapping[JobId, int]:
        """Return the place of each job that has a slice, 0 for the most entitled."""
        document = self._stores.capacity.holdings.document
        if self._entitlements is None or self._ordered_under is not document:
            live = self._stores.ledger.live_jobs.values()
            held = [self._waiting(job) for job in live if job.slice_id is not None]
            ordered = order_jobs(document, held, NO_PAST_USE)
            self._entitlements = {job.job_id: place for place, job in enumerate(ordered)}
            self._ordered_under = document
        return self._entitlements

    def place_jobs(self) -> int:
        """Place what can be placed; return how many jobs were."""
        stores = self._stores
        live = stores.ledger.live_jobs.values()
        waiting = [self._waiting(job) for job in live if job.state is JobState.WAITING]
        if not waiting:
            self._reasons.replace(())
            return 0
        now = stores.now()
        holdings = stores.capacity.holdings
        began = time.perf_counter()
        ordered = order_jobs(holdings.document, waiting, self._past_use(now))
        gpus = lendable_gpus(holdings, self._lendable())
        plan = plan_queue(ordered, gpus, lending=stores.ledger.lending)
        self._metrics.decision("queue", time.perf_counter() - began)
        self._reasons.replace(plan.waits)
        return sum(self._place(placement, now) for placement in plan.placements)

    def foresee(self, job: WaitingJob) -> JobWait | None:
        """Return why one job more would wait now; ``None`` where it would start at once."""
        job = replace(job, node=self._nodes.only_for(job.owner))
        stores = self._stores
        live = stores.ledger.live_jobs.values()
        waiting = [*(self._waiting(j) for j in live if j.state is JobState.WAITING), job]
        holdings = stores.capacity.holdings
        ordered = order_jobs(holdings.document, waiting, self._past_use(stores.now()))
        gpus = lendable_gpus(holdings, self._lendable())
        plan = plan_queue(ordered, gpus, lending=stores.ledger.lending)
        return next((wait for wait in plan.waits if wait.job_id == job.job_id), None)

    def _lendable(self) -> dict[GpuId, int]:
        """Return what agents can lend in MiB a card, less jobs that they have not heard of yet."""
        stores = self._stores
        lendable: dict[GpuId, int] = {}
        for view in stores.fleet.speaking():
            if not self._nodes.reaches(view.node):
                continue
            for gpu_id, report in view.gpus.items():
                unheard = sum(
                    record.memory_mib
                    for record in stores.ledger.slices_on_gpu(gpu_id)
                    if record.is_job and record.slice_id not in view.slices
                )
                lendable[gpu_id] = max(0, report.lendable_mib - unheard)
        return lendable

    def _place(self, placement: JobPlacement, now: datetime) -> bool:
        ledger = self._stores.ledger
        job = ledger.jobs[placement.job.job_id]
        account = self._stores.accounts.find(job.owner)
        gpu = ledger.gpus[placement.gpu_id]
        # Another job of this owner may have bound their files to a node just now.
        if account is None or self._nodes.only_for(job.owner) not in {None, gpu.node}:
            return False
        record = SliceRecord(
            slice_id=SliceId(secrets.token_hex(16)),
            holder=Holder.JOB,
            owner=job.owner,
            groups=(),
            server="",
            job_id=job.job_id,
            size=None,
            pool=placement.pool,
            gpu=gpu,
            memory_mib=placement.amount.memory_mib,
            compute_milli=placement.amount.compute_milli,
            uid=account.template.uid,
            created_at=now,
        )
        facts = self._stores.capacity.holdings.gpu(gpu.gpu_id)
        held = 1.0 if facts is None else gpus_held(record.memory_mib, facts.kind)
        ledger.apply(changes.placed(job, record, held, now), now)
        return True

    def _waiting(self, job: JobRecord) -> WaitingJob:
        return WaitingJob(
            job_id=job.job_id,
            owner=job.owner,
            groups=job.groups,
            memory_mib=job.memory_mib,
            compute_milli=job.compute_milli,
            gpu_type=job.gpu_type,
            priority=job.priority,
            submitted_at=job.submitted_at,
            gpus=job.gpus,
            node=self._nodes.only_for(job.owner),
        )

    def _past_use(self, now: datetime) -> PastUse:
        if self._past_at is None or now - self._past_at > _PAST_USE_KEPT:
            runs = (
                JobRun(job.owner, job.groups, job.gpus_held, job.started_at, job.ended_at)
                for job in self._stores.ledger.all_job_facts()
                if job.started_at is not None
            )
            self._past = past_use(self._stores.capacity.holdings.document, runs, now)
            self._past_at = now
        return self._past

    def _ledger_changed(self, change: Change) -> None:
        # What else changes of a job (its reason, its progress) has no part in the order.
        order = self._entitlements
        if order is not None and any(
            (job.slice_id is not None) != (job.job_id in order) for job in change.jobs
        ):
            self._entitlements = None
