"""When an idle notebook server is ended, or why not, as its owner is told it with the slice."""

from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Count, Name, Seconds, Text, Words


class IdleEnd(AnswerModel):
    """That a server is idle, and when it is ended for that unless a cell runs before."""

    server: Text
    """The server's name; empty for the default one."""
    ends_at: AwareDatetime
    idle_since: AwareDatetime
    """Since when its node's agent has seen no work of it."""
    max_idle_s: Seconds
    """For how long a server of its owner's may be idle (``max_idle`` of the quota document)."""
    extended_until: AwareDatetime | None = None
    """Until when its owner has put the end off; ``None``: not since it is idle."""
    warned_at: AwareDatetime | None = None
    """Since when its owner is warned; ``None``: the end is not near yet."""
    message: Words = ""
    """The same for people."""


class IdleSpared(AnswerModel):
    """That a server is idle, and is not ended while a job that was handed over goes on."""

    job_id: Name
    job_name: Words
    runs: bool
    """Whether the job runs; else it has begun, and waits to go on."""
    others: Count = 0
    """How many more such jobs there are."""
    idle_since: AwareDatetime
    """Since when its node's agent has seen no work of the server."""
    message: Words = ""
    """The same for people."""
