"""Bodies of the hub service's HTTP API (below ``/services/sublet/api/``).

A notebook server passes the routes for users on below its own ``/sublet/api/``, with the same
names and bodies; what it answers by itself is in ``sublet_quota.wire.notebook_server``. Bodies of
jobs are in ``sublet_quota.wire.jobs``, those of history and resize in ``sublet_quota.wire.share``.
"""

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from sublet_quota.amounts.node_amounts import NodeAmount, NodeNeed
from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import MOST_NAMED, GpuReport, SliceReport
from sublet_quota.wire.ahead import AheadInfo
from sublet_quota.wire.announcements import ShownAnnouncement
from sublet_quota.wire.closings import ClosingInfo
from sublet_quota.wire.decision import ToldDerivation, ToldHelp
from sublet_quota.wire.idle import IdleEnd, IdleSpared
from sublet_quota.wire.kept import KeeperCodes, ToldCapKept, ToldCode, ToldShareKept
from sublet_quota.wire.rank import ToldRank
from sublet_quota.wire.schema import (
    MOST_MIB,
    AnswerModel,
    AskedMib,
    AwareDatetime,
    Count,
    HubModel,
    Mib,
    MilliGpu,
    Name,
    Reason,
    RunningPid,
    Seconds,
    Text,
    ToldNumber,
    Uid,
    UnitGroup,
    WireModel,
    Words,
)
from sublet_quota.wire.share import GroupShare, LentPeriod, QuotaShare, WeekUse
from sublet_quota.wire.slice_warnings import ToldWarning
from sublet_quota.wire.standing import ToldStanding

_MOST_NUMBERS: Final = 100
_MOST_OFFERS: Final = 10_000
_MOST_GROUPS: Final = 10_000
_MOST_TYPES: Final = 10_000
_MOST_LISTED: Final = 100_000
_MOST_OF_CAP_MILLI: Final = 100_000
NEXT_PAGE: Final = "Sublet-Next"
"""The header of a list that goes on: what ``?before=`` takes, percent-encoded."""
TOTAL: Final = "Sublet-Total"
"""The header of the first page of some lists: how many entries all its pages have together."""

MOST_ASKED_MILLI: Final = 2**30
_AskedMilli = Annotated[int, Field(le=MOST_ASKED_MILLI)]


class Problem(AnswerModel):
    """Every answer of 4xx and 5xx: what, with which values, and what to do."""

    reason: RefusalReason | Name
    message: Words
    numbers: Annotated[dict[Name, ToldNumber], Field(max_length=_MOST_NUMBERS)] = {}
    why: ToldDerivation | None = None
    """What a refusal follows from; ``None``: it follows from no rule of the quotas."""
    helps: tuple[ToldHelp, ...] = Field(default=(), max_length=_MOST_NUMBERS)
    """What would help; ``message`` says it, too."""
    waits_for: tuple[Words, ...] = Field(default=(), max_length=_MOST_NUMBERS)
    """Whose slices are in the way; ``message`` says it, too."""


# Between spawner and service. Authorised by the service's own token, which only the hub has.


class PodTemplate(WireModel):
    """How the owner's pods are made; their jobs' pods are made the same way.

    Parts of the pod that the hub made for the owner's server, as Kubernetes' API writes them, so
    that whatever the admin's configuration did to it is in here. Never its environment, whose
    allowed part is ``AccountTemplate.environment``.
    """

    namespace: Name
    image: Name
    image_pull_policy: Name | None = None
    image_pull_secrets: tuple[Name, ...] = ()
    pod_security_context: dict[str, Any] = {}
    container_security_context: dict[str, Any] = {}
    volumes: tuple[dict[str, Any], ...] = ()
    """The owner's home, and the folder of the agent's socket; no certificates of the server's."""
    volume_mounts: tuple[dict[str, Any], ...] = ()
    node_selector: dict[str, str] = {}
    tolerations: tuple[dict[str, Any], ...] = ()
    runtime_class_name: Name | None = None
    """Which container runtime shows the pod its card, where that is not the nodes' default."""


class AccountTemplate(WireModel):
    """How the owner's spawner runs their processes; jobs of theirs run the same way."""

    uid: Uid
    gid: Uid
    home: Name
    notebook_dir: Name
    python: Name
    """The interpreter that has Jupyter, papermill and ``sublet_lab``."""
    environment: dict[str, str] = {}
    """The variables of an allow-list; never anything named ``JUPYTERHUB_*``."""
    driver_memory_limit: bool = False
    """Whether NVIDIA's driver is to keep memory caps on one machine, where it can."""
    pod: PodTemplate | None = None
    """How pods are made on Kubernetes, once the owner's first was; paths above are inside of it."""


class TakenOfNode(HubModel):
    """What a server asks of its node beside the GPU."""

    cpu_milli: Count = 0
    """CPU, in thousandths of one."""
    memory_mib: Mib = 0
    of_cap_milli: Annotated[int, Field(ge=0, le=_MOST_OF_CAP_MILLI)] = 0
    """How much memory more for each MiB of the slice's cap, in thousandths: where that lies, once
    the slice is suspended, is the server's own memory."""

    @property
    def need(self) -> NodeNeed:
        """The same, as it is decided by."""
        return NodeNeed(NodeAmount(self.cpu_milli, self.memory_mib), self.of_cap_milli)


class SliceRequest(HubModel):
    """A notebook server wants a slice. Either a size by name, or amounts."""

    owner: Name
    groups: tuple[Name, ...] = ()
    """The hub's groups that the owner is in, as the hub says."""
    group: Name | None = None
    """The group of the quota document that the owner wants to pay; ``None``: whichever fits best.
    What the owner wrote: refused where it is none of theirs."""
    server: Annotated[str, Field(max_length=255)] = ""
    """The server's name; empty for the default one."""
    size: Name | None = None
    pool: Name | None = None
    gpu_type: Name | None = None
    memory_mib: AskedMib | None = None
    compute_milli: _AskedMilli | None = None
    account: AccountTemplate
    never_suspended: Text | None = None
    """Why its processes must never be moved off the card, whatever the card itself says: as the
    slice backend of the hub declares it. Such a slice is not lent, and not overcommitted."""
    cap_kept_by: KeeperCodes | None = None
    """What keeps its memory cap, as the slice backend of the hub declares it, by the codes of
    ``CapKeeper``; empty: the card tells; ``None``: it is not known."""
    compute_kept_by: ToldCode = None
    """By which engine its share of the card's compute is kept, as the slice backend declares it;
    ``None``: none keeps it, and the node's agent sees to it."""
    home_claim: Text | None = None
    """Where its pod may run on the node of its slice alone: the volume claim with the owner's home,
    empty for none. Unless nodes share homes, it goes where that is in use."""
    takes: TakenOfNode | None = None
    """What its server asks of the node; ``None``: not known, and then it goes to any."""
    start_options: dict[str, Any] | None = None
    """The options with which the hub started the server: where it waits in line, it is started with
    these when its turn comes. ``None``: with those that the hub knows."""


class Lease(AnswerModel):
    """A slice that was handed out."""

    slice_id: Name
    owner: Name
    server: Text
    holder: Holder
    pool: Name
    node: Name
    gpu_id: Name
    gpu_index: Count
    gpu_type: Name
    gpu_memory_mib: Mib
    simulated: bool
    memory_mib: Mib
    compute_milli: MilliGpu
    size: Name | None = None
    created_at: AwareDatetime


class SliceStarted(HubModel):
    """The server's first process, by which its slice's processes are known."""

    root_pid: RunningPid
    root_start_time: Seconds
    """Seconds since the machine's boot: no setting of its clock changes it."""
    unit_group: UnitGroup | None = None
    """The control group of the unit that root's systemd started for this server alone."""


class PodStarted(HubModel):
    """The server's pod, by which its slice's processes are known on Kubernetes.

    Told as soon as the pod exists, and again when it has its node.
    """

    pod_uid: Name
    namespace: Name
    pod_name: Name
    node: Name | None = None
    """The node on which the cluster's scheduler put the pod; ``None`` while it waits for one."""
    template: PodTemplate | None = None
    takes: TakenOfNode | None = None
    """What the pod asks of its node, as the cluster has it; ``None``: as it was asked for."""
    cap_kept_by: KeeperCodes | None = None
    """What keeps its slice's memory cap; ``None``: what was told as the slice was asked for."""


class Offer(AnswerModel):
    """A size that the user may have now, or why not; and what the slice would be."""

    size: Name
    title: Words
    pool: Name
    memory_mib: Mib
    compute_milli: MilliGpu
    allowed: bool
    why_not: Words | None = None
    waits: bool = False
    """Whether who picks it though it is not to be had now waits in line for it."""
    types: tuple[Name, ...] | None = Field(default=None, max_length=_MOST_TYPES)
    """The GPU types that the size may lie on; ``None``: any."""
    group: Name | None = None
    """The group that would pay; ``None``: none, or it is refused."""
    gpu_type: Name | None = None
    """The type of the card it would lie on, as the quota document calls it."""
    rank: ToldRank | None = None
    """``None``: refused, or nothing of this type is guaranteed to anybody."""
    calls_back: Count = 0
    """How many borrowed slices would lose their place on the card."""


class Offers(AnswerModel):
    """What a user could have now, for the options form.

    Asked with ``?group=``, what they could have if this group paid; else whichever fits best.
    """

    owner: Name
    offers: tuple[Offer, ...] = Field(max_length=_MOST_OFFERS)
    default: Name | None
    groups: tuple[Name, ...] = Field(default=(), max_length=_MOST_GROUPS)
    """The groups that may pay, of which the user may choose one."""
    own: GroupShare
    """What the user holds, and may hold at most, whoever pays."""
    message: Words = ""
    told: tuple[ShownAnnouncement, ...] = Field(default=(), max_length=_MOST_LISTED)
    """What the user is told by admins and by Sublet itself, as in ``Share``."""


# For users and admins.


class SliceInfo(AnswerModel):
    """A slice with what its agent last said of it."""

    lease: Lease
    report: SliceReport | None
    standing: ToldStanding | None = None
    """What ``report`` comes to, in one word; ``None`` where there is none."""
    warnings: tuple[ToldWarning, ...] = Field(default=(), max_length=MOST_NAMED)
    """What ``report`` tells that is not as it should be."""
    compute_kept: ToldShareKept | None = None
    """How it stands with its share of the card's compute; ``None``: its agent does not say."""
    cap_kept: ToldCapKept | None = None
    """By what its memory cap is kept; ``None``: it is not known, as its server was started by an
    older version."""
    seen_at: AwareDatetime | None
    silent: bool = False
    """Whether the agent there does not report: all of this is as it was at ``seen_at``."""
    kept_until: AwareDatetime | None = None
    lent_to: tuple[Words, ...] = Field(default=(), max_length=MOST_NAMED)
    """Names of jobs' owners, to whom may see them; else ``"a job"``."""
    waits_for: tuple[Words, ...] = Field(default=(), max_length=MOST_NAMED)
    lent_since: AwareDatetime | None = None
    """Since when the slice is lent now."""
    last_lent: LentPeriod | None = None
    """The last time that the slice was lent and that is over."""
    rank: ToldRank | None = None
    """``None``: nothing of its card's type is guaranteed to anybody."""
    group: Name | None = None
    """The group that pays for the slice; ``None``: none."""
    moving_to: Count | None = None
    """The place among its node's cards of the one that the slice moves to; ``None``: it stays."""
    came_from: Count | None = None
    """The place among its node's cards of the one that the slice was moved from within the last
    hour; ``None``: it was not, or that card is no more."""
    came_at: AwareDatetime | None = None
    """When it was moved to the card that it is on, within the last hour; ``None``: it was not."""
    idle_end: IdleEnd | None = None
    """When the server is ended for being idle; ``None``: it is at work, spared, or may be idle for
    ever, or its node's agent does not say."""
    idle_spared: IdleSpared | None = None
    """For which job the server is not ended though it is idle; ``None``: for none."""


class Share(AnswerModel):
    """The caller's own share."""

    owner: Name
    slices: tuple[SliceInfo, ...] = Field(max_length=_MOST_LISTED)
    jobs_waiting: Count
    jobs_running: Count
    jobs_stopped: Count = 0
    """Of ``jobs_running``, those that stand still at the moment, as their agents tell."""
    servers_waiting: Count = 0
    """How many servers of the owner's are in line for a slice; ``GET queue`` tells how each stands.
    """
    groups_known: bool = True
    """Whether the owner's groups are known: where not, what they may have through these is not in
    ``quota``, and a limit of ``None`` means none that is known."""
    lending: bool
    agents_silent: tuple[Name, ...] = Field(default=(), max_length=_MOST_LISTED)
    quota: QuotaShare | None = None
    offers: tuple[Offer, ...] = Field(default=(), max_length=_MOST_OFFERS)
    """What another server of the caller's could have now."""
    week: WeekUse | None = None
    announcements: tuple[ShownAnnouncement, ...] = Field(default=(), max_length=_MOST_LISTED)
    """What admins tell the caller now, the newest first; before that, which servers and jobs of the
    caller's they end, or have ended lately."""
    ahead: tuple[AheadInfo, ...] = Field(default=(), max_length=_MOST_LISTED)
    """What will be taken from the caller unless something happens before, the next first."""


class GpuInfo(AnswerModel):
    """A card with its slices (admins: with owners)."""

    node: Name
    pool: Name
    report: GpuReport
    slices: tuple[SliceInfo, ...] = Field(max_length=_MOST_LISTED)
    promised_mib: Mib
    """The sum of the notebooks' caps on the card."""
    overcommit: float = Field(ge=0, le=MOST_MIB, allow_inf_nan=False)
    seen_at: AwareDatetime | None
    silent: bool
    closing: ClosingInfo | None = None
    """How an admin has closed the card, or its node."""
    planned_closing: ClosingInfo | None = None
    """How an admin will close the card, or its node, next."""
    kept_out: Words | None = None
    """Why the quota document lets nothing onto the card: no pool has it, or several match it."""
    type_name: Words | None = None
    """What the quota document calls the card's type; its model where no type there matches it."""


class KeepRequest(WireModel):
    """Do not lend my slice for so long; 0 ends it."""

    minutes: int = Field(ge=0, le=24 * 60)


class LendingSwitch(WireModel):
    """All lending, on or off (admins)."""

    lending: bool
    reason: Reason = ""
    """Why, for the record: at most 1000 characters."""


class LendingState(LendingSwitch):
    """All lending, as it was switched last."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    reason: Words = ""
    """Services of before took longer ones."""
    switched_by: Words | None = None
    """Which admin switched lending; told to admins alone."""
    switched_at: AwareDatetime | None = None
    """When lending was switched; ``None``: never, as far as is known."""


class EventInfo(AnswerModel):
    """An event of the ledger."""

    event_id: Name
    at: AwareDatetime
    kind: Name
    """A value of ``EventKind``; a newer service may tell others."""
    node: Name | None
    gpu_id: Name | None
    slice_id: Name | None
    for_slice_id: Name | None
    owner: Name | None
    bytes_mib: Mib
    took_s: Seconds
    detail: Words
