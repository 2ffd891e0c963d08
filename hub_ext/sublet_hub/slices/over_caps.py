"""Servers and jobs that stay over their memory caps, where an admin chose that these are ended.

Without a pool's ``max_over_cap`` nothing is ended: who is over their cap makes way first, and is
warned by the node's agent. With it the owner is told, and as long after that it is ended; who is
back within their cap before goes on. Nothing is concluded from silence: nobody is ended whose agent
does not report, and after some minutes of it what was told is forgotten, and told anew with the
whole time. A start of agent or service, which takes less, gives nobody more time: what was told is
kept in the ledger. A server is stopped by JupyterHub; a job's runner ends it, as one that ran too
long, and its reason, that it had more than it asked for, is in the ledger.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.reasons.caps import CapUse, OverCapEnd, ToldOverCap, over_cap_sentence
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode
from sublet_quota.reasons.moments import moment_words
from sublet_quota.residency.cap_watch import TOLD_AGAIN_AFTER
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.announcements import ShownAnnouncement
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.database import LedgerWriteError
from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.over_cap_notices import OverCapNotice, OverCapNotices
from sublet_hub.ledger.records import Change, SliceRecord
from sublet_hub.slices.evictions import SHOWN_FOR
from sublet_hub.slices.server_stops import STOPPED_AT_ONCE, ServerStops, StopsServers
from sublet_hub.state.stores import Stores

_LOG = logging.getLogger(__name__)
_HEARD_OF_WITHIN: Final = timedelta(minutes=5)
"""So long an agent may be silent, or take to report after a start: what was told holds on."""


class OverCaps:
    """The slices that are over their caps, and may not be so for ever."""

    def __init__(self, stores: Stores, hub: StopsServers, notices: OverCapNotices) -> None:
        self._ledger = stores.ledger
        self._fleet = stores.fleet
        self._capacity = stores.capacity
        self._now = stores.now
        self._stops = ServerStops(hub)
        self._kept = notices
        told = dict(notices.kept)
        self._notices = {s: each for s, each in told.items() if each.ended_at is not None}
        now = stores.now()
        self._unheard = {s: (each, now) for s, each in told.items() if each.ended_at is None}
        """What was told of slices of which no agent reports, and since when none does."""
        self._event_at: dict[SliceId, datetime] = {}
        """When a notice was last an event: programs go to and fro across their caps."""

    async def look(self) -> None:
        """Tell owners whose slices are over their caps, and have those ended that are due."""
        self._hear_of_again()
        for over in self._reported_over():
            self._note(over)
        due = []
        for slice_id, notice in tuple(self._notices.items()):
            record = self._ledger.slices.get(slice_id)
            if record is None:
                continue
            if notice.ended_at is None and not self._goes_on(record, notice):
                # Within its cap as the time is over, it has the whole time the next time, too.
                del self._notices[slice_id]
                if not self._is_heard_of(record):
                    self._unheard[slice_id] = notice, self._now()
            elif self._is_due(record, notice):
                due.append(record)
        await asyncio.gather(*map(self._end, due[:STOPPED_AT_ONCE]))
        self._keep()

    def _keep(self) -> None:
        """Keep what was told for the next start."""
        try:
            self._kept.keep_only(*self._told().values())
        except LedgerWriteError as error:
            # The next look tries it again.
            _LOG.warning("what was told of caps cannot be kept: %s", error)

    def ends_at(self, slice_id: SliceId) -> datetime | None:
        """Return when a slice is ended whose owner was told; ``None``: it is not."""
        unheard, _ = self._unheard.get(slice_id, (None, None))
        notice = self._notices.get(slice_id, unheard)
        return None if notice is None or notice.ended_at is not None else notice.ends_at

    def told_to(self, owner: UserName) -> tuple[ShownAnnouncement, ...]:
        """Return what one owner is told of ends, the newest first."""
        told = [self._shown(each) for each in self._told().values() if each.owner == owner]
        return tuple(sorted(told, key=lambda each: each.made_at, reverse=True))

    def owners(self) -> frozenset[UserName]:
        """Return those who are told something of this."""
        return frozenset(notice.owner for notice in self._told().values())

    def warned(self, owner: UserName) -> tuple[tuple[SliceId, OverCapNotice], ...]:
        """Return what one owner was told of ends that are still to come."""
        told = self._told().items()
        return tuple(each for each in told if each[1].owner == owner and each[1].ended_at is None)

    def announced_ends(self) -> Mapping[SliceId, datetime]:
        """Return when slices are ended whose owners were told, unless they are back within."""
        told = self._told().items()
        return {name: each.ends_at for name, each in told if each.ended_at is None}

    def forget_old(self) -> None:
        """Forget those that are there no more: of those ended for this, after a day."""
        before = self._now() - SHOWN_FOR
        for slice_id, notice in tuple(self._notices.items()):
            is_there = slice_id in self._ledger.slices
            if not is_there and (notice.ended_at is None or notice.ended_at < before):
                del self._notices[slice_id]
        self._stops.forget_but(self._notices)
        for slice_id in [each for each in self._event_at if each not in self._ledger.slices]:
            del self._event_at[slice_id]

    def _told(self) -> Mapping[SliceId, OverCapNotice]:
        return {**{s: notice for s, (notice, _) in self._unheard.items()}, **self._notices}

    def _hear_of_again(self) -> None:
        """Have what was told hold on where an agent reports again, and it is as it was."""
        for slice_id, (notice, since) in tuple(self._unheard.items()):
            record = self._ledger.slices.get(slice_id)
            if record is None or self._now() - since > _HEARD_OF_WITHIN:
                del self._unheard[slice_id]
            elif self._is_heard_of(record):
                del self._unheard[slice_id]
                if self._goes_on(record, notice):
                    self._notices[slice_id] = notice

    def _is_heard_of(self, record: SliceRecord) -> bool:
        told = self._fleet.report(record.slice_id) is not None
        return told and not self._fleet.is_silent(record.gpu.node)

    def _reported_over(self) -> Iterator[SliceRecord]:
        """Go through the slices whose pools end who is over their cap, and that are so now."""
        pools = self._capacity.holdings.document.pools.values()
        if not any(isinstance(pool.max_over_cap, timedelta) for pool in pools):
            return
        for view in self._fleet.nodes():
            for slice_id, report in view.slices.items():
                record = self._ledger.slices.get(slice_id)
                if report.over_cap_since is not None and record is not None:
                    yield record

    def _note(self, record: SliceRecord) -> None:
        """Tell an owner of the end, where that is news."""
        report, max_over = self._fleet.report(record.slice_id), self._max_over_cap(record)
        before = self._notices.get(record.slice_id)
        if report is None or report.over_cap_since is None or max_over is None:
            return
        use = self._use(record)
        if use is None or (before is not None and before.since == report.over_cap_since):
            return
        job = None if record.job_id is None else self._ledger.live_jobs.get(record.job_id)
        if record.is_job and (job is None or job.state is not JobState.RUNNING):
            return
        now = self._now()
        made = OverCapNotice(
            slice_id=record.slice_id,
            owner=record.owner,
            server=record.server,
            job=None if job is None else job.name,
            since=report.over_cap_since,
            held_mib=use.held_mib,
            cap_mib=use.cap_mib,
            max_over_cap_s=max_over.total_seconds(),
            told_at=now,
        )
        self._notices[record.slice_id] = made
        last = self._event_at.get(record.slice_id)
        if last is not None and now - last < TOLD_AGAIN_AFTER:
            return
        self._event_at[record.slice_id] = now
        ends = f"{_held(use)}; to end at {moment_words(made.ends_at)}"
        self._tell(EventKind.OVER_CAP_WARNED, record, ends)

    def _goes_on(self, record: SliceRecord, notice: OverCapNotice) -> bool:
        """Whether it is still so what an owner was told, as far as an agent tells."""
        report = self._fleet.report(record.slice_id)
        return (
            report is not None
            and not self._fleet.is_silent(record.gpu.node)
            and report.over_cap_since == notice.since
            and self._max_over_cap(record) == notice.max_over_cap
            and (self._now() < notice.ends_at or self._may_be_over(report, record))
        )

    @staticmethod
    def _may_be_over(report: SliceReport, record: SliceRecord) -> bool:
        """Whether a slice has more than its cap; while it moves nobody knows."""
        return report.move is not None or _use(report, record).is_over

    def _is_due(self, record: SliceRecord, notice: OverCapNotice) -> bool:
        """Whether a slice is to be ended now; asked again where a hub did not do it."""
        if not self._stops.is_ripe(record.slice_id):
            return False
        use = self._use(record)
        if notice.ended_at is not None:
            # One that was started since, and keeps to its cap, is not ended for the one before.
            return use is not None and not record.is_job
        if use is not None:
            now = replace(notice, held_mib=use.held_mib, cap_mib=use.cap_mib)
            self._notices[record.slice_id] = now
        return use is not None and self._now() >= notice.ends_at

    def _use(self, record: SliceRecord) -> CapUse | None:
        """Return what a slice has, as its agent tells it now; ``None`` where it is not over."""
        if self._fleet.is_silent(record.gpu.node):
            return None
        report = self._fleet.report(record.slice_id)
        # While it moves, a byte may be counted on both sides.
        if report is None or report.move is not None:
            return None
        use = _use(report, record)
        return use if use.is_over else None

    def _max_over_cap(self, record: SliceRecord) -> timedelta | None:
        holdings = self._capacity.holdings
        name = holdings.pool_of(record.gpu.gpu_id)
        most = None if name is None else holdings.document.pools[name].max_over_cap
        return most if isinstance(most, timedelta) else None

    async def _end(self, record: SliceRecord) -> None:
        notice = self._notices[record.slice_id]
        if record.job_id is not None:
            self._end_job(record, notice)
        else:
            named = f"the server of slice {record.slice_id}, over its cap"
            if not await self._stops.ask(record.slice_id, record.owner, record.server, named):
                return
        if notice.ended_at is not None:
            return
        self._notices[record.slice_id] = replace(notice, ended_at=self._now())
        self._tell(EventKind.ENDED_OVER_CAP, record, _held(notice.use))

    def _end_job(self, record: SliceRecord, notice: OverCapNotice) -> None:
        """Give a job its reason to end, which its runner sees."""
        job = None if record.job_id is None else self._ledger.live_jobs.get(record.job_id)
        if job is None or job.state is not JobState.RUNNING:
            return
        numbers = {
            "has_mib": notice.use.held_mib,
            "asked_mib": notice.use.cap_mib,
            "over_s": round(notice.max_over_cap.total_seconds()),
        }
        after = replace(job, reason=JobReason(JobReasonCode.MORE_THAN_ASKED, numbers))
        self._ledger.apply(Change(jobs=(after,)), self._now())

    def _shown(self, notice: OverCapNotice) -> ShownAnnouncement:
        slice_id = notice.slice_id
        at = notice.ended_at or notice.ends_at
        if notice.ended_at is not None:
            is_there = slice_id in self._ledger.slices
            told = ToldOverCap.ENDS if is_there else ToldOverCap.ENDED
        else:
            told = ToldOverCap.WARNED
        facts = OverCapEnd(
            told, notice.use, notice.max_over_cap, at, server=notice.server, job=notice.job
        )
        return ShownAnnouncement(
            announcement_id=over_cap_notice_id(slice_id),
            text=over_cap_sentence(facts),
            made_at=notice.ended_at or notice.told_at,
            until=at + SHOWN_FOR,
            from_admin=False,
        )

    def _tell(self, kind: EventKind, record: SliceRecord, detail: str) -> None:
        now = self._now()
        self._ledger.apply(Change(events=(slice_event(kind, record, now, detail),)), now)


def over_cap_notice_id(slice_id: SliceId) -> str:
    """Return the id of what an owner is told of a slice over its cap."""
    return f"over-cap-{slice_id}"


def _use(report: SliceReport, record: SliceRecord) -> CapUse:
    return CapUse(report.memory_mib + report.host_mib, record.memory_mib)


def _held(use: CapUse) -> str:
    return f"it has {format_memory(use.held_mib)}, and may have {format_memory(use.cap_mib)}"
