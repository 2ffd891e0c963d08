"""A hub without training jobs: each is refused in words, and nothing is run anywhere.

Jobs that were taken in before jobs were switched off stay in the ledger as they are, and go on when
there are jobs again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from sublet_quota.ids import SliceId
from sublet_quota.job_states import JobState
from sublet_quota.refusal import Refusal, RefusalReason
from sublet_quota.wire.api import AccountTemplate, JobRequest

from sublet_hub.job_backend import BackendBooks, JobBackend
from sublet_hub.job_intake import JobIntake
from sublet_hub.ledger import Change, JobRecord
from sublet_hub.local_jobs.notebook_check import NotebookFacts, NotebookPath

_REFUSAL: Final = Refusal(
    RefusalReason.NO_JOBS,
    "This hub runs no training jobs: an administrator has switched them off. Run the notebook in "
    "your server.",
)
_WAITS: Final = "waits until an administrator switches training jobs on again"


class NoRuns:
    """Runs no jobs."""

    has_own_queue: Final = False

    def __init__(self, *, home_is_shared: bool) -> None:
        self.home_is_shared = home_is_shared
        """Whether several nodes can mount an owner's files at once: that binds servers, too."""
        self.intake: JobIntake = NoIntake()

    def backend(self, books: BackendBooks) -> JobBackend:
        """Whoever does nothing with jobs of before."""
        return IdleBackend(books)


class NoIntake:
    """Takes no jobs in."""

    sees_files: Final = False

    def refuse(self, account: AccountTemplate, request: JobRequest) -> Refusal | None:
        """Say that there are no jobs."""
        del account, request
        return _REFUSAL

    async def inspect(
        self, account: AccountTemplate, path: NotebookPath
    ) -> NotebookFacts | Refusal:
        """Say that there are no jobs."""
        del account, path
        return _REFUSAL

    async def take_along(
        self, account: AccountTemplate, path: NotebookPath, job: JobRecord
    ) -> Refusal | None:
        """Say that there are no jobs."""
        del account, path, job
        return _REFUSAL


@dataclass(frozen=True, slots=True)
class IdleBackend:
    """Leaves all jobs as they are."""

    books: BackendBooks

    def on_news(self, listener: Callable[[], None]) -> None:
        """There are none."""

    def adopt(self) -> None:
        """Nothing is taken up."""

    def round(self) -> None:
        """Tell the owners of jobs that wait for what."""
        ledger = self.books.ledger
        told = tuple(
            replace(job, reason=_WAITS)
            for job in ledger.live_jobs.values()
            if job.state is JobState.WAITING and job.reason != _WAITS
        )
        if told:
            ledger.apply(Change(jobs=told), self.books.now())

    def evict(self, slice_id: SliceId, why: str) -> None:
        """Whoever runs jobs again finds out."""

    def lose(self, slice_id: SliceId, why: str) -> None:
        """The same."""

    async def close(self) -> None:
        """Nothing is open."""
