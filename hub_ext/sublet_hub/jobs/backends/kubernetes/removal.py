"""Removes jobs' objects from the cluster: of attempts that end, and of those that nobody wants."""

from collections.abc import Mapping
from dataclasses import dataclass

from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import JobId

from sublet_hub.jobs.backends.kubernetes.cluster import JobsInCluster
from sublet_hub.jobs.backends.kubernetes.kueue_word import KueueWord
from sublet_hub.jobs.backends.kubernetes.object_tasks import ObjectTasks
from sublet_hub.jobs.backends.kubernetes.objects.names import JOB_ID, object_name
from sublet_hub.kubernetes_api.resources import Manifest
from sublet_hub.ledger.records import JobRecord


@dataclass(frozen=True, slots=True)
class Removal:
    """Removes objects, one task for each."""

    cluster: JobsInCluster
    tasks: ObjectTasks
    word: KueueWord

    def remove(self, owner: Manifest) -> None:
        """Remove an object and its pods, unless it is going already."""
        name = owner["metadata"]["name"]
        for resource, value in self.cluster.owners():
            if value["metadata"]["name"] == name and not value["metadata"].get("deletionTimestamp"):
                self.tasks.run(name, self.cluster.delete(resource, value))
                return

    def remove_orphans(self, live_jobs: Mapping[JobId, JobRecord], *, own_queue: bool) -> None:
        """Remove what belongs to no attempt that is wanted: of jobs that ended, or were cancelled.

        ``own_queue``: whether ours says who is next: jobs that wait there have no objects.
        """
        for _, owner in list(self.cluster.owners()):
            job = live_jobs.get(JobId(owner["metadata"]["labels"][JOB_ID]))
            wanted = job is not None and object_name(job) == owner["metadata"]["name"]
            waits = job is not None and job.state is JobState.WAITING and own_queue
            held = None if job is None else self.word.held(job)
            is_held = held is not None and held["metadata"]["name"] == owner["metadata"]["name"]
            if (not wanted or waits) and not is_held:
                self.remove(owner)
