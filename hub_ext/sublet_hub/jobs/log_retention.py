"""What jobs' logs may take on disk: those of one owner's ended jobs, and all together."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sublet_quota.names.ids import JobId, UserName

from sublet_hub.ledger.fair_share import fair_share
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.state.job_files import JobFiles, KeptLog

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


async def keep_all_logs_within(ledger: Ledger, files: JobFiles, most_bytes: int) -> None:
    """Keep all jobs' logs together within so many bytes, as ``keep_within`` does. ``OSError``."""
    logs = await asyncio.to_thread(files.logs)
    facts = ((log.job_id, ledger.job_facts(log.job_id)) for log in logs)
    owners = {job_id: found.owner for job_id, found in facts if found is not None}
    live = frozenset(ledger.live_jobs)
    await asyncio.to_thread(keep_within, files, logs, OwnersOfLogs(owners, live), most_bytes)


@dataclass(frozen=True, slots=True)
class OwnersOfLogs:
    """Whose the jobs are that have logs, and which of them have not ended."""

    owners: Mapping[JobId, UserName]
    live: Collection[JobId]


def keep_within(
    files: JobFiles, logs: Iterable[KeptLog], whose: OwnersOfLogs, most_bytes: int
) -> None:
    """Have who has the most of all logs give up theirs, until all take so many bytes at most.

    Of an owner's logs those of ended jobs are deleted, the oldest first. Those of jobs that are
    live stay; where they are too much alone, they are not written on. Others grow meanwhile: a
    quarter beyond the bound no log is written on, whosever.
    """
    of_owner = defaultdict[UserName | None, list[KeptLog]](list)
    for log in sorted(logs, key=lambda log: log.written_at):
        of_owner[whose.owners.get(log.job_id)].append(log)
    taken = {owner: sum(log.bytes for log in theirs) for owner, theirs in of_owner.items()}
    share = fair_share(taken.values(), most_bytes)
    why = _NO_ROOM.format(most_mib=most_bytes // 2**20)
    for owner, theirs in of_owner.items():
        for log in theirs:
            if taken[owner] > share and log.job_id not in whose.live:
                taken[owner] -= _delete(files, log, why)
    for job_id in whose.live:
        if job_id in whose.owners:
            _stop(files, job_id, stopped=taken[whose.owners[job_id]] > share)
    stopped = sum(taken.values()) > most_bytes * 5 // 4
    if stopped != files.stop_mark.exists():
        _LOG.warning("logs of jobs are %s", "not written on" if stopped else "written again")
        files.stop_logs(stopped=stopped)


def _delete(files: JobFiles, log: KeptLog, why: str) -> int:
    """Delete a log, unless it is hardly longer than the words for that; return what is free now."""
    if log.bytes <= _NOT_WORTH_DELETING:
        return 0
    try:
        files.drop_log(log.job_id, why)
    except OSError as error:
        _LOG.warning("the log of job %s cannot be deleted: %s", log.job_id, error)
        return 0
    return log.bytes


def _stop(files: JobFiles, job_id: JobId, *, stopped: bool) -> None:
    if stopped == files.stop_mark_of(job_id).exists():
        return
    try:
        files.stop_log_of(job_id, stopped=stopped)
    except OSError as error:
        _LOG.warning("the log of job %s cannot be stopped or let on: %s", job_id, error)
    else:
        _LOG.info("the log of job %s is %s", job_id, "stopped" if stopped else "written again")
