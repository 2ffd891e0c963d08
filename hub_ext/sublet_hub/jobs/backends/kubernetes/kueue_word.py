"""What Kueue says of a job, by the job's object and its Workload.

Kueue suspends an object to let its job wait, and again to take its room; it says why in the
Workload, and there it says so first. A Workload that is deactivated (``active: false``: by an admin
or by Kueue itself) is let begin no more until somebody activates it. Another object of the job
would have a Workload that is active.
"""

from dataclasses import dataclass

from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.reasons.job_reasons import JobReason

from sublet_hub.jobs.backends.kubernetes.attempts.status import (
    JobStatus,
    is_deactivated,
    is_evicted,
    is_suspended,
    why_evicted,
    why_not_admitted,
)
from sublet_hub.jobs.backends.kubernetes.cluster import JobsInCluster
from sublet_hub.jobs.backends.kubernetes.objects.manifests import resource_of
from sublet_hub.jobs.backends.kubernetes.objects.names import former_object_name
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.jobs.endings import Failed, Lost, Succeeded
from sublet_hub.kubernetes_api.resources import Manifest
from sublet_hub.ledger.records import JobRecord


@dataclass(frozen=True, slots=True)
class KueueWord:
    """Kueue's word on jobs, where it decides when they begin."""

    cluster: JobsInCluster
    settings: KubeJobSettings

    def why_waits(self, owner: Manifest) -> JobReason:
        """Return why Kueue does not let a job begin."""
        return why_not_admitted(self._workload_of(owner))

    def why_taken(self, owner: Manifest) -> JobReason:
        """Return why Kueue took a job's room away again."""
        return why_evicted(self._workload_of(owner))

    def is_taken_back(self, owner: Manifest, seen: JobStatus) -> bool:
        """Whether Kueue takes a running job's room: its pods are ended for that.

        However often, no attempt of the job's has failed by that.
        """
        if isinstance(seen, Succeeded | Failed):
            return False
        taken = isinstance(seen, Lost) and is_evicted(self._workload_of(owner))
        return is_suspended(owner) or taken

    def is_deactivated(self, owner: Manifest | None) -> bool:
        """Whether the job of an object is let begin no more until somebody says so."""
        if owner is None or not is_suspended(owner):
            return False
        return is_deactivated(self._workload_of(owner))

    def held(self, job: JobRecord) -> Manifest | None:
        """Return the object of a waiting job's last attempt, where that was deactivated.

        It is kept for that word; the job has no other object as long.
        """
        if self.settings.kueue is None or job.state is not JobState.WAITING:
            return None
        former = self.cluster.owner(resource_of(job, self.settings), former_object_name(job))
        return former if self.is_deactivated(former) else None

    def _workload_of(self, owner: Manifest) -> Manifest | None:
        return self.cluster.workload_of(owner["metadata"]["name"])
