"""What jobs' logs may take on disk: those of one owner's ended jobs, and all together."""

import asyncio
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sublet_quota.names.ids import JobId

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.state.job_files import JobFiles

_LOG = logging.getLogger(__name__)
_NOT_WORTH_DELETING = 4096
_NO_ROOM = "[This log was deleted: the logs of all jobs took more than {most_mib} MiB.]"


@dataclass(frozen=True, slots=True)
class LogRoom:
    """Limits in bytes: of one job's log, and of an owner's ended jobs' logs together."""

    a_job: int
    an_owner: int


async def make_room_of(ledger: Ledger, files: JobFiles, job_id: JobId, room: LogRoom) -> None:
    """Keep the logs of a job's owner within their room, as the job ends."""
    job = ledger.job_facts(job_id)
    if job is None:
        return
    others = [each for each in ledger.ended_jobs_of_owner(job.owner) if each.job_id != job_id]
    others.sort(key=lambda each: each.ended_at or each.submitted_at, reverse=True)
    newest_first = (job_id, *(each.job_id for each in others))
    await asyncio.to_thread(make_room, files, newest_first, room)


def make_room(files: JobFiles, newest_first: Iterable[JobId], room: LogRoom) -> None:
    """Cut each log that is too long; where all logs are too much together, delete the oldest."""
    why = (
        "[This log was deleted: the logs of your ended jobs took more than "
        f"{room.an_owner // 2**20} MiB.]"
    )
    total = 0
    for job_id in newest_first:
        try:
            files.trim(job_id, room.a_job)
            kept = files.bytes_kept(job_id)
            total += kept
            if total > room.an_owner and kept > _NOT_WORTH_DELETING:
                files.drop_log(job_id, why)
        except OSError as error:
            _LOG.warning("the files of job %s cannot be cut: %s", job_id, error)


def keep_within(files: JobFiles, live: Collection[JobId], most_bytes: int) -> None:
    """Keep all logs together within so many bytes, and let none be written on where they are not.

    The logs of ended jobs are deleted, the oldest first; those of jobs that are ``live`` stay.
    """
    logs = files.logs()
    total = sum(log.bytes for log in logs)
    for log in sorted(logs, key=lambda log: log.written_at):
        if total <= most_bytes:
            break
        if log.job_id in live or log.bytes <= _NOT_WORTH_DELETING:
            continue
        try:
            files.drop_log(log.job_id, _NO_ROOM.format(most_mib=most_bytes // 2**20))
            total -= log.bytes
        except OSError as error:
            _LOG.warning("the log of job %s cannot be deleted: %s", log.job_id, error)
    stopped = total > most_bytes
    if stopped != files.stop_mark.exists():
        _LOG.warning("logs of jobs are %s", "not written on" if stopped else "written again")
        files.stop_logs(stopped=stopped)
