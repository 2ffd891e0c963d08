"""A hub without training jobs: each new one is refused in words, and none is placed.

Of those that were taken in before jobs were switched off, the ones that wait stay in the ledger
until there are jobs again. The ones that have their place end as usual on this machine. In a
cluster the service has no rights on their pods any more: they run on unseen, and say so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.jobs_off import JobsOff
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.jobs import JobRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.wire.api import AccountTemplate
from sublet_quota.wire.jobs import JobRequest

from sublet_hub.jobs.backend import JobBackend
from sublet_hub.jobs.backends.local.runner import runner_of
from sublet_hub.jobs.intake import JobIntake
from sublet_hub.jobs.notebook import NotebookFacts, NotebookPath
from sublet_hub.ledger.records import JobRecord
from sublet_hub.settings import ServiceSettings
from sublet_hub.slices.pods import Pods
from sublet_hub.state.stores import Stores

_REFUSAL: Final = refuse(JobRefusal.SWITCHED_OFF)


class NoRuns:
    """Begins no jobs; ``here``: those of before are processes of this machine, set up so."""

    has_own_queue: Final = False
    takes: Final = None

    def __init__(self, *, home_is_shared: bool, here: ServiceSettings | None = None) -> None:
        self.home_is_shared = home_is_shared
        """Whether several nodes can mount an owner's files at once: that binds servers, too."""
        self.intake: JobIntake = NoIntake()
        self._here = here

    @property
    def ends_jobs(self) -> bool:
        """Whether jobs of before can be ended."""
        return self._here is not None

    def why_untouched(self, job: JobRecord) -> JobsOff | None:
        """Return why the service does nothing for a job; ``None`` where it does."""
        if job.state is JobState.WAITING:
            return JobsOff.WAITS
        return JobsOff.UNATTENDED if self._here is None else None

    def backend(self, stores: Stores, pods: Pods) -> JobBackend:
        """Return the backend that brings jobs of before to their end, or leaves them alone."""
        del pods
        if self._here is None:
            return IdleBackend(stores)
        return LastJobs(stores, runner_of(stores, self._here))


class NoIntake:
    """The intake of a hub without jobs, which takes none in."""

    sees_files: Final = False

    def refuse(self, account: AccountTemplate, request: JobRequest) -> Refusal | None:
        """Return the refusal that there are no jobs here."""
        del account, request
        return _REFUSAL

    async def inspect(
        self, account: AccountTemplate, path: NotebookPath
    ) -> NotebookFacts | Refusal:
        """Return the refusal that there are no jobs here."""
        del account, path
        return _REFUSAL

    async def take_along(
        self, account: AccountTemplate, path: NotebookPath, job: JobRecord
    ) -> Refusal | None:
        """Return the refusal that there are no jobs here."""
        del account, path, job
        return _REFUSAL


@dataclass(frozen=True, slots=True)
class LastJobs:
    """The backend that begins no jobs, and has those that have their place end as usual."""

    stores: Stores
    runner: JobBackend

    def on_news(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when a round is due at once."""
        self.runner.on_news(listener)

    def adopt(self) -> None:
        """Take up the jobs that ran when the service ended."""
        self.runner.adopt()

    def round(self) -> None:
        """Look at every job that has its place."""
        self.runner.round()

    def evict(self, slice_id: SliceId, why: str) -> None:
        """Have a job wait again, which had to leave its card."""
        self.runner.evict(slice_id, why)

    def lose(self, slice_id: SliceId, why: str) -> None:
        """Have a job wait again whose GPU state is lost."""
        self.runner.lose(slice_id, why)

    async def close(self) -> None:
        """Stop watching; the jobs run on."""
        await self.runner.close()


@dataclass(frozen=True, slots=True)
class IdleBackend:
    """The backend that leaves all jobs as they are."""

    stores: Stores

    def on_news(self, listener: Callable[[], None]) -> None:
        """Take no listener: there is never any news."""

    def adopt(self) -> None:
        """Take up no job."""

    def round(self) -> None:
        """Look at no job."""

    def evict(self, slice_id: SliceId, why: str) -> None:
        """Do nothing: whoever runs jobs again finds out that this one had to leave its card."""

    def lose(self, slice_id: SliceId, why: str) -> None:
        """Do nothing: whoever runs jobs again finds out that this one's GPU state is lost."""

    async def close(self) -> None:
        """Close nothing, for nothing is open."""
