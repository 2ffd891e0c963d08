"""Bodies of the API about who waits for whom, and who has whose room."""

from enum import StrEnum
from typing import Final

from pydantic import Field

from sublet_quota.wire.decision import ToldHelp
from sublet_quota.wire.rank import ToldRank
from sublet_quota.wire.schema import (
    AnswerModel,
    AwareDatetime,
    CardCount,
    Count,
    Mib,
    Name,
    PositiveCount,
    Text,
    Words,
)

MOST_TOLD: Final = 10_000
"""So many that wait, and so many loans, are told at once; sums count all."""
_MOST_NAMES: Final = 1000
_MOST_HELPS: Final = 100
_MOST_SUMS: Final = 10_000


class WaiterKind(StrEnum):
    """What it is that waits."""

    CELL = "cell"
    """An owner at work, whose slice does not run yet."""
    SLICE = "slice"
    """A slice that lost its place to somebody else's, and whose owner is not at work."""
    NOTEBOOK = "notebook"
    """A notebook server in line for a slice."""
    JOB = "job"
    """A job that has not begun, or stands still."""


class Waiting(AnswerModel):
    """Somebody or something that waits, and why."""

    kind: Name
    """A value of ``WaiterKind``; a newer service may tell others."""
    owner: Name
    server: Text = ""
    """The server's name; empty for the default one, and for jobs."""
    job_id: Name | None = None
    job_name: Text = ""
    slice_id: Name | None = None
    """The slice that it has, or waits to go on with."""
    group: Name | None = None
    """The group of the quota document that pays, or would; ``None``: no group."""
    gpu_type: Name | None = None
    """The type of the card that it is on, as the quota document has it, or that it asks for."""
    node: Name | None = None
    gpu_index: Count | None = None
    since: AwareDatetime
    """A job that has not begun: when it was submitted."""
    code: Name
    """Why: a value of ``WaitReason``, ``RankCode``, ``RefusalReason``, ``ExpectedFrom``,
    ``QueueReason``, ``JobReasonCode`` or ``JobsOff``."""
    reason: Words
    """The same as words: of jobs and cells as a clause, else in sentences for the owner."""
    place: PositiveCount | None = None
    """1 for the next; ``None``: there is no line, or it is not known."""
    waits_for: tuple[Words, ...] = Field(default=(), max_length=_MOST_NAMES)
    """Whose slices are in the way: owners and jobs by the names that the caller may see, or groups.
    """
    expected_at: AwareDatetime | None = None
    """When it goes on, or begins; ``None``: that is not known."""
    expected_why: Words = ""
    """From what that follows, or why it is not known; empty where nobody can say."""
    helps: tuple[ToldHelp, ...] = Field(default=(), max_length=_MOST_HELPS)
    """What would help, as far as something was found to."""
    rank: ToldRank | None = None
    """Of an owner's slice on a type of which something is guaranteed: guaranteed or borrowed."""


class WaitForOwner(AnswerModel):
    """Somebody's cell or job that waits for a slice of an owner's, or of a job of theirs."""

    kind: Name
    """What waits: a value of ``WaiterKind``."""
    who: Words
    """Whose, as the caller is told: an owner's name, ``another owner``, ``a job``."""
    since: AwareDatetime
    slice_id: Name
    """The slice that is in the way."""
    server: Text = ""
    job_id: Name | None = None
    """Of a job's slice, which."""
    node: Name
    gpu_index: Count


class LoanKind(StrEnum):
    """What of somebody's others have."""

    IDLE_SLICE = "idle-slice"
    """The room, or the compute, of a slice whose owner is not at work: a job has it."""
    GUARANTEE = "guarantee"
    """What a group is guaranteed on a card, and leaves to others."""


class LoanParty(AnswerModel):
    """One side of a loan."""

    words: Words
    """Who it is, as the caller is told: an owner's name, ``another owner``, ``a job``, a group."""
    owner: Name | None = None
    """``None``: a group, or somebody whose name is not the caller's to see."""
    group: Name | None = None
    """The group that pays, or whose guarantee it is; ``None`` also: not the caller's to see."""
    slice_id: Name | None = None
    job_id: Name | None = None


class Loan(AnswerModel):
    """Room on a card that one has of another's."""

    kind: Name
    """A value of ``LoanKind``; a newer service may tell others."""
    borrower: LoanParty
    lender: LoanParty
    node: Name
    gpu_index: Count
    gpu_type: Name
    cards: CardCount
    """How much, as quotas count it: of an idle slice, no more than it has, nor than the job has."""
    memory_mib: Mib
    """The same part of the card's memory."""
    since: AwareDatetime | None = None
    """Since when an idle slice is lent; ``None``: since when a guarantee is, nothing notes."""
    held_since: AwareDatetime
    """Since when the borrower has its slice: the loan is no older."""


class WaitSum(AnswerModel):
    """How many wait for one reason."""

    kind: Name
    code: Name
    count: PositiveCount


class WaitsReport(AnswerModel):
    """Who waits for whom, at one moment."""

    as_of: AwareDatetime
    """When it was looked at: for a few seconds all who ask are told the same."""
    waiting: tuple[Waiting, ...] = Field(max_length=MOST_TOLD)
    """Cells, slices, notebooks by their places in line, then jobs by theirs."""
    for_owner: tuple[WaitForOwner, ...] = Field(default=(), max_length=MOST_TOLD)
    """Of one owner: who waits for what of theirs, the longest first; of all that is ``waiting``."""
    loans: tuple[Loan, ...] = Field(max_length=MOST_TOLD)
    """The largest first."""
    sums: tuple[WaitSum, ...] = Field(max_length=_MOST_SUMS)
    """All that wait, by what they are and why, the most first."""
    total_waiting: Count
    """How many wait, of which ``waiting`` are the first."""
    total_loans: Count
