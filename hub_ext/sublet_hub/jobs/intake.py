"""How a notebook is looked at, and its files are copied, before a job of it is taken."""

from typing import Protocol

from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import AccountTemplate, JobRequest

from sublet_hub.jobs.notebook import NotebookFacts, NotebookPath
from sublet_hub.ledger.records import JobRecord


class JobIntake(Protocol):
    """Whoever can reach the owner's files."""

    @property
    def sees_files(self) -> bool:
        """Whether these can be read before a job runs."""
        ...

    def refuse(self, account: AccountTemplate, request: JobRequest) -> Refusal | None:
        """Say why jobs like this cannot run for this owner. ``AccountError``."""
        ...

    async def inspect(
        self, account: AccountTemplate, path: NotebookPath
    ) -> NotebookFacts | Refusal:
        """Say what is in the notebook, as far as can be known now."""
        ...

    async def take_along(
        self, account: AccountTemplate, path: NotebookPath, job: JobRecord
    ) -> Refusal | None:
        """Copy the notebook as it is now, and what the job takes along."""
        ...
