"""Taking jobs in where the service cannot see its owners' files: they are in volumes of theirs.

What a notebook lacks is then found by the runner in the job's pod, which ends with the same words;
the notebook server's own inspection has told its owner before. The notebook server (or the command
in it) copies the notebook and what the job takes along; where a job was submitted from elsewhere,
the first attempt that begins does.
"""

from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.jobs import JobRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.wire.api import AccountTemplate
from sublet_quota.wire.jobs import JobRequest

from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.jobs.notebook import NotebookFacts, NotebookPath
from sublet_hub.ledger.records import JobRecord


class PodIntake:
    """The intake of jobs in a cluster, whose service sees no files of their owners."""

    def __init__(self, settings: KubeJobSettings) -> None:
        self._settings = settings

    @property
    def sees_files(self) -> bool:
        """Never: they are in a volume of their owner's."""
        return False

    def refuse(self, account: AccountTemplate, request: JobRequest) -> Refusal | None:
        """Return why jobs like this cannot run for this owner, or ``None``."""
        if account.pod is None:
            return refuse(JobRefusal.POD_UNKNOWN)
        if request.gpus > 1 and self._settings.kueue is None:
            return refuse(
                JobRefusal.SEVERAL_GPUS_WITHOUT_KUEUE, asked_gpus=request.gpus, most_gpus=1
            )
        return None

    async def inspect(
        self, account: AccountTemplate, path: NotebookPath
    ) -> NotebookFacts | Refusal:
        """Return facts that say nothing: only what has the owner's volume reads the notebook."""
        del account, path
        return NotebookFacts(cells=0, kernel=None, kernel_installed=True)

    async def take_along(
        self, account: AccountTemplate, path: NotebookPath, job: JobRecord
    ) -> Refusal | None:
        """Copy nothing: the owner's notebook server does, or the job's first attempt."""
        del account, path, job
        return None
