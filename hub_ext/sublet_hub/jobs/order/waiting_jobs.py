"""Jobs of the ledger as the queue orders and places them: with what their payers let them use."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.rights import DEFAULT_MAX_RUN
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.payers.job_rights import KnownRights
from sublet_quota.jobs.payers.known_limits import KnownLimits
from sublet_quota.jobs.payers.recharged_jobs import RunningJob
from sublet_quota.jobs.turns.job_order import JobEntitlement, open_kinds
from sublet_quota.jobs.turns.past_uses import estimate_of
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, JobId, NodeId, SliceId, UserName
from sublet_quota.residency.snapshot import Rank

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, JobRecord
from sublet_hub.state.capacity import Capacity


def max_run_of(job: JobRecord) -> timedelta:
    """Return how long one attempt of a job lasts at most, as far as estimates know."""
    return DEFAULT_MAX_RUN if job.max_run_s is None else timedelta(seconds=job.max_run_s)


class WaitingJobs:
    """Makes jobs of records, under the document in force."""

    def __init__(
        self, ledger: Ledger, capacity: Capacity, only_for: Callable[[UserName], NodeId | None]
    ) -> None:
        """``only_for``: the one node on which the jobs of an owner can run, where there is one."""
        self._ledger = ledger
        self._capacity = capacity
        self._only_for = only_for
        self._known = KnownRights(capacity.holdings.document)
        self._limits = KnownLimits(capacity.holdings.document)
        self._last_runs: dict[UserName, tuple[timedelta, ...]] = {}
        ledger.listen(self._ledger_changed)

    def kinds(self) -> Mapping[GpuKind, str]:
        """Return the kinds of GPU that jobs could use now; asked once in a round."""
        holdings = self._capacity.holdings
        if self._known.document is not holdings.document:
            self._known = KnownRights(holdings.document)
            self._limits = KnownLimits(holdings.document)
        return open_kinds(holdings)

    def limits(self) -> JobLimits:
        """Return the limits that jobs meet in a round, after ``kinds``."""
        return JobLimits(self._capacity.holdings, self._limits)

    def of(self, job: JobRecord, kinds: Mapping[GpuKind, str]) -> WaitingJob:
        """Return a job with where it may run, of these kinds, and who else could pay."""
        waiting, max_run = _waiting(job), max_run_of(job)
        others = () if job.named else _drawn(job)
        instead = tuple(
            self.allowed(replace(waiting, group=GroupName(group)), max_run, kinds)
            for group in others
            if group != job.group
        )
        return replace(self.allowed(waiting, max_run, kinds), instead=instead)

    def rechargeable(self, entitled: Mapping[JobId, JobEntitlement]) -> tuple[RunningJob, ...]:
        """Return the jobs that have a slice and that other groups could pay; after ``kinds``."""
        could = [
            job
            for job in self._ledger.live_jobs.values()
            if job.slice_id is not None and not job.named and len(job.member_of) > 1
        ]
        kinds = self.kinds() if could else {}
        found = []
        for job in could:
            running = self.running(job, kinds)
            if running is not None:
                ranked = entitled.get(job.job_id)
                rank = Rank.BORROWED if ranked is None else ranked.rank
                found.append(replace(running, job=replace(running.job, rank=rank)))
        return tuple(found)

    def running(self, job: JobRecord, kinds: Mapping[GpuKind, str]) -> RunningJob | None:
        """Return a job that has a slice on a card, with who else could pay; ``None``: it has none.

        How it is entitled is not in it.
        """
        record = self._ledger.slices.get(job.slice_id or SliceId(""))
        if record is None:
            return None
        holdings, gpu_id = self._capacity.holdings, record.gpu.gpu_id
        facts, gpu_type = holdings.gpu(gpu_id), holdings.type_of(gpu_id)
        if facts is None or gpu_type is None:
            return None
        waiting = self.of(job, kinds)
        return RunningJob(waiting, record.slice_id, facts.kind, gpu_type, record.created_at)

    def kinds_for(self, job: JobRecord, kinds: Mapping[GpuKind, str]) -> frozenset[GpuKind]:
        """Return where the rights of a job's payer let it run, of these kinds."""
        return self._known.kinds_for(_waiting(job), kinds)

    def allowed(
        self, job: WaitingJob, max_run: timedelta, kinds: Mapping[GpuKind, str]
    ) -> WaitingJob:
        """Return a job with where it may and can run, and how long it is thought to take."""
        return replace(
            job,
            kinds=self._known.kinds_for(job, kinds),
            node=self._only_for(job.owner),
            estimate=self.estimate(job.owner, max_run),
            max_run=max_run,
        )

    def estimate(self, owner: UserName, max_run: timedelta) -> timedelta:
        """Return how long an attempt of a job is thought to take."""
        if owner not in self._last_runs:
            self._last_runs[owner] = self._runs_of(owner)
        return estimate_of(max_run, self._last_runs[owner])

    def _runs_of(self, owner: UserName) -> tuple[timedelta, ...]:
        """Return how long the last jobs of an owner ran, the last first."""
        runs: list[tuple[datetime, timedelta]] = [
            (job.ended_at, job.ended_at - job.started_at)
            for job in self._ledger.ended_jobs_of_owner(owner)
            if job.started_at is not None and job.ended_at is not None
        ]
        return tuple(run for _, run in sorted(runs, reverse=True))

    def _ledger_changed(self, change: Change) -> None:
        for job in change.jobs:
            if job.ended_at is not None:
                self._last_runs.pop(job.owner, None)


def _drawn(job: JobRecord) -> tuple[str, ...]:
    """Return the groups that could pay for a job, in the order that its lot draws."""
    first = job.lot % len(job.member_of) if job.member_of else 0
    return *job.member_of[first:], *job.member_of[:first]


def _waiting(job: JobRecord) -> WaitingJob:
    """Return a job as its record has it, without what rights and other jobs make of it."""
    return WaitingJob(
        job_id=job.job_id,
        owner=job.owner,
        memory_mib=job.memory_mib,
        compute_milli=job.compute_milli,
        gpu_type=job.gpu_type,
        priority=job.priority,
        submitted_at=job.submitted_at,
        gpus=job.gpus,
        hub_groups=job.groups,
        group=job.group,
        lot=job.lot,
    )
