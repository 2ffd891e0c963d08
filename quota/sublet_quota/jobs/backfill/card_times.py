"""From when on each GPU lends how much: as jobs there end, and some make way.

Each ends at the latest when it may run no longer. One that stands still goes on as soon as there is
room, and ends later by as much: its room is nobody's until then, but for whom it makes way itself.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sublet_quota.jobs.backfill.jobs_there import NO_END, Coming, JobsThere, JobThere, end_after
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.lent_room.lendable_room import LendableRoom
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId

Step = tuple[datetime, int]
"""From a moment on, how much a GPU lends."""


_NOBODY: Final = JobId("")


@dataclass(frozen=True, slots=True)
class OfClass:
    """Any job of a class that nobody has passed."""

    priority: int
    job_id: JobId = _NOBODY


class CardTimes:
    """What GPUs lend by when, with what one plan of the queue has given away."""

    def __init__(self, room: LendableRoom, there: JobsThere) -> None:
        """``room``: that from which the plan gives away."""
        self._room = room
        self._there = there
        self._given: defaultdict[GpuId, dict[JobId, Step]] = defaultdict(dict)
        """Until when at the latest jobs of this plan have how much on GPUs."""
        self._gpu_of: dict[JobId, GpuId] = {}

    def note(self, job: WaitingJob, gpu: LendableGpu) -> None:
        """Take in that a job was placed on a GPU: one of a single GPU leaves that of before."""
        gpu_id = gpu.facts.gpu_id
        before = self._gpu_of.get(job.job_id) if job.gpus == 1 else None
        if before is not None:
            del self._given[before][job.job_id]
        self._gpu_of[job.job_id] = gpu_id
        self._given[gpu_id][job.job_id] = self._there.end_of(job), job.memory_on(gpu.facts.kind)

    def lends_as_before(self, gpu: LendableGpu) -> bool:
        """Whether a GPU is kept for nobody, and this plan has placed no job there."""
        return self._room.lends(gpu) and gpu.facts.gpu_id not in self._given

    def has_jobs(self, gpu: LendableGpu) -> bool:
        """Whether jobs are there, or come there by this plan."""
        return gpu.jobs_mib > 0 or bool(self._given.get(gpu.facts.gpu_id))

    def on(self, gpu: LendableGpu) -> tuple[JobThere, ...]:
        """Return the jobs that are on a GPU already."""
        return self._there.on.get(gpu.facts.gpu_id, ())

    def room_by(self, at: datetime, gpu: LendableGpu, job: Coming) -> int:
        """Return how much a GPU lends to a job at a moment, in MiB."""
        return max((mib for moment, mib in self.steps(gpu, job) if moment <= at), default=0)

    def steps(self, gpu: LendableGpu, job: Coming) -> Iterator[Step]:
        """Yield from when on a GPU lends how much to a job, the first moment first."""
        now = self._there.now
        room_mib, unknown_mib = self._room.left(gpu), gpu.jobs_mib
        given = self._given.get(gpu.facts.gpu_id)
        later = [] if given is None else list(given.values())
        stand: list[JobThere] = []
        for each in self.on(gpu):
            unknown_mib -= each.memory_mib
            if each.held_back:
                if not each.comes_after(job):
                    stand.append(each)
            elif each.comes_after(job):
                room_mib += each.memory_mib
            else:
                later.append((max(each.ends, now), each.memory_mib))
        if unknown_mib > 0:
            later.append((NO_END, unknown_mib))
        if stand:
            room_mib = self._go_on(stand, room_mib, later)
        later.sort()
        yield now, room_mib
        for at, memory_mib in later:
            room_mib += memory_mib
            yield at, room_mib

    def _go_on(self, stand: list[JobThere], room_mib: int, later: list[Step]) -> int:
        """Let those that stand still have their room until they end; return what is left now."""
        now = self._there.now
        for each in sorted(stand, key=lambda job: (job.since, job.slice_id)):
            at, there_mib = now, room_mib
            for moment, memory_mib in sorted(later):
                if there_mib >= each.memory_mib:
                    break
                at, there_mib = moment, there_mib + memory_mib
            left = max(each.ends, now) - now
            ends = NO_END if there_mib < each.memory_mib else end_after(at, left)
            room_mib -= each.memory_mib
            later.append((ends, each.memory_mib))
        return room_mib
