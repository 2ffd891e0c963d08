"""The jobs that were promoted from a notebook server: it is not ended while one of them goes on.

One that has not begun yet may wait for ever: it is none of them.
"""

from sublet_quota.names.ids import UserName

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import JobRecord


def jobs_of_server(ledger: Ledger, owner: UserName, server: str) -> tuple[JobRecord, ...]:
    """Return the jobs promoted from an owner's server that have begun, and not ended."""
    return tuple(job for job in ledger.live_jobs_of_owner(owner) if _is_of(job, server))


def _is_of(job: JobRecord, server: str) -> bool:
    """Whether a job was promoted from a server, and has begun at some time."""
    return job.server == server and job.attempts > 0
