"""Bodies of the API about requests for slices and jobs that were refused."""

from typing import Annotated, Final

from pydantic import Field

from sublet_quota.wire.schema import (
    AnswerModel,
    AwareDatetime,
    Count,
    Name,
    Number,
    Text,
    ToldNumber,
    Words,
)

_MOST_LISTED: Final = 1000
_MOST_NUMBERS: Final = 100


class RefusalInfo(AnswerModel):
    """Equal refusals of one user's, as one: what was asked for, how often, and why not."""

    refusal_id: Name
    owner: Name
    holder: Name
    """For what: ``notebook`` or ``job``."""
    groups: tuple[Words, ...] = Field(max_length=_MOST_LISTED)
    """The user's groups, as far as they are kept."""
    size: Name | None
    """The size by its name; ``None``: amounts were asked for, or the default."""
    memory_mib: Number | None
    """``None``: none was named; of a job: a whole GPU."""
    compute_milli: Number | None
    gpus: Count | None
    """On how many GPUs a job would run."""
    gpu_type: Name | None
    pool: Name | None
    code: Name
    """A value of ``RefusalReason``; a newer service may tell others."""
    numbers: Annotated[dict[Name, ToldNumber], Field(max_length=_MOST_NUMBERS)]
    """What decided it, when it was refused last."""
    message: Words
    """What the user was told, when it was refused last."""
    times: Count
    first_at: AwareDatetime
    last_at: AwareDatetime


class RefusalSum(AnswerModel):
    """The refusals with one code."""

    code: Name
    times: Count
    owners: Count
    """To how many users."""
    last_at: AwareDatetime
    group: Text | None = None
    """Whose members were told, where it is asked for by group; empty: who is in none."""
