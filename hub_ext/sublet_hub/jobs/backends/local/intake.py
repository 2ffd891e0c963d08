"""Reads and copies the files of a job on this machine, as their owner."""

from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.jobs import JobRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.wire.api import AccountTemplate
from sublet_quota.wire.jobs import JobRequest

from sublet_hub.host.accounts import run_as
from sublet_hub.jobs.backends.local.notebook_check import inspect_notebook, take_along
from sublet_hub.jobs.folders import paths_of
from sublet_hub.jobs.notebook import NotebookFacts, NotebookPath
from sublet_hub.ledger.records import JobRecord
from sublet_hub.settings import JobSettings


class LocalIntake:
    """The intake of jobs on this machine: processes of the owner look and copy."""

    def __init__(self, settings: JobSettings) -> None:
        self._settings = settings

    @property
    def sees_files(self) -> bool:
        """Always: they are on this machine."""
        return True

    def refuse(self, account: AccountTemplate, request: JobRequest) -> Refusal | None:
        """Return why jobs like this cannot run for this owner, or ``None``. ``AccountError``."""
        run_as(account)
        if request.gpus == 1:
            return None
        return refuse(JobRefusal.SEVERAL_GPUS_ON_MACHINE, asked_gpus=request.gpus, most_gpus=1)

    async def inspect(
        self, account: AccountTemplate, path: NotebookPath
    ) -> NotebookFacts | Refusal:
        """Return what is in the notebook, as its owner reads it, or why it cannot be a job."""
        return await inspect_notebook(account, path, within=self._settings.check_timeout)

    async def take_along(
        self, account: AccountTemplate, path: NotebookPath, job: JobRecord
    ) -> Refusal | None:
        """Copy the notebook as it is now, and what the job takes along; return why not, if not."""
        to = str(paths_of(job, account).copy_folder)
        return await take_along(
            account, path, job.take_along, to, within=self._settings.copy_timeout
        )
