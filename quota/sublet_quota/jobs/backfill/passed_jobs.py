"""The jobs that stand still on a GPU, and are passed there by who begins meanwhile.

Whoever begins fills in for them, too: otherwise later equals would take their room bit by bit. Who
stands still for the one that begins is not passed by it, neither directly nor by others between:
of any two jobs at most one makes way for the other, so nobody's memory goes to and fro for ever.
"""

from collections.abc import Iterable, Mapping

from sublet_quota.jobs.backfill.jobs_there import JobsThere
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId
from sublet_quota.residency.snapshot import Rank


class PassedJobs:
    """The jobs that stand still, as one plan of the queue finds them."""

    def __init__(self, there: JobsThere) -> None:
        self._there = there
        self._for_whom: Mapping[JobId, tuple[JobId, ...]] | None = None

    def on(self, gpus: Iterable[GpuId], job: WaitingJob) -> tuple[JobId, ...]:
        """Return which jobs of its class a job passes that begins on GPUs, the oldest first."""
        if job.rank is not Rank.BORROWED:
            return ()
        found = {
            each.job_id: each.since
            for gpu_id in gpus
            for each in self._there.on.get(gpu_id, ())
            if each.held_back and each.rank is Rank.BORROWED and each.priority == job.priority
        }
        passed = (name for name in found if not self._comes_after(name, job.job_id))
        return tuple(sorted(passed, key=lambda name: (found[name], name)))

    def _comes_after(self, job_id: JobId, other: JobId) -> bool:
        """Whether a job makes way for another, or for one that does."""
        if self._for_whom is None:
            there = (each for jobs in self._there.on.values() for each in jobs)
            self._for_whom = {each.job_id: each.fills_in_for for each in there}
        seen, left = {job_id}, [job_id]
        while left:
            for name in self._for_whom.get(left.pop(), ()):
                if name == other:
                    return True
                if name not in seen:
                    seen.add(name)
                    left.append(name)
        return False
