"""What running jobs print: each one's log is followed, and its progress told to the ledger."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from sublet_quota.names.ids import JobId

from sublet_hub.jobs.backends.kubernetes.cluster import JobsInCluster
from sublet_hub.jobs.backends.kubernetes.logs.follower import LogFollower
from sublet_hub.jobs.backends.kubernetes.logs.pace import LogPace
from sublet_hub.jobs.log_retention import LogRoom, make_room_of
from sublet_hub.jobs.progress import ProgressFile
from sublet_hub.kubernetes_api.resources import Manifest
from sublet_hub.ledger.records import Change, JobRecord
from sublet_hub.state.stores import Stores


class JobOutput:
    """The logs of all jobs that run, and what they say of their progress."""

    def __init__(self, cluster: JobsInCluster, stores: Stores, room: LogRoom) -> None:
        self._cluster = cluster
        self._stores = stores
        self._room = room
        self._pace = LogPace()
        self._followers: dict[JobId, LogFollower] = {}
        self._progress: dict[JobId, ProgressFile] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    def follow(self, job: JobRecord, pods: Sequence[Manifest]) -> None:
        """Follow the log of a job's first pod, unless it is followed already."""
        if job.job_id in self._followers or not pods:
            return
        source = self._cluster.log_of(pods[0]["metadata"]["name"])
        self._followers[job.job_id] = LogFollower(
            self._stores.files, job.job_id, job.attempts, source, self._pace
        )

    def bytes_printed(self, job: JobRecord) -> int:
        """Return a log's bytes: on disk, or as read with its lines' times where that is more."""
        follower = self._followers.get(job.job_id)
        read = 0 if follower is None else follower.bytes_read
        return max(read, self._stores.files.bytes_written(job.job_id, job.attempts))

    def is_taken(self, job_id: JobId) -> bool:
        """Whether nothing more of a job's log is to come."""
        follower = self._followers.get(job_id)
        return follower is None or follower.done

    def note_progress(self, job: JobRecord) -> JobRecord:
        """Tell the ledger how far a job has come; return the job after that."""
        if job.attempts == 0:
            return job
        file = self._progress.get(job.job_id)
        if file is None:
            path = self._stores.files.progress_path(job.job_id, job.attempts)
            file = self._progress[job.job_id] = ProgressFile(path)
        told = file.read()
        after = replace(
            job,
            cells_done=told.cells_done,
            cells_total=job.cells_total if told.cells_total is None else told.cells_total,
            current_cell=told.current_cell,
        )
        if after != job:
            self._stores.ledger.apply(Change(jobs=(after,)), self._stores.now())
        return after

    def forget(self, job_id: JobId) -> None:
        """Forget an attempt that is over."""
        self._progress.pop(job_id, None)
        follower = self._followers.pop(job_id, None)
        if follower is not None:
            stopping = asyncio.get_running_loop().create_task(self._end(job_id, follower))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    async def _end(self, job_id: JobId, follower: LogFollower) -> None:
        await follower.stop()
        await make_room_of(self._stores.ledger, self._stores.files, job_id, self._room)

    async def close(self) -> None:
        """Leave the rest of all logs."""
        for follower in self._followers.values():
            await follower.stop()
        await asyncio.gather(*self._stopping)
