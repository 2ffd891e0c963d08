"""What the logs of one owner's jobs may take on disk once the jobs have ended."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from sublet_quota.ids import JobId

from sublet_hub.job_files import JobFiles

_LOG = logging.getLogger(__name__)
_NOT_WORTH_DELETING = 4096


@dataclass(frozen=True, slots=True)
class LogRoom:
    """Limits in bytes."""

    a_job: int
    an_owner: int


def make_room(files: JobFiles, newest_first: Iterable[JobId], room: LogRoom) -> None:
    """Cut what is too long; where all is too much together, the oldest goes."""
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
