"""Makes the object that runs a job's attempt, or says why it cannot be made yet, or ever."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sublet_quota.life_cycles.job_states import JobMove
from sublet_quota.names.ids import JobId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode

from sublet_hub.jobs.backends.kubernetes.attempts.node_choice import NotYetError
from sublet_hub.jobs.backends.kubernetes.attempts.pending import PendingJobs
from sublet_hub.jobs.backends.kubernetes.attempts.preparation import Attempts, CannotRunError
from sublet_hub.jobs.backends.kubernetes.cluster import JobsInCluster
from sublet_hub.jobs.backends.kubernetes.object_tasks import TRY_AGAIN_AFTER, ObjectTasks
from sublet_hub.jobs.backends.kubernetes.objects.manifests import manifest_of, resource_of
from sublet_hub.jobs.backends.kubernetes.objects.names import object_name
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.jobs.endings import Ending
from sublet_hub.kubernetes_api.errors import KubeConflictError, KubeError
from sublet_hub.kubernetes_api.resources import Manifest
from sublet_hub.ledger.records import JobRecord, SliceRecord
from sublet_hub.state.stores import Stores

_CONFLICT_PASSES: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """Makes objects, in one task for each."""

    cluster: JobsInCluster
    stores: Stores
    settings: KubeJobSettings
    attempts: Attempts
    pending: PendingJobs
    tasks: ObjectTasks
    endings: dict[JobId, Ending]
    """What becomes of jobs whose attempt is over, of those that cannot be made among them."""
    say: Callable[[JobId, JobReason], None]
    """Notes for its owner what a job waits for."""

    def make(self, job: JobRecord, record: SliceRecord | None) -> None:
        """Make the object of a job's next attempt; ``record``: its slice, where it has one."""
        try:
            manifest = manifest_of(self.attempts.prepare(job, record), self.settings)
        except NotYetError as error:
            if record is None:
                self.say(job.job_id, error.why)
            else:
                self.endings[job.job_id] = Ending(JobMove.GO_BACK, error.why)
            return
        except CannotRunError as error:
            self.endings[job.job_id] = Ending(JobMove.FAIL, error.why)
            return
        self.tasks.run(_making(object_name(job)), self._create_or_fail(job.job_id, manifest))

    async def _create_or_fail(self, job_id: JobId, manifest: Manifest) -> None:
        job = self.stores.ledger.jobs[job_id]
        name = manifest["metadata"]["name"]

        def is_wanted() -> bool:
            # Others were made first: meanwhile it may have ended, or been placed elsewhere.
            now = self.stores.ledger.live_jobs.get(job_id)
            same = now is not None and (now.slice_id, object_name(now)) == (job.slice_id, name)
            return same and job_id not in self.endings

        try:
            if await self.cluster.create(resource_of(job, self.settings), manifest, is_wanted):
                self.pending.note_granted(job_id)
            self.tasks.rest(_making(name), TRY_AGAIN_AFTER)
        except KubeConflictError:
            # The one of an attempt before is being removed, or ours is there and told of soon.
            self.tasks.rest(_making(name), _CONFLICT_PASSES)
        except KubeError as error:
            if job_id in self.stores.ledger.live_jobs and self._is_for_good(job_id, error):
                refused = JobReason(JobReasonCode.CLUSTER_REFUSED, told=str(error))
                self.endings[job_id] = Ending(JobMove.FAIL, refused)
                return
            self.say(job_id, JobReason(JobReasonCode.NOT_TAKEN_YET, told=str(error)))
            raise

    def _is_for_good(self, job_id: JobId, error: KubeError) -> bool:
        may_pass = not error.is_final or (
            error.may_be_granted and self.pending.may_be_granted(job_id, self.stores.now())
        )
        return not may_pass


def _making(name: str) -> str:
    """Return the name of the task that makes an object: another than of the one that removes it."""
    return f"making {name}"
