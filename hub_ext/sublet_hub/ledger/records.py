"""What the ledger knows: slices, jobs, events and GPUs, each a frozen record.

A ``Change`` is a set of records that become true together, in the database first and then in
memory. The records hold no secrets: environments lie in private files, never here.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sublet_quota.amounts.node_amounts import NodeAmount
from sublet_quota.jobs.turns.past_uses import LagWrittenOff
from sublet_quota.life_cycles.job_states import JobMove, JobState, move_job
from sublet_quota.names.ids import (
    GpuId,
    GroupName,
    JobId,
    NodeId,
    PoolName,
    SizeName,
    SliceId,
    UserName,
)
from sublet_quota.reasons.job_reasons import JobReason
from sublet_quota.reasons.moments import moment_words
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.residency.snapshot import Holder, Rank

from sublet_hub.ledger.job_parameters import JobParameters

ALL_STEPS: Final = 2**15
"""More steps than any group's path has."""


@dataclass(frozen=True, slots=True)
class GpuRecord:
    """A card that an agent has told of."""

    gpu_id: GpuId
    node: NodeId
    index: int
    type: str
    memory_mib: int
    margin_mib: int
    simulated: bool


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """A pod: its name alone can be another pod's after a while."""

    uid: str
    namespace: str
    name: str
    node: NodeId | None = None
    """The node on which the cluster put the pod, once it has: there it stays."""


@dataclass(frozen=True, slots=True)
class SliceRecord:
    """A slice that is handed out."""

    slice_id: SliceId
    holder: Holder
    owner: UserName
    server: str
    """The notebook server's name; empty for the default one, and for jobs."""
    job_id: JobId | None
    size: SizeName | None
    pool: PoolName
    gpu: GpuRecord
    memory_mib: int
    compute_milli: int
    uid: int
    created_at: datetime
    root_pid: int | None = None
    root_start_time: float | None = None
    unit_group: str | None = None
    """The control group of the server's own systemd unit, where it has one."""
    kept_until: datetime | None = None
    wanted_since: datetime | None = None
    pod: PodIdentity | None = None
    """The slice's pod on Kubernetes, once it was made."""
    never_suspended: str | None = None
    """Why the slice is never moved off its card, where the hub's slice backend says so."""
    given_up_at: datetime | None = None
    """When the owner last said that they need the slice no more for now."""
    lent_since: datetime | None = None
    """Since when somebody else uses the slice's room, or its compute."""
    last_lent_from: datetime | None = None
    """When the last time began that the slice was lent and that is over."""
    last_lent_until: datetime | None = None
    last_lent_job: JobId | None = None
    """To which job the slice was lent then, the last of several; ``None``: not known."""
    group: GroupName | None = None
    """The group that the slice is charged to; ``None``: its owner was in no group."""
    named: bool = False
    """Whether the owner named that group: then none other is charged in its place."""
    member_of: tuple[str, ...] = ()
    """The groups of the quota document that could be charged instead, ``group`` among them."""
    called_back_since: datetime | None = None
    """Since when the slice has lost its place on the card; ``None``: it has it."""
    called_back_for: GroupName | None = None
    """For which group's slice; ``None`` also: for somebody's who is in no group."""
    held_back_since: datetime | None = None
    """Since when a job's slice stands still, as another has taken its place, below a limit or on
    its GPU.
    """
    stands_since: datetime | None = None
    """Since when a job's slice stands still, as that was stored last: once a minute."""
    fills_in_for: tuple[JobId, ...] = ()
    """The jobs that it passed when it began, where it is a job's: it is suspended for these."""
    moving_to: GpuId | None = None
    """The card of its node that the slice is to come back on, and has its place on already; ``gpu``
    is the one that it is on. ``None``: it stays."""
    came_from: GpuId | None = None
    """The card that it was on before it came to this one, as it was asked to: where older programs
    of it are, it may go back there by itself. ``None``: it never came from another."""
    perhaps_on: tuple[GpuId, ...] = ()
    """The cards that it was moving to when that was called off: on one of these it may have come
    back before its agent heard."""
    before_until: datetime | None = None
    """Until when the slice counts as before something shrank; ``None``: nothing did."""
    before_steps: int | None = None
    """To how many steps of its group's path the slice was entitled before."""
    entitled: int | None = None
    """To how many steps it is entitled, as that was known last: what is entitled stays so, also
    when the service starts anew. ``None``: nothing is known. Of a job's slice not the number counts
    but whether it is none, some or all.
    """
    entitled_in_force: int | None = None
    """The same with the cards that there were, which may be fewer than guaranteed."""
    lot: int = 0
    """The lot that was drawn for the slice: it decides where all else is equal."""
    takes: NodeAmount | None = None
    """What its server, or job, asks of the node beside the GPU; ``None``: not known."""
    cap_kept_by: tuple[str, ...] | None = None
    """What keeps its memory cap, by the codes that its spawner told; empty: the card tells;
    ``None``: it is not known."""
    compute_kept_by: ShareKept | None = None
    """By which engine its compute share is kept, as its spawner told; ``None``: none keeps it."""

    @property
    def is_job(self) -> bool:
        """Whether the slice belongs to a training job."""
        return self.holder is Holder.JOB

    @property
    def job_rank(self) -> Rank:
        """By which right it is there where it is a job's, as that was known last."""
        if not (self.is_job and self.entitled):
            return Rank.BORROWED
        return Rank.ENTITLED if self.entitled >= ALL_STEPS else Rank.ENTITLED_IN_PART

    def bound_for(self, gpu_id: GpuId | None) -> "SliceRecord":
        """Return the slice as one that is to come back on this card; ``None``: it stays.

        A move to another card is called off with that, and may have come to its end by now.
        """
        perhaps_on = {*self.perhaps_on, *(() if self.moving_to is None else (self.moving_to,))}
        left = tuple(sorted(perhaps_on - {gpu_id}))
        return replace(self, moving_to=gpu_id, perhaps_on=left)

    def without_place(
        self, now: datetime, group: GroupName | None, moving_to: GpuId | None = None
    ) -> "SliceRecord":
        """Return the slice as one that has lost its place to a group's, and takes turns.

        ``moving_to``: another card, where it will have one; one that was on its way stays here.
        """
        return replace(self.bound_for(moving_to), called_back_since=now, called_back_for=group)


@dataclass(frozen=True, slots=True)
class ReleasedSlice:
    """A slice that was given back."""

    record: SliceRecord
    at: datetime


@dataclass(frozen=True, slots=True)
class StartedProcess:
    """A process: a pid alone can be another process's after a while."""

    boot_id: str
    pid: int
    start_time: float
    """Seconds since the machine's boot: no setting of its clock changes it."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A training job, from its submission on."""

    job_id: JobId
    owner: UserName
    groups: tuple[str, ...]
    name: str
    notebook: str
    """The notebook's path as the owner named it, below the notebook folder."""
    parameters: JobParameters
    kernel: str | None
    memory_mib: int | None
    """How much GPU memory the job asks for; ``None``: the whole GPU."""
    compute_milli: int
    gpu_type: str | None
    priority: int
    max_run_s: int | None
    state: JobState
    reason: JobReason
    submitted_at: datetime
    cells_total: int | None = None
    cells_done: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    slice_id: SliceId | None = None
    process: StartedProcess | None = None
    gpus_held: float = 0.0
    """What part of a GPU the job keeps from other jobs, once it has a slice."""
    attempts: int = 0
    """How many times a process of the job was started."""
    cancel_asked_at: datetime | None = None
    cancel_asked_by: UserName | None = None
    """Who wants the job to end: its owner, or an admin."""
    output_notebook: str | None = None
    exit_code: int | None = None
    take_along: tuple[str, ...] = ()
    """Files beside the notebook, as the owner named them; with any, the job runs in a copy."""
    retries: int = 0
    failed_attempts: int = 0
    """How many of the job's attempts have failed, evictions not counted."""
    gpus: int = 1
    current_cell: int | None = None
    """Which of the cells that run is running, from 1; ``None`` before the first."""
    group: GroupName | None = None
    """The group that the job is charged to; ``None``: its owner was in no group."""
    named: bool = False
    """Whether the owner named that group: then none other is charged in its place."""
    member_of: tuple[str, ...] = ()
    """The groups of the quota document that could be charged instead, ``group`` among them."""
    lot: int = 0
    """The lot that was drawn for the job: it decides where all else is equal."""
    server: str | None = None
    """The owner's notebook server that the job was promoted from; empty for the default one,
    ``None``: none that is known."""

    def moved(self, move: JobMove, **values: Any) -> "JobRecord":
        """Return the job after ``move``; ``ForbiddenMoveError`` where there is no such move."""
        return replace(self, state=move_job(self.state, move), **values)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """What happened to a slice, a job or a card, for the record and the timeline."""

    event_id: str
    at: datetime
    kind: str
    """A value of ``EventKind``, unless another version of the service has written it."""
    node: str | None = None
    gpu_id: str | None = None
    slice_id: str | None = None
    for_slice_id: str | None = None
    owner: str | None = None
    bytes_mib: int = 0
    took_s: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LendingRecord:
    """Whether slices may be lent at all, and how that came."""

    on: bool = True
    reason: str = ""
    switched_by: str | None = None
    """Who switched lending; ``None``: nobody yet, or before that was kept."""
    switched_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """That an admin, or the quota document, has closed a card or a node to new slices and jobs."""

    node: NodeId
    gpu_id: GpuId | None
    """``None``: the whole node."""
    reason: str
    closed_by: str
    closed_at: datetime
    until: datetime | None = None
    """When it opens by itself."""
    drains: bool = False
    """Whether jobs leave, too."""
    begins_at: datetime | None = None
    """When it begins: until then nothing is closed. ``None``: it has begun."""
    by_document: bool = False
    """Whether the quota document says so: ``closed_by`` is where. The ledger has no such one."""

    def of_card(self, gpu_id: GpuId) -> "Closing":
        """Return the closing, for one card of the node."""
        return replace(self, gpu_id=gpu_id)

    @property
    def place(self) -> str:
        """By which the closing is found: what is closed once is closed once.

        One that begins later stands beside one that has begun.
        """
        where = f"node:{self.node}" if self.gpu_id is None else f"gpu:{self.gpu_id}"
        return where if self.begins_at is None else planned_place(where)

    @property
    def begun(self) -> "Closing":
        """The same from its beginning on."""
        if self.begins_at is None:
            return self
        return replace(self, closed_at=self.begins_at, begins_at=None)

    def words(self, gpu: GpuRecord) -> str:
        """Return why a card takes nothing new, for whoever is refused: without an admin's name."""
        who = self.closed_by if self.by_document else "an admin"
        what = f"node {self.node}" if self.gpu_id is None else f"GPU {gpu.index} of {gpu.node}"
        closes = "has closed" if self.begins_at is None else "closes"
        does = "drains" if self.drains else closes
        return f"{who} {does} {what}{self.times_clause()}: {self.reason}"

    def times_clause(self) -> str:
        """Return when it begins and ends, to stand behind what is closed; empty without either."""
        begins = "" if self.begins_at is None else f" from {moment_words(self.begins_at)} on"
        until = "" if self.until is None else f" until {moment_words(self.until)}"
        return f"{begins}{until}"


def planned_place(where: str) -> str:
    """Return the place of a closing that begins later."""
    return f"at:{where}"


@dataclass(frozen=True, slots=True)
class OffTime:
    """A time in which a held slice was lent, paused or suspended: nobody is charged for it."""

    slice_id: SliceId
    began_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """Records that become true together."""

    slices: tuple[SliceRecord, ...] = ()
    released: tuple[SliceId, ...] = ()
    jobs: tuple[JobRecord, ...] = ()
    forgotten: tuple[JobId, ...] = ()
    """Ended jobs whose rows are deleted; their files can go too."""
    gpus: tuple[GpuRecord, ...] = ()
    gone: tuple[GpuId, ...] = ()
    """Cards that hold no slice, of nodes that are no more; their rows are deleted."""
    events: tuple[EventRecord, ...] = field(default=())
    epoch_of: tuple[NodeId, int] | None = None
    """The node of an agent that has connected, and the count of its connections by now."""
    lending: LendingRecord | None = None
    """The switch of all lending, as it is from now on."""
    closings: tuple[Closing, ...] = ()
    opened: tuple[str, ...] = ()
    """The places of closings that are over."""
    off: tuple[OffTime, ...] = ()
    """Times that slices which are held were off their cards, and that are over."""
    failed_with_hardware: tuple[SliceId, ...] = ()
    """Slices of attempts that came to nothing as their card or node failed, among ``released``."""
    written_off: tuple[LagWrittenOff, ...] = ()
    """What of past use counts no longer, in place of what was written off before."""
