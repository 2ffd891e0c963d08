"""Takes jobs in, as users ask; what becomes of them is their backend's part.

A job is refused before anything has changed: a notebook that is not there, that cannot run, or
that its owner may not run, never gets into the queue.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import PurePosixPath

from pydantic import ValidationError
from sublet_quota.document.group_limits import group_jobs_most
from sublet_quota.jobs.job_admission import AdmittedJob, admit_job
from sublet_quota.jobs.job_room import TakenRoom, refuse_for_room
from sublet_quota.jobs.requested_job import JobCounts, RequestedJob
from sublet_quota.jobs.take_along import refuse_paths
from sublet_quota.life_cycles.job_states import ENDED, JobState
from sublet_quota.names.ids import GroupName, JobId, UserName
from sublet_quota.names.job_names import job_name
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.jobs import JobRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.wire.jobs import JobLog, JobRequest

from sublet_hub.errors import TooManyRequestsError
from sublet_hub.jobs import changes
from sublet_hub.jobs.environment import refuse_variables
from sublet_hub.jobs.intake import JobIntake
from sublet_hub.jobs.notebook import NotebookFacts, NotebookPath, locate_notebook, refuse_parameters
from sublet_hub.ledger.job_parameters import JobParameters
from sublet_hub.ledger.records import JobRecord
from sublet_hub.state.owner_accounts import OwnerAccount
from sublet_hub.state.stores import Stores

_CHECKS_AT_ONCE = 12
_COPIES_AT_ONCE = 12
"""How many copies are made at once, apart from checks: copying may take minutes."""
_OWNERS_AT_ONCE = 64
_LOT_BITS = 62


@dataclass(frozen=True, slots=True)
class _Asked:
    """A job that somebody asks for, and how."""

    request: JobRequest
    may_go_first: bool
    server: str | None = None
    """The notebook server that it would be promoted from."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A job that would be taken in."""

    wish: RequestedJob
    admitted: AdmittedJob
    path: NotebookPath


class JobSubmission:
    """Submits jobs and shows their logs."""

    def __init__(self, stores: Stores, intake: JobIntake) -> None:
        self._stores = stores
        self._intake = intake
        self._checks = asyncio.Semaphore(_CHECKS_AT_ONCE)
        self._copies = asyncio.Semaphore(_COPIES_AT_ONCE)
        self._busy_with: set[UserName] = set()
        self._coming: dict[JobId, JobRecord] = {}
        """Those that are taken, and whose files are being copied: they count in groups' numbers."""

    async def submit(
        self,
        owner: UserName,
        groups: tuple[str, ...],
        request: JobRequest,
        *,
        may_go_first: bool = False,
        server: str | None = None,
    ) -> JobRecord | Refusal:
        """Take a job in and return it, or why not; admins' jobs may go before what is fair.

        ``server``: the notebook server that it is promoted from. Only one of this owner's counts,
        while it holds a slice.
        """
        account = self._account(owner, groups)
        if isinstance(account, Refusal):
            return account
        if server is not None and self._stores.ledger.slice_of_server(owner, server) is None:
            server = None
        asked = _Asked(request, may_go_first, server)
        seen = self._look_at(account, asked)
        if isinstance(seen, Refusal):
            return seen
        with self._turn_of(owner):
            return await self._take_in(account, asked, seen.path)

    def foresee(
        self,
        owner: UserName,
        groups: tuple[str, ...],
        request: JobRequest,
        *,
        may_go_first: bool = False,
    ) -> Foreseen | Refusal:
        """Return who would pay, or why not, as far as that is known without the notebook."""
        account = self._account(owner, groups)
        if isinstance(account, Refusal):
            return account
        return self._look_at(account, _Asked(request, may_go_first))

    @property
    def sees_notebooks(self) -> bool:
        """Whether notebooks can be looked into before their jobs run."""
        return self._intake.sees_files

    async def refuse_notebook(
        self, owner: UserName, groups: tuple[str, ...], request: JobRequest
    ) -> Refusal | None:
        """Return why the job would be refused for its notebook. Starts a process of its owner."""
        account = self._account(owner, groups)
        if isinstance(account, Refusal):
            return account
        path = locate_notebook(account.template, request.notebook)
        if isinstance(path, Refusal):
            return path
        with self._turn_of(owner):
            facts = await self._inspect(account, path)
        if isinstance(facts, Refusal):
            return facts
        return refuse_parameters(request.parameters, facts)

    async def again(
        self,
        job: JobRecord,
        groups: tuple[str, ...],
        *,
        may_go_first: bool = False,
        server: str | None = None,
    ) -> JobRecord | Refusal:
        """Take in and return a job that asks for the same as this one, as far as the caller may.

        ``server``: the notebook server from which that is asked, as of a new one.
        """
        try:
            request = JobRequest(
                notebook=job.notebook,
                name=job.name,
                parameters=job.parameters.values(),
                memory_mib="whole" if job.memory_mib is None else job.memory_mib,
                compute_milli=job.compute_milli,
                gpu_type=job.gpu_type,
                priority=job.priority if may_go_first else min(job.priority, 0),
                max_run_s=job.max_run_s,
                environment=self._stores.files.environment(job.job_id),
                take_along=job.take_along,
                retries=job.retries,
                gpus=job.gpus,
                group=job.group if job.named else None,
            )
        except ValidationError as error:
            found = "; ".join(str(each["msg"]) for each in error.errors(include_url=False))
            return refuse(JobRefusal.NOT_AS_BEFORE, told=found)
        return await self.submit(
            job.owner, groups, request, may_go_first=may_go_first, server=server
        )

    def log(self, job: JobRecord, offset: int) -> JobLog:
        """Return part of what a job has printed, from a byte on."""
        return self._stores.files.read_log(job.job_id, offset, ended=job.state in ENDED)

    @contextmanager
    def _turn_of(self, owner: UserName) -> Iterator[None]:
        """Return a context for one notebook of an owner at a time. ``TooManyRequestsError``."""
        if owner in self._busy_with:
            message = "another notebook of yours is being checked: try again when that is done"
            raise TooManyRequestsError(message, retry_after_s=2)
        if len(self._busy_with) >= _OWNERS_AT_ONCE:
            message = "many notebooks are being checked: try again in a moment"
            raise TooManyRequestsError(message, retry_after_s=5)
        self._busy_with.add(owner)
        try:
            yield
        finally:
            self._busy_with.discard(owner)

    async def _inspect(self, account: OwnerAccount, path: NotebookPath) -> NotebookFacts | Refusal:
        async with self._checks:
            return await self._intake.inspect(account.template, path)

    def _account(self, owner: UserName, groups: tuple[str, ...]) -> OwnerAccount | Refusal:
        account = self._stores.accounts.find(owner)
        if account is None:
            return refuse(JobRefusal.ACCOUNT_UNKNOWN)
        return account.model_copy(update={"groups": groups})

    def _look_at(self, account: OwnerAccount, asked: _Asked) -> Foreseen | Refusal:
        """Return what is known without reading the notebook, or refused. ``AccountError``."""
        request = asked.request
        refusal = (
            self._refuse_for_disk()
            or self._refuse_for_room(UserName(account.owner))
            or self._intake.refuse(account.template, request)
            or refuse_variables(request.environment)
            or refuse_paths(request.take_along)
        )
        if refusal is not None:
            return refusal
        wish = _wish(account, asked)
        admitted = self._admit(wish)
        if isinstance(admitted, Refusal):
            return admitted
        path = locate_notebook(account.template, request.notebook)
        return path if isinstance(path, Refusal) else Foreseen(wish, admitted, path)

    async def _take_in(
        self,
        account: OwnerAccount,
        asked: _Asked,
        path: NotebookPath,
    ) -> JobRecord | Refusal:
        request = asked.request
        facts = await self._inspect(account, path)
        if isinstance(facts, Refusal):
            return facts
        # Asked again: others were served while the notebook was looked at.
        refusal = refuse_parameters(request.parameters, facts) or self._refuse_for_room(
            UserName(account.owner)
        )
        if refusal is not None:
            return refusal
        wish = _wish(account, asked)
        admitted = self._admit(wish)
        if isinstance(admitted, Refusal):
            return admitted
        job = self._new_job(account, asked, facts, Foreseen(wish, admitted, path))
        self._coming[job.job_id] = job
        try:
            async with self._copies:
                refusal = await self._intake.take_along(account.template, path, job)
        finally:
            del self._coming[job.job_id]
        if refusal is not None:
            return refusal
        self._stores.files.prepare(job.job_id, request.environment)
        self._stores.ledger.apply(changes.submitted(job), job.submitted_at)
        return job

    def _admit(self, wish: RequestedJob) -> AdmittedJob | Refusal:
        holdings = self._stores.capacity.holdings
        return admit_job(holdings, wish, self._counts(wish), self._stores.now())

    def _counts(self, wish: RequestedJob) -> JobCounts:
        """Return the jobs that count against what somebody and their groups may have."""
        ledger = self._stores.ledger
        document = self._stores.capacity.holdings.document
        owner = UserName(wish.owner)
        of_owner = len(ledger.live_jobs_of_owner(owner))
        groups = document.groups_of(wish.groups)
        if not any(group_jobs_most(document, group) for group in groups):
            return JobCounts(of_owner)
        of_group: Counter[GroupName] = Counter()
        own: Counter[GroupName] = Counter()
        for job in chain(ledger.live_jobs.values(), self._coming.values()):
            if job.group is not None and job.group in document.all_groups:
                path = document.path_of(job.group)
                of_group.update(path)
                own.update(path if job.owner == owner else ())
        return JobCounts(of_owner, of_group, own)

    def _refuse_for_room(self, owner: UserName) -> Refusal | None:
        ledger = self._stores.ledger
        return refuse_for_room(TakenRoom(ledger.live_job_bytes(owner), ledger.live_job_bytes()))

    def _refuse_for_disk(self) -> Refusal | None:
        files = self._stores.files
        if not files.is_short():
            return None
        return refuse(
            JobRefusal.DISK_FULL,
            free_mib=files.free_bytes() // 2**20,
            kept_mib=files.keep_free_bytes // 2**20,
        )

    def _new_job(
        self,
        account: OwnerAccount,
        asked: _Asked,
        facts: NotebookFacts,
        seen: Foreseen,
    ) -> JobRecord:
        request, admitted = asked.request, seen.admitted
        stem = PurePosixPath(seen.path.relative).stem
        return JobRecord(
            job_id=JobId(secrets.token_hex(6)),
            owner=UserName(account.owner),
            groups=account.groups,
            name=job_name(request.name or stem),
            notebook=seen.path.relative,
            parameters=JobParameters.of(request.parameters),
            kernel=facts.kernel,
            memory_mib=request.asked_mib,
            compute_milli=request.compute_milli,
            gpu_type=request.gpu_type,
            priority=request.priority,
            max_run_s=max(1, int(admitted.max_run.total_seconds())),
            state=JobState.WAITING,
            reason=JobReason(JobReasonCode.SUBMITTED),
            submitted_at=self._stores.now(),
            cells_total=facts.cells or None,
            take_along=tuple(dict.fromkeys(request.take_along)),
            retries=request.retries,
            gpus=request.gpus,
            group=admitted.group,
            named=admitted.named,
            member_of=admitted.member_of,
            lot=seen.wish.lot,
            server=asked.server,
        )


def _wish(account: OwnerAccount, asked: _Asked) -> RequestedJob:
    request = asked.request
    max_run_s = request.max_run_s
    return RequestedJob(
        owner=account.owner,
        groups=account.groups,
        memory_mib=request.asked_mib,
        compute_milli=request.compute_milli,
        gpus=request.gpus,
        gpu_type=request.gpu_type,
        priority=request.priority,
        may_go_first=asked.may_go_first,
        group=request.group,
        max_run=None if max_run_s is None else timedelta(seconds=max_run_s),
        lot=secrets.randbits(_LOT_BITS),
    )
