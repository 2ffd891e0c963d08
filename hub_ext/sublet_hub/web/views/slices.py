"""What callers are shown: ledger and fleet put together as the API's bodies.

Other users' names are shown to admins and within a group that the quota document knows; to
everybody else a job is "a job", and an owner "another owner". The ids of their slices likewise.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.names.ids import GpuId, JobId, SliceId
from sublet_quota.reasons.caps import CapUse
from sublet_quota.reasons.standings import SliceFacts, standing_of
from sublet_quota.wire.agent_link import GpuReport, SliceReport
from sublet_quota.wire.api import EventInfo, GpuInfo, SliceInfo
from sublet_quota.wire.closings import ClosingInfo
from sublet_quota.wire.idle import IdleEnd, IdleSpared
from sublet_quota.wire.kept import (
    ToldCapKept,
    ToldShareKept,
    tell_cap_kept,
    tell_cap_kept_with,
    tell_share_kept,
)
from sublet_quota.wire.rank import ToldRank
from sublet_quota.wire.share import LentPeriod
from sublet_quota.wire.slice_warnings import ToldWarning, cap_warning, tell_warnings
from sublet_quota.wire.standing import ToldStanding, tell_standing

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Closing, EventRecord, GpuRecord, JobRecord, SliceRecord
from sublet_hub.slices.lease import lease_of
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet
from sublet_hub.web.views.ranks import rank_of

_MOST_TEXT = 4000


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: their name and groups, and whether they may see everybody's names."""

    name: str
    sees_all: bool
    groups: frozenset[str] = frozenset()
    sees_groups: frozenset[str] = frozenset()
    """The groups of the quota document whose slices and jobs they see, whosever these are."""


@dataclass(frozen=True, slots=True)
class OverTime:
    """What a moment makes of a slice."""

    idle_end: Callable[[SliceRecord], IdleEnd | None]
    """When its server is ended for being idle."""
    idle_spared: Callable[[SliceRecord], IdleSpared | None]
    """For which job its server is not ended for that."""
    reserved_from: Callable[[SliceRecord], str | None]
    """From when on the room is reserved that a called-back slice left, in words."""
    came_at: Callable[[SliceRecord], datetime | None]
    """When it came from another card, if that was lately."""


HUB = Viewer(name="", sees_all=True)


class Views:
    """Puts ledger and fleet together."""

    def __init__(
        self,
        ledger: Ledger,
        fleet: Fleet,
        capacity: Capacity,
        over_time: OverTime,
    ) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._capacity = capacity
        self._over_time = over_time

    def slice(self, record: SliceRecord, viewer: Viewer) -> SliceInfo:
        """Return a slice with what its agent last said of it."""
        report = self._fleet.report_as_of_now(record.slice_id)
        waits_for = () if report is None or report.wait is None else report.wait.waits_for
        came_at, silent = self._over_time.came_at(record), self._fleet.is_silent(record.gpu.node)
        return SliceInfo(
            lease=lease_of(record),
            report=None if report is None else self._shown_report(report, viewer),
            standing=None if report is None else _standing(report),
            warnings=() if report is None else _warnings(report, record.memory_mib),
            compute_kept=None if silent or report is None else _compute_kept(report),
            cap_kept=_cap_kept(record, None if silent else report),
            seen_at=self._fleet.seen_at(record.gpu.node),
            silent=silent,
            kept_until=record.kept_until,
            lent_to=() if report is None else self.names(report.lent_to, viewer),
            waits_for=self.names(waits_for, viewer),
            lent_since=record.lent_since,
            last_lent=self._last_lent(record, viewer),
            rank=self.rank(record),
            group=record.group,
            moving_to=self._index_of(record.moving_to),
            came_from=None if came_at is None else self._index_of(record.came_from),
            came_at=came_at,
            idle_end=self._over_time.idle_end(record),
            idle_spared=self._over_time.idle_spared(record),
        )

    def rank(self, record: SliceRecord) -> ToldRank | None:
        """Return how an owner's slice stands to guarantees; ``None`` where that says nothing."""
        return rank_of(
            self._capacity.holdings,
            record,
            self._over_time.reserved_from(record),
            self._capacity.return_pauses.back_at(record.slice_id),
        )

    def slices(self, records: Iterable[SliceRecord], viewer: Viewer) -> tuple[SliceInfo, ...]:
        """Return the slices as a viewer is shown them, the oldest first."""
        ordered = sorted(records, key=lambda record: (record.created_at, record.slice_id))
        return tuple(self.slice(record, viewer) for record in ordered)

    def _index_of(self, card: GpuId | None) -> int | None:
        gpu = None if card is None else self._ledger.gpus.get(card)
        return None if gpu is None else gpu.index

    def event(self, record: EventRecord, viewer: Viewer) -> EventInfo:
        """Return an event; for whom room was made is told only to a viewer who may know that."""
        made_for = record.for_slice_id
        return EventInfo(
            event_id=record.event_id,
            at=record.at,
            kind=record.kind,
            node=record.node,
            gpu_id=record.gpu_id,
            slice_id=record.slice_id,
            for_slice_id=made_for if made_for and self._shows_slice(made_for, viewer) else None,
            owner=record.owner,
            bytes_mib=record.bytes_mib,
            took_s=record.took_s,
            detail=record.detail,
        )

    def closing(self, closing: Closing) -> ClosingInfo:
        """Return what is closed, with what is still there; for admins."""
        gpu = None if closing.gpu_id is None else self._ledger.gpus.get(closing.gpu_id)
        there = self._ledger.slices_behind(closing)
        return ClosingInfo(
            node=closing.node if gpu is None else gpu.node,
            gpu_id=closing.gpu_id,
            gpu_index=None if gpu is None else gpu.index,
            reason=closing.reason,
            closed_by=closing.closed_by,
            closed_at=closing.closed_at,
            until=closing.until,
            drains=closing.drains,
            begins_at=closing.begins_at,
            notebooks=sum(not record.is_job for record in there),
            jobs=sum(record.is_job for record in there),
        )

    def gpus(self, viewer: Viewer) -> tuple[GpuInfo, ...]:
        """Return all cards as a viewer is shown them, by node and index."""
        cards = sorted(self._ledger.gpus.values(), key=lambda gpu: (gpu.node, gpu.index))
        return tuple(self.gpu(gpu, viewer) for gpu in cards)

    def gpu(self, gpu: GpuRecord, viewer: Viewer) -> GpuInfo:
        """Return one card, with who holds what on it, as a viewer is shown it."""
        slices = self._ledger.slices_on_gpu(gpu.gpu_id)
        promised = self._ledger.promised_mib(gpu.gpu_id)
        closing = self._fleet.closing_of(gpu)
        planned = self._ledger.planned_closing_of(gpu)
        return GpuInfo(
            node=gpu.node,
            pool=self._capacity.holdings.pool_of(gpu.gpu_id) or "none",
            report=self._fleet.gpu_report(gpu.gpu_id) or _unreported(gpu),
            slices=self.slices(slices, viewer),
            promised_mib=promised,
            overcommit=round(promised / gpu.memory_mib, 3) if gpu.memory_mib else 0.0,
            seen_at=self._fleet.seen_at(gpu.node),
            silent=self._fleet.is_silent(gpu.node),
            closing=None if closing is None else self.closing(closing),
            planned_closing=None if planned is None else self.closing(planned),
            kept_out=self._capacity.holdings.kept_out(gpu.gpu_id),
            type_name=self._capacity.holdings.type_of(gpu.gpu_id),
        )

    def _shown_report(self, report: SliceReport, viewer: Viewer) -> SliceReport:
        wait = report.wait
        if wait is not None:
            waits_for = self._shown_ids(wait.waits_for, viewer)
            wait = wait.model_copy(update={"waits_for": waits_for})
        lent_to = self._shown_ids(report.lent_to, viewer)
        return report.model_copy(update={"wait": wait, "lent_to": lent_to})

    def _shown_ids(self, slice_ids: Iterable[str], viewer: Viewer) -> tuple[str, ...]:
        return tuple(each for each in slice_ids if self._shows_slice(each, viewer))

    def _shows_slice(self, slice_id: str, viewer: Viewer) -> bool:
        """Whether a viewer may know a slice by its id; whose a slice was that is gone, none."""
        if viewer.sees_all:
            return True
        record = self._ledger.slices.get(SliceId(slice_id))
        return record is not None and self.shows_holder(record, viewer)

    def shows_holder(self, record: SliceRecord, viewer: Viewer) -> bool:
        """Whether a viewer may see whose a slice is: by its owner, or by the group that pays."""
        return record.group in viewer.sees_groups or self.shows_name(
            record.owner, self.member_groups(record), viewer
        )

    def member_groups(self, record: SliceRecord) -> tuple[str, ...]:
        """Return the groups of the quota document that a slice's owner is in."""
        job = None if record.job_id is None else self._ledger.job_facts(record.job_id)
        return record.member_of if job is None else self.groups_of(job.groups)

    def groups_of(self, hub_groups: Iterable[str]) -> tuple[str, ...]:
        """Return the groups of the quota document that members of these of the hub are in."""
        return self._capacity.holdings.document.groups_of(hub_groups)

    def names(self, slice_ids: Iterable[str], viewer: Viewer) -> tuple[str, ...]:
        """Return what a viewer is told of whose slices these are."""
        return tuple(self._name(SliceId(slice_id), viewer) for slice_id in slice_ids)

    def _name(self, slice_id: SliceId, viewer: Viewer) -> str:
        record = self._ledger.slices.get(slice_id)
        if record is None:
            return "a slice that is gone"
        if record.job_id is not None:
            return self.job_name(record.job_id, viewer)
        return record.owner if self.shows_holder(record, viewer) else "another owner"

    def _last_lent(self, record: SliceRecord, viewer: Viewer) -> LentPeriod | None:
        if record.last_lent_from is None or record.last_lent_until is None:
            return None
        job_id = record.last_lent_job
        return LentPeriod(
            from_=record.last_lent_from,
            until=record.last_lent_until,
            to="a job" if job_id is None else self.job_name(job_id, viewer),
        )

    def job_name(self, job_id: JobId, viewer: Viewer) -> str:
        """Return what a viewer is told of whose a job is."""
        job = self._ledger.job_facts(job_id)
        if job is not None and job.owner == viewer.name:
            return "a job of yours"
        if job is not None and (
            (isinstance(job, JobRecord) and job.group in viewer.sees_groups)
            or self.shows_name(job.owner, self.groups_of(job.groups), viewer)
        ):
            return f"a job of {job.owner}"
        return "a job"

    def shows_name(self, owner: str, groups: Iterable[str], viewer: Viewer) -> bool:
        """Whether a viewer may see an owner's name: their own, or of one group with them.

        ``groups``: of the owner, as the quota document has them.
        """
        if viewer.sees_all or owner == viewer.name:
            return True
        return not set(self.groups_of(viewer.groups)).isdisjoint(groups)


def _standing(report: SliceReport) -> ToldStanding:
    facts = SliceFacts(
        state=report.state,
        active=report.active,
        lent=bool(report.lent_to),
        move=None if report.move is None else report.move.kind,
        wait=None if report.wait is None else report.wait.reason,
    )
    return tell_standing(standing_of(facts))


def _compute_kept(report: SliceReport) -> ToldShareKept | None:
    if report.compute_kept is None:
        return None
    return tell_share_kept(
        report.compute_kept, report.compute_most_milli, report.compute_foreign_percent
    )


def _cap_kept(record: SliceRecord, report: SliceReport | None) -> ToldCapKept | None:
    simulated = record.gpu.simulated
    if report is not None and report.driver_limit is not None:
        return tell_cap_kept_with(report.driver_limit, simulated=simulated)
    return tell_cap_kept(record.cap_kept_by, simulated=simulated)


def _warnings(report: SliceReport, cap_mib: int) -> tuple[ToldWarning, ...]:
    # By the cap that it has now: one that was just made larger may be over its former one.
    use = CapUse(report.memory_mib + report.host_mib, cap_mib)
    # While it moves, a byte may be counted on both sides.
    of_cap = cap_warning(use) if report.move is None else None
    return tell_warnings(of_cap, report.unsuspendable, report.obstacle)


def _unreported(gpu: GpuRecord) -> GpuReport:
    """Return what the ledger knows of a card whose agent has not spoken since the start."""
    return GpuReport(
        gpu_id=GpuId(gpu.gpu_id),
        index=gpu.index,
        type=gpu.type,
        simulated=gpu.simulated,
        memory_mib=gpu.memory_mib,
        margin_mib=gpu.margin_mib,
    )
