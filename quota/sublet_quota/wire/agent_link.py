"""Between agent and hub service, over the WebSocket that the agent opens.

Everything but ``Events`` is a level, sent whole and repeated: a lost message heals with the
next. ``epoch`` is the service's count of the agent's connections; an older one is refused.
The agent authenticates with ``Authorization: Bearer <the node's secret>``. What it is told is
fresh: ``Welcome`` repeats its greeting's nonce, ``Assignments`` name the last status that the
service had, so that their age is known by the agent's clock alone.
"""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.fitness import Unfit, UnfitReason
from sublet_quota.reasons.not_frozen import NotFrozen
from sublet_quota.reasons.obstacles import Obstacle
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.snapshot import Holder, Rank
from sublet_quota.wire.event_kinds import TOLD_BY_AGENTS, EventKind
from sublet_quota.wire.kept import KeeperCodes, ToldCode, ToldDriverLimit
from sublet_quota.wire.schema import (
    MOST_COUNT,
    AnswerModel,
    AwareDatetime,
    CardMib,
    Celsius,
    Count,
    Mib,
    MilliGpu,
    Millijoules,
    Milliseconds,
    Name,
    Number,
    Percent,
    Pid,
    PositiveCount,
    PositiveMib,
    RunningPid,
    Seconds,
    SentSequence,
    Sequence,
    Uid,
    UnitGroup,
    WireModel,
    Words,
    keeps_first,
)

MOST_FOREIGN_PIDS: Final = 20
MOST_NAMED: Final = 1000
"""How many slices or processes of one slice are told of; of more the first."""
_MOST_SLICES: Final = 4096
_MOST_GPUS: Final = 64
_MOST_ASSIGNED: Final = 65_536
_MOST_EVENTS: Final = 1000
_Names = Annotated[tuple[Name, ...], keeps_first(MOST_NAMED), Field(max_length=MOST_NAMED)]
_Pids = Annotated[tuple[Pid, ...], keeps_first(MOST_NAMED), Field(max_length=MOST_NAMED)]

Nonce = Annotated[str, Field(max_length=32, pattern=r"^[0-9a-f]{32}$")]
"""128 random bits, as hexadecimal digits."""


class ForeignProcesses(AnswerModel):
    """Processes of no slice that use a card; nothing is suspended or resumed beside them."""

    count: PositiveCount
    pids: tuple[Pid, ...] = Field(max_length=MOST_FOREIGN_PIDS)
    """The pids of the first of these processes, as the agent's machine numbers them."""
    held_mib: Mib
    """What all of these processes hold on the card together."""
    memory_told: bool = True
    """Whether the card tells what each of them holds; else ``held_mib`` is only the least."""
    utilisation_percent: Percent | None = None
    """How much of the card's time all of these processes use together; ``None``: it is not told."""


class ToldUnfit(AnswerModel):
    """One thing for which a card is not fit to be lent."""

    why: Unfit
    detail: Words = ""


class GpuReport(AnswerModel):
    """One card, as its agent sees it."""

    gpu_id: Name
    index: Count
    type: Name
    """NVML's name of the model, such as ``NVIDIA H100 80GB HBM3``."""
    simulated: bool
    memory_mib: CardMib
    margin_mib: CardMib = 1024
    used_mib: Mib = 0
    utilisation_percent: Percent | None = None
    """``None``: the card does not tell."""
    energy_mj: Millijoules | None = None
    temperature_c: Celsius | None = None
    """The temperature of the GPU itself; ``None``: the card does not tell, or its agent does not
    (it is of an older version)."""
    closed: Words | None = None
    """Why the card takes nothing new (XID, ECC, gone); ``None``: it does."""
    closed_for_good: bool = False
    """Whether the agent opens the card again only after an admin has seen to it."""
    foreign_processes: ForeignProcesses | None = None
    """Who else uses the card, which is pause-only for as long as somebody does."""
    unfit: tuple[ToldUnfit, ...] | None = Field(default=None, max_length=64)
    """Why the card is not fit to be lent; none: it is; ``None``: the agent does not tell (it is of
    a version that did not look)."""
    unfrozen: NotFrozen | None = None
    """Why the other slices are not all frozen while one comes back, or nothing: they are."""
    lendable_mib: Mib = 0
    """What a job could get here within ``idle_after`` of everybody's last cell."""
    suspend_mib_per_s: PositiveMib = 1700
    host_memory_mib: Mib | None = None
    """What suspended slices may take of the node's host memory in all, with what they take of it
    now: the same for all cards of a node. ``None``: the agent does not tell (it is of an older
    version)."""

    @property
    def unfit_reasons(self) -> tuple[UnfitReason, ...]:
        """Why the card is not fit to be lent, as far as that is told."""
        return tuple(UnfitReason(each.why, each.detail) for each in self.unfit or ())


class WaitReport(AnswerModel):
    """Why a slice waits, for its owner to read."""

    reason: WaitReason
    place: PositiveCount
    waits_for: _Names = ()
    """Slice ids. The service shows their owners' names only to whom may see them."""
    need_mib: Number = 0
    free_mib: Number = 0
    turn_ends: AwareDatetime | None = None


class MoveReport(AnswerModel):
    """A move of memory in flight."""

    kind: Literal["suspending", "resuming"]
    began: AwareDatetime
    bytes_mib: Mib
    moved_mib: Mib | None = None
    """How much of the move has arrived; ``None`` where the device does not tell."""
    expected_s: Seconds
    elapsed_s: Seconds | None = None
    """For how long it has been under way, by the agent's clock and as of this report; the
    service's API adds how old the report is."""


class SliceReport(AnswerModel):
    """One slice, as its agent sees it."""

    slice_id: Name
    gpu_id: Name | None = None
    """The card that the slice is on, where it is another than the assigned one: it was moved there,
    or on Kubernetes the device plugin picked it, and its processes were seen there."""
    stays: Words | None = None
    """Why the slice does not come to the card that it is to move to."""
    state: SliceState
    active: bool
    since: AwareDatetime
    """Since when the slice is active, or idle."""
    gate_open: bool
    memory_mib: Mib
    memory_told: bool = True
    """Whether the card tells what each of the processes holds; else ``memory_mib`` is only the
    least."""
    host_mib: Mib = 0
    utilisation_percent: Percent | None = None
    """``None``: the card does not tell."""
    gpu_busy_ms: Milliseconds = 0
    """GPU time used since the agent knows the slice: as the device counts it by process, or else
    reckoned from the utilisation that the driver tells of each."""
    pids: _Pids = ()
    wait: WaitReport | None = None
    move: MoveReport | None = None
    unsuspendable: Words | None = None
    obstacle: Obstacle | None = None
    """The code of what ``unsuspendable`` tells in words."""
    over_cap: bool = False
    """Whether it has more than its cap now, on the card and in host memory."""
    over_cap_since: AwareDatetime | None = None
    """Since when it is over its cap, small swings left aside, by the agent's clock; ``None``: it is
    not, or the agent does not tell (it is of an older version)."""
    running_cell: bool = False
    """A kernel says that a cell runs, or waits at the gate."""
    quiet_since: AwareDatetime | None = None
    """Since when nothing was seen of work: no cell has begun or ended, no process has used the GPU,
    nor the CPU while it was suspended; a cell that runs on without either is ``running_cell``.
    ``None``: the agent does not tell (it is of an older version)."""
    compute_kept: ToldCode = None
    """How it stands with its share of the card's compute; ``None``: the agent does not tell."""
    compute_most_milli: MilliGpu | None = None
    """How much of the card's compute it has at most there, also alone; ``None``: all."""
    compute_foreign_percent: Percent | None = None
    """How much of the card's time what belongs to no slice uses; ``None``: not why it has less."""
    driver_limit: ToldDriverLimit = None
    """How it stands with the driver's limit of its memory; ``None``: none was asked for."""
    lent_to: _Names = ()
    """Slices of the jobs that use this one's room, or its compute, while it is idle."""


class Hello(WireModel):
    """The first message of a connection."""

    type: Literal["hello"] = "hello"
    node: Name
    boot_id: Name
    version: Name
    nonce: Nonce | None = None
    """New for each connection; the service's answer repeats it. ``None``: an agent of an older
    version, which does not look."""


class Status(WireModel):
    """Everything the agent sees, at least every second and at once on a change."""

    type: Literal["status"] = "status"
    epoch: Sequence
    sequence: SentSequence
    at: AwareDatetime
    gpus: tuple[GpuReport, ...] = Field(max_length=_MOST_GPUS)
    slices: tuple[SliceReport, ...] = Field(max_length=_MOST_SLICES)
    acknowledged: Sequence = -1
    """The sequence of the last ``Assignments`` that is in force here."""


def _told_by_agents(kind: EventKind) -> EventKind:
    if kind not in TOLD_BY_AGENTS:
        message = f"{kind.value} is the service's own word: an agent tells {sorted(TOLD_BY_AGENTS)}"
        raise ValueError(message)
    return kind


class AgentEvent(WireModel):
    """Something that happened to a slice or a GPU, for the record and the timeline."""

    event_id: Name
    """Unique for ever: told again after a lost connection, stored once."""
    at: AwareDatetime
    kind: Annotated[EventKind, AfterValidator(_told_by_agents)]
    gpu_id: Name
    slice_id: Name | None = None
    for_slice_id: Name | None = None
    bytes_mib: Mib = 0
    took_s: Seconds = 0
    detail: Words = ""


class Events(WireModel):
    """New events; the service answers with ``EventsTaken``."""

    type: Literal["events"] = "events"
    epoch: Sequence
    events: tuple[AgentEvent, ...] = Field(max_length=_MOST_EVENTS)


def _known_rank(told: object) -> object:
    """Return a rank as this version knows it: what an older or a newer one tells is borrowed."""
    if isinstance(told, bool):
        message = f"{told!r} is no rank"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns it into a field's problem
    unknown = isinstance(told, int) and 0 <= told <= MOST_COUNT and told not in set(Rank)
    return Rank.BORROWED if told is None or unknown else told


class SliceAssignment(AnswerModel):
    """A slice that the agent serves."""

    slice_id: Name
    holder: Holder
    owner: Name
    gpu_id: Name
    memory_mib: PositiveMib
    compute_milli: MilliGpu
    uid: Uid
    """Processes of another uid are never this slice's."""
    root_pid: RunningPid | None = None
    root_start_time: Seconds | None = None
    """Seconds since the machine's boot: a pid alone can be another process's."""
    unit_group: UnitGroup | None = None
    """The control group of the server's own systemd unit: all in it are this slice's."""
    pod_uid: Name | None = None
    """On Kubernetes. The pod's cgroup alone then says what is this slice's, whatever the uid."""
    never_suspended: Words | None = None
    """Why the slice must never be moved off the card, where the hub's slice backend says so."""
    cap_kept_by: KeeperCodes | None = None
    """What keeps its memory cap under the hub's slice backend; empty: the card tells; ``None``: it
    is not known."""
    compute_kept_by: ToldCode = None
    """By which engine its share of the card's compute is kept; ``None``: none keeps it."""
    on_several_cards: bool = False
    """Whether the slice is one of several of its job, on as many cards, whose processes wait for
    each other: then none of them takes turns of computing."""
    created_at: AwareDatetime
    entitlement: Number = 0
    rank: Annotated[Rank, BeforeValidator(_known_rank)] = Rank.BORROWED
    """By which right a slice is on its card: lower ones come first."""
    held_back: bool = False
    """Whether a job's slice stands still, as another has taken its place."""
    move_to: Name | None = None
    """The card of the node that the slice is to come back on; ``None``: it stays. ``gpu_id`` is the
    one that the service knows it to be on."""
    came_from: Name | None = None
    """The card that it was on before it moved to ``gpu_id``: older programs of it may be there."""
    perhaps_on: tuple[Name, ...] = Field(default=(), max_length=_MOST_GPUS)
    """Cards that it was to come back on when that was called off: it may be on one of them."""
    kept_until: AwareDatetime | None = None
    wanted_since: AwareDatetime | None = None
    """When the owner last asked for the slice (``sublet wake``): counts as a wake."""
    given_up_at: AwareDatetime | None = None
    """When the owner last gave the slice up for now: idle at once, until something new is seen."""
    in_reserve: bool = False
    """Whether the slice's room is of its card's ``reserved_mib``."""
    over_cap_ends_at: AwareDatetime | None = None
    """When the service ends the slice for being over its cap, unless it is back within before;
    ``None``: it does not. For its owner to be told in its cells, too."""


class GpuAssignment(AnswerModel):
    """The policy for one GPU, from its pool."""

    gpu_id: Name
    pool: Name
    idle_after_s: Seconds = Field(gt=0)
    lend: bool
    give_back_within_s: Seconds = Field(gt=0)
    turn_s: Seconds = Field(gt=0)
    lend_at_least_s: Seconds
    reserved_mib: Mib = 0
    """How much is to be free for a reservation, with what its own slices have here. It is told as
    soon as moving must begin: called-back slices leave ahead. Agents of older versions move nothing
    before the reservation's first cell asks."""
    reserved_until: AwareDatetime | None = None
    """Until when, also where nothing more is heard; ``None``: nothing is reserved."""
    max_compute_milli: int | None = Field(default=None, ge=1, le=1000)
    """How much of the GPU's compute a slice has at most, also alone: its share where that is more.
    ``None``: all. Agents of older versions know of no such limit."""


class Welcome(AnswerModel):
    """The service's answer to ``Hello``."""

    type: Literal["welcome"] = "welcome"
    epoch: Sequence
    nonce: Nonce | None
    """The greeting's: a welcome that was recorded is none of this connection's."""


class Assignments(AnswerModel):
    """All that the agent's node serves; sent on each change and every five seconds."""

    type: Literal["assignments"] = "assignments"
    epoch: Sequence
    sequence: SentSequence
    heard: Sequence = -1
    """The sequence of the last ``Status`` of this connection that the service had; -1: none. What
    was said that long ago, and longer than the service may be silent, is in force no more."""
    lending: bool
    gpus: tuple[GpuAssignment, ...] = Field(max_length=_MOST_ASSIGNED)
    slices: tuple[SliceAssignment, ...] = Field(max_length=_MOST_ASSIGNED)


class EventsTaken(AnswerModel):
    """These events are stored: the agent may forget them."""

    type: Literal["events-taken"] = "events-taken"
    event_ids: tuple[Name, ...] = Field(max_length=_MOST_EVENTS)


FromAgent = Annotated[Hello | Status | Events, Field(discriminator="type")]
FromService = Annotated[Welcome | Assignments | EventsTaken, Field(discriminator="type")]
FROM_AGENT: TypeAdapter[Hello | Status | Events] = TypeAdapter(FromAgent)
FROM_SERVICE: TypeAdapter[Welcome | Assignments | EventsTaken] = TypeAdapter(FromService)
