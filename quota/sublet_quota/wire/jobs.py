"""Bodies of the hub service's HTTP API about training jobs."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.wire.api import Problem, SliceInfo
from sublet_quota.wire.job_size import check_job, check_parameters
from sublet_quota.wire.schema import (
    AnswerModel,
    AskedMib,
    AwareDatetime,
    BoundedBy,
    Bytes,
    Count,
    LongWords,
    Mib,
    Name,
    Number,
    PathText,
    PositiveCount,
    Seconds,
    WireModel,
    Words,
)

MOST_LOG_TEXT: Final = 2**20
"""The most characters of a log that one answer has."""
_MOST_LISTED: Final = 100_000


class JobRequest(WireModel):
    """A notebook to execute as a training job."""

    notebook: PathText
    """A path below the owner's notebook folder. The job runs it as it is now."""
    name: Name | None = None
    parameters: Annotated[dict[str, Any], AfterValidator(check_parameters)] = {}
    """With all else that is stored of the job at most 16 KiB of JSON."""
    memory_mib: AskedMib | Literal["whole"] = "whole"
    compute_milli: int = Field(default=1000, ge=1, le=1000)
    gpu_type: Name | None = None
    priority: int = Field(default=0, ge=-100, le=100)
    """Below 0 lets others' jobs go first. Above 0 goes before what is fair: for admins alone."""
    max_run_s: int | None = Field(default=None, ge=1, le=10 * 366 * 24 * 3600)
    """How long one attempt may run, pauses not counted."""
    environment: dict[str, str] = {}
    take_along: tuple[PathText, ...] = Field(default=(), max_length=200)
    """Files and folders beside the notebook, by paths below its folder; ``.`` for all of it.

    Copied together with the notebook: the job runs in the copy, and later changes do not reach it.
    Copied now; on a cluster by who submits from the owner's notebook server, and else when the job
    first starts. Empty: it runs in the notebook's own folder.
    """
    retries: int = Field(default=0, ge=0, le=5)
    """How often the job is begun anew after it has failed."""
    gpus: int = Field(default=1, ge=1, le=1024)
    group: Name | None = None
    """The group of the quota document that pays; ``None``: whichever fits best."""

    @property
    def asked_mib(self) -> int | None:
        """How much GPU memory the job asks for, on each GPU; ``None``: the whole GPU."""
        return None if self.memory_mib == "whole" else self.memory_mib

    @model_validator(mode="after")
    def _is_of_bounded_size(self) -> Self:
        stored = {"notebook", "name", "parameters", "gpu_type", "environment", "take_along"}
        check_job({name: getattr(self, name) for name in stored})
        return self


class JobForecast(AnswerModel):
    """What would become of a job, were it submitted now."""

    allowed: bool
    problem: Problem | None = None
    """Why the job would be refused."""
    message: Words
    """One sentence for the job's owner."""
    reason_code: Name | None = None
    """Why it would wait, for programs: a value of ``QueueReason``; a newer service may tell others.

    ``None`` where it would not wait for a GPU.
    """
    place: PositiveCount | None = None
    """The job's place in the queue; ``None``: it would start at once, or is not allowed."""
    expected_wait_s: Seconds | None = None
    """How long the job is likely to wait; ``None`` where nothing is known to reckon with."""
    basis: Words = ""
    """What the expected wait is reckoned from."""
    notebook_checked: bool = False
    """Whether the notebook was looked into as on submission: its place, kernel and parameters."""
    group: Name | None = None
    """The group of the quota document that would pay; ``None``: none, or the job is refused."""
    max_run_s: Seconds | None = None
    """How long an attempt may run: as asked for, or what holds when nobody says."""


class JobFailure(AnswerModel):
    """Why a job's last attempt failed."""

    cell: Count | None = None
    """Which of the cells that run failed, from 1; 0 or ``None``: before the first."""
    name: Words
    """The exception's name."""
    message: Words
    traceback: LongWords = ""
    """The traceback as the kernel showed it, without colours."""


class JobInfo(AnswerModel):
    """A job, for its owner and admins."""

    job_id: Name
    owner: Name
    name: Name
    notebook: PathText
    parameters: Annotated[dict[str, Any], BoundedBy("what the request may hold")]
    state: JobState
    reason: Words
    """Waiting: why, and the place in the queue. Failed: the cell and the error."""
    reason_code: Name | None = None
    """What ``reason`` says, for programs: a value of ``QueueReason`` for who waits in the queue, of
    ``WaitReason`` for who waits on its GPU, of ``JobsOff`` where jobs are switched off, and else of
    ``JobReasonCode``; a newer service may tell others."""
    place: Count | None
    priority: Number
    memory_mib: Mib
    slice: SliceInfo | None
    submitted_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    cells_done: Count
    cells_total: Count | None
    output_notebook: Words | None
    exit_code: Number | None = None
    output_path: PathText | None = None
    """The result below the owner's notebook folder, to open in Lab."""
    current_cell: PositiveCount | None = None
    """Running: of the cells that run, from 1; ``None`` before the first."""
    progress: float | None = Field(default=None, ge=0, le=1)
    """What part of the cells is done; ``None`` before it is known how many there are."""
    stopped: Name | None = None
    """Running, but not now: a value of ``JobStop`` (``suspended``, ``paused``, ``waits``); a newer
    service may tell others. ``None``: it computes, or has not begun, or its agent is silent."""
    stopped_since: AwareDatetime | None = None
    """Since when it stands still, where that is known."""
    suspended_for: Words | None = None
    """Running, but not now: ``for an owner's cell``, with the name within a group."""
    failure: JobFailure | None = None
    """The failure of the last attempt, where that failed."""
    attempts: Count = 0
    """How many times the job was begun."""
    retries: Count = 0
    failed_attempts: Count = 0
    """Of ``attempts``, those that count against ``retries``: not those whose room was taken."""
    gpus: PositiveCount = 1
    group: Name | None = None
    """The group that pays for it; ``None``: none."""
    max_run_s: Number | None = None
    """How long an attempt may run, pauses not counted; ``None``: no limit."""
    stood_s: Seconds = 0
    """For how long this attempt has stood still by now: it is stopped later by as much."""
    take_along: tuple[PathText, ...] = Field(default=(), max_length=_MOST_LISTED)
    cancelled_by: Words | None = None
    """Who cancelled the job: its owner, or an admin, whose name other users are not told."""
    expected_start: AwareDatetime | None = None
    """Waiting: reckoned from how long jobs have waited lately."""


class JobLog(AnswerModel):
    """Part of a job's log."""

    text: str = Field(max_length=MOST_LOG_TEXT)
    offset: Bytes
    """Where ``text`` begins, in bytes."""
    next_offset: Bytes
    ended: bool
