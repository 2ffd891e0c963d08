"""Bodies of the API about servers and jobs that an admin ends."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from sublet_quota.wire.schema import (
    AnswerModel,
    AwareDatetime,
    Name,
    PlainReason,
    Text,
    WireModel,
    Words,
)

LEAST_GRACE_S: Final = 30
USUAL_GRACE_S: Final = 120
MOST_GRACE_S: Final = 24 * 3600


class EvictionRequest(WireModel):
    """End one user's notebook server, or send a job back to the queue."""

    what: Annotated[str, StringConstraints(min_length=1, max_length=600)]
    """A server as ``OWNER/NAME``, the default one as ``OWNER/``; a job, or a slice, by its id."""
    reason: PlainReason
    """Why: its owner reads it."""
    grace_s: int | None = Field(default=None, ge=LEAST_GRACE_S, le=MOST_GRACE_S)
    """How long from now a server is stopped; two minutes if left out. A job has no other grace than
    the service gives to all that must end."""
    cancel: bool = False
    """Whether a job is over, and does not go back to the queue."""


class EvictionInfo(AnswerModel):
    """A server or job that an admin ends, or has ended lately."""

    eviction_id: Name
    owner: Name
    server: Text
    """The server's name; empty for the default one, and for jobs."""
    slice_id: Name | None
    job_id: Name | None
    """``None``: it is a server."""
    cancels: bool
    """Whether the job is over, and does not go back to the queue."""
    reason: Words
    evicted_by: Name
    asked_at: AwareDatetime
    due_at: AwareDatetime
    """When the server is stopped."""
