"""How a notebook is looked at, and its files are copied, before a job of it is taken."""

from typing import Protocol

from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import AccountTemplate
from sublet_quota.wire.jobs import JobRequest

from sublet_hub.jobs.notebook import NotebookFacts, NotebookPath
from sublet_hub.ledger.records import JobRecord


class JobIntake(Protocol):
    """The part that can reach the owner's files, before a job is taken in."""

    @property
    def sees_files(self) -> bool:
        """Whether an owner's files can be read before a job runs."""
        ...

    def refuse(self, account: AccountTemplate, request: JobRequest) -> Refusal | None:
        """Return why jobs like this cannot run for this owner, or ``None``. ``AccountError``."""
        ...

    async def inspect(
        self, account: AccountTemplate, path: NotebookPath
    ) -> NotebookFacts | Refusal:
        """Return what is in the notebook, as far as can be known now, or why it cannot be a job."""
        ...

    async def take_along(
        self, account: AccountTemplate, path: NotebookPath, job: JobRecord
    ) -> Refusal | None:
        """Copy the notebook as it is now, and what the job takes along; return why not, if not."""
        ...
