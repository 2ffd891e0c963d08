"""Bodies of the hub service's HTTP API (below ``/services/sublet/api/``)."""

from typing import Any, Literal

from pydantic import Field

from sublet_quota.job_states import JobState
from sublet_quota.refusal import RefusalReason
from sublet_quota.residency import Holder
from sublet_quota.wire.agent_link import GpuReport, SliceReport
from sublet_quota.wire.schema import AwareDatetime, Name, Text, WireModel


class Problem(WireModel):
    """Every answer of 4xx and 5xx: what, with which values, and what to do."""

    reason: RefusalReason | Name
    message: Text
    numbers: dict[str, int] = {}


# Between spawner and service. Authorised by the service's own token, which only the hub has.


class AccountTemplate(WireModel):
    """How the owner's spawner runs their processes; jobs of theirs run the same way."""

    uid: int = Field(ge=0)
    gid: int = Field(ge=0)
    home: Name
    notebook_dir: Name
    python: Name
    """The interpreter that has Jupyter, papermill and ``sublet_lab``."""
    environment: dict[str, str] = {}
    """By allow-list; never anything named ``JUPYTERHUB_*``."""


class SliceRequest(WireModel):
    """A notebook server wants a slice. Either a size by name, or amounts."""

    owner: Name
    groups: tuple[Name, ...] = ()
    server: Text = ""
    """The server's name; empty for the default one."""
    size: Name | None = None
    pool: Name | None = None
    gpu_type: Name | None = None
    memory_mib: int | None = None
    compute_milli: int | None = None
    account: AccountTemplate


class Lease(WireModel):
    """A slice that was handed out."""

    slice_id: Name
    owner: Name
    server: Text
    holder: Holder
    pool: Name
    node: Name
    gpu_id: Name
    gpu_index: int
    gpu_type: Name
    gpu_memory_mib: int
    simulated: bool
    memory_mib: int
    compute_milli: int
    size: Name | None = None
    created_at: AwareDatetime


class SliceStarted(WireModel):
    """The server's first process, by which its slice's processes are known."""

    root_pid: int = Field(ge=1)
    root_start_time: float


class Offer(WireModel):
    """A size that the user may have now, or why not."""

    size: Name
    title: Text
    pool: Name
    memory_mib: int
    compute_milli: int
    allowed: bool
    why_not: Text | None = None


class Offers(WireModel):
    """What a user could have now, for the options form."""

    owner: Name
    offers: tuple[Offer, ...]
    default: Name | None
    used_mib: int
    limit_mib: int | None
    slices: int
    most_slices: int | None
    message: Text = ""


# For users and admins.


class SliceInfo(WireModel):
    """A slice with what its agent last said of it."""

    lease: Lease
    report: SliceReport | None
    seen_at: AwareDatetime | None
    kept_until: AwareDatetime | None = None
    lent_to: tuple[Text, ...] = ()
    """Names of jobs' owners, to whom may see them; else ``"a job"``."""
    waits_for: tuple[Text, ...] = ()


class Share(WireModel):
    """The caller's own share."""

    owner: Name
    slices: tuple[SliceInfo, ...]
    jobs_waiting: int
    jobs_running: int
    used_mib: int
    guaranteed_mib: int
    limit_mib: int | None
    lending: bool
    agents_silent: tuple[Name, ...] = ()


class GpuInfo(WireModel):
    """A card with its slices (admins: with owners)."""

    node: Name
    pool: Name
    report: GpuReport
    slices: tuple[SliceInfo, ...]
    promised_mib: int
    """The sum of the caps."""
    overcommit: float
    seen_at: AwareDatetime | None
    silent: bool


class KeepRequest(WireModel):
    """Do not lend my slice for so long; 0 ends it."""

    minutes: int = Field(ge=0, le=24 * 60)


class LendingSwitch(WireModel):
    """All lending, on or off (admins)."""

    lending: bool
    reason: Text = ""


class JobRequest(WireModel):
    """A notebook to execute as a training job."""

    notebook: Name
    """A path below the owner's notebook folder."""
    name: Name | None = None
    parameters: dict[str, Any] = {}
    memory_mib: int | Literal["whole"] = "whole"
    compute_milli: int = Field(default=1000, ge=1, le=1000)
    gpu_type: Name | None = None
    priority: int = Field(default=0, ge=-100, le=100)
    max_run_s: int | None = Field(default=None, ge=1)
    environment: dict[str, str] = {}


class JobInfo(WireModel):
    """A job, for its owner and admins."""

    job_id: Name
    owner: Name
    name: Name
    notebook: Name
    parameters: dict[str, Any]
    state: JobState
    reason: Text
    """Waiting: why, and the place in the queue. Failed: the cell and the error."""
    place: int | None
    priority: int
    memory_mib: int
    slice: SliceInfo | None
    submitted_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    cells_done: int
    cells_total: int | None
    output_notebook: Text | None
    exit_code: int | None = None


class JobLog(WireModel):
    """Part of a job's log."""

    text: str
    offset: int
    """Where ``text`` begins, in bytes."""
    next_offset: int
    ended: bool


class EventInfo(WireModel):
    """An event of the ledger."""

    event_id: Name
    at: AwareDatetime
    kind: Name
    node: Name | None
    gpu_id: Name | None
    slice_id: Name | None
    for_slice_id: Name | None
    owner: Name | None
    bytes_mib: int
    took_s: float
    detail: Text
