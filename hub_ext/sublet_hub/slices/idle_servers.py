"""Idle notebook servers: their owners are warned, may put the end off, and then they are ended.

Idle is who the node's agent says is idle: no cell runs in any kernel, however long one computes on
the CPU, nobody waits for a turn, and nothing has used the GPU for ``max_idle``. An open tab and a
program in a terminal without the GPU are no work, though JupyterHub's ``last_activity`` counts
them: every tab that somebody forgot would hold a slice.

Nothing is concluded from silence: while an agent does not report, or does not tell since when a
slice is quiet, nobody is warned and nothing is ended, and who was warned before a long silence is
warned anew. Nor from an agent whose clock is behind: what it saw a minute ago would be long past.
A server is stopped by JupyterHub, as for an admin (``evictions``). What was warned of, or put off,
is in the ledger, so it outlives the service. Training jobs are no servers; while one goes on that
was promoted from a server (``promoted_jobs``), this is not ended, and is idle anew from its end on.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import max_idle_of
from sublet_quota.life_cycles.idle_servers import IdleServer, IdleStage
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.reasons.idle_servers import (
    IdleFacts,
    SparingJob,
    ToldIdle,
    idle_sentence,
    spared_clause,
    spared_sentence,
)
from sublet_quota.reasons.moments import moment_words
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.announcements import ShownAnnouncement
from sublet_quota.wire.event_kinds import EventKind
from sublet_quota.wire.idle import IdleEnd, IdleSpared

from sublet_hub.errors import ConflictError
from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.idle_servers import IdleNote, IdleNotes
from sublet_hub.ledger.records import Change, JobRecord, SliceRecord
from sublet_hub.security.rate_limits import Rate, RateLimits, take_or_refuse
from sublet_hub.slices.evictions import SHOWN_FOR
from sublet_hub.slices.promoted_jobs import PromotedJobs
from sublet_hub.slices.server_stops import STOPPED_AT_ONCE, ServerStops, StopsServers
from sublet_hub.state.collectors.stepped import in_parts
from sublet_hub.state.stores import Stores

_MOST_BEHIND: Final = timedelta(minutes=1)
"""By so much an agent's clock, with what its report takes on the way, may be behind."""
_TOLD: Final = {
    IdleStage.IDLE: ToldIdle.IDLE,
    IdleStage.TO_WARN: ToldIdle.WARNED,
    IdleStage.WARNED: ToldIdle.WARNED,
    IdleStage.DUE: ToldIdle.ENDS,
}


class IdleServers:
    """The servers that are idle, and may not be so for ever."""

    def __init__(self, notes: IdleNotes, stores: Stores, hub: StopsServers, rate: Rate) -> None:
        """``rate``: how often an owner may put the end off."""
        self._notes = notes
        self._ledger = stores.ledger
        self._fleet = stores.fleet
        self._capacity = stores.capacity
        self._accounts = stores.accounts
        self._now = stores.now
        self._jobs = PromotedJobs(stores.ledger, stores.now)
        self._stops = ServerStops(hub)
        self._extensions = RateLimits(rate)
        self._document: QuotaDocument | None = None
        self._known: dict[tuple[UserName, tuple[str, ...]], timedelta | None] = {}
        """For how long owners' servers may be idle by that document."""
        self._unheard_since: dict[SliceId, datetime] = {}

    async def look(self) -> None:
        """Warn the owners of servers whose end is near, and have those stopped that are due.

        Others have turns meanwhile; whoever is stopped is due at the moment when that begins.
        """
        due: list[SliceId] = []
        for some in in_parts(self._ledger.slices):
            due += filter(self._is_due, some)
            await asyncio.sleep(0)
        ripe = [
            self._ledger.slices[each]
            for each in due
            if self._stops.is_ripe(each) and self._is_due(each)
        ]
        await asyncio.gather(*map(self._stop, ripe[:STOPPED_AT_ONCE]))

    def extend(self, record: SliceRecord) -> None:
        """Put a server's end off: from now on it may be idle for ``max_idle`` again.

        ``ConflictError`` for a job's slice, for a server that may be idle for ever, and for one
        that is being ended; ``TooManyRequestsError``.
        """
        max_idle = None if record.is_job else self._max_idle(record.owner)
        if max_idle is None:
            message = (
                f"slice {record.slice_id} is not ended for being idle: nothing is to be put off"
            )
            raise ConflictError(message)
        before = self._notes.kept.get(record.slice_id)
        if before is not None and before.ended_at is not None:
            message = "this server is being ended already: start it again, and run your cells anew"
            raise ConflictError(message)
        take_or_refuse(self._extensions, record.owner, "servers were extended")
        spared = self.spared_for(record)
        if spared is not None:
            message = f"this server is {spared_clause(_told_job(spared))}: nothing is to be put off"
            raise ConflictError(message)
        now = self._now()
        idle = self._idle(record)
        since = now if idle is None else idle.counts_from
        note = self._note(record, since, max_idle)
        until = now + max_idle
        self._notes.keep(replace(note, extended_until=until, warned_at=None))
        self._tell(EventKind.SERVER_EXTENDED, record, f"until {moment_words(until)}", now)

    def end_of(self, record: SliceRecord) -> IdleEnd | None:
        """Return when a server is ended for being idle; ``None`` where that is not to be said."""
        now, idle = self._now(), self._idle(record)
        ends_at = None if idle is None else idle.ends_at(now)
        if idle is None or ends_at is None:
            return None
        return IdleEnd(
            server=record.server,
            ends_at=ends_at,
            idle_since=idle.counts_from,
            max_idle_s=idle.max_idle.total_seconds(),
            extended_until=idle.extended_until,
            warned_at=idle.warned_at,
            message=_sentence(record.server, idle, now),
        )

    def spared_for(self, record: SliceRecord) -> IdleSpared | None:
        """Return the job for which an idle server is not ended; ``None``: there is none."""
        idle = self._idle(record)
        if idle is None or not idle.has_job:
            return None
        jobs = self._sparing(record, idle.max_idle)
        job = min(jobs, key=lambda each: (not _runs(each), each.submitted_at, each.job_id))
        told = IdleSpared(
            job_id=job.job_id,
            job_name=job.name,
            runs=_runs(job),
            others=len(jobs) - 1,
            idle_since=idle.idle_since,
        )
        words = spared_sentence(record.server, idle.idle_since, _told_job(told))
        return told.model_copy(update={"message": words})

    def announced_ends(self) -> Mapping[SliceId, datetime]:
        """Return when servers are ended whose owners were warned, unless they come back."""
        now, ends = self._now(), dict[SliceId, datetime]()
        for name, note in tuple(self._notes.kept.items()):
            record = self._ledger.slices.get(name)
            idle = None if record is None or note.ended_at is not None else self._idle(record)
            ends_at = None if idle is None or idle.warned_at is None else idle.ends_at(now)
            if ends_at is not None:
                ends[name] = ends_at
        return ends

    def owners(self) -> frozenset[UserName]:
        """Return those who may be told something of this."""
        return frozenset(note.owner for note in self._notes.kept.values())

    def told_to(self, owner: UserName) -> tuple[ShownAnnouncement, ...]:
        """Return what one owner is told of idle servers, the newest first."""
        return tuple(sorted(self._told(owner), key=lambda each: each.made_at, reverse=True))

    def forget_old(self) -> None:
        """Forget servers that are there no more: of those ended for being idle, after a day."""
        before = self._now() - SHOWN_FOR
        gone = tuple(
            name
            for name, note in self._notes.kept.items()
            if name not in self._ledger.slices and (note.ended_at is None or note.ended_at < before)
        )
        self._notes.drop(*gone)
        self._stops.forget_but(self._notes.kept)
        for name in self._unheard_since.keys() - self._notes.kept.keys():
            del self._unheard_since[name]

    def _told(self, owner: UserName) -> Iterator[ShownAnnouncement]:
        now = self._now()
        for name, note in tuple(self._notes.kept.items()):
            if note.owner != owner:
                continue
            record = self._ledger.slices.get(name)
            if record is None and note.ended_at is not None:
                yield _shown(note, note.ended_at, _ended(note, note.ended_at))
            idle = None if record is None else self._idle(record)
            if idle is not None and idle.warned_at is not None and not idle.has_job:
                yield _shown(note, idle.warned_at, _sentence(note.server, idle, now))

    def _is_due(self, slice_id: SliceId) -> bool:
        """Whether a server is to be stopped now; note what has become of it."""
        now, record = self._now(), self._ledger.slices.get(slice_id)
        if record is None or record.is_job:
            return False
        note = self._notes.kept.get(slice_id)
        if self._quiet_report(record) is None:
            self._forget_warning(note, now)
            return False
        self._unheard_since.pop(record.slice_id, None)
        idle = self._idle(record)
        if note is not None and (idle is None or note.idle_since < idle.counts_from):
            self._notes.drop(record.slice_id)
            note = None
        if idle is None:
            return False
        stage, ends_at = idle.stage(now), idle.ends_at(now)
        if stage is IdleStage.TO_WARN and ends_at is not None:
            made = replace(self._note(record, idle.counts_from, idle.max_idle), warned_at=now)
            self._notes.keep(made)
            ends = moment_words(ends_at)
            self._tell(EventKind.SERVER_IDLE_WARNED, record, f"to end at {ends}", now)
        elif (
            stage in {IdleStage.IDLE, IdleStage.SPARED}
            and note is not None
            and note.warned_at is not None
        ):
            self._notes.keep(replace(note, warned_at=None, ended_at=None))
        return stage is IdleStage.DUE

    def _forget_warning(self, note: IdleNote | None, now: datetime) -> None:
        """Have an owner warned anew whose server was not heard of for as long as a warning is."""
        if note is None or note.warned_at is None or note.ended_at is not None:
            return
        since = self._unheard_since.setdefault(note.slice_id, now)
        server = IdleServer(note.idle_since, timedelta(seconds=note.max_idle_s))
        if now - since >= server.warning_time:
            self._notes.keep(replace(note, warned_at=None))

    def _quiet_report(self, record: SliceRecord) -> SliceReport | None:
        """Return the report of a slice whose agent tells since when it is quiet, and knows that."""
        view = self._fleet.node(record.gpu.node)
        if view is None or self._fleet.is_silent(view.node) or view.behind > _MOST_BEHIND:
            return None
        report = self._fleet.report(record.slice_id)
        return None if report is None or report.quiet_since is None else report

    def _idle(self, record: SliceRecord) -> IdleServer | None:
        """Return a server that its agent says is idle, and that may not be so for ever."""
        report = self._quiet_report(record)
        if record.is_job or report is None or report.quiet_since is None or _is_at_work(report):
            return None
        max_idle = self._max_idle(record.owner)
        if max_idle is None:
            return None
        found = IdleServer(
            # What is quiet since a time to come, as a wrong clock has it, is so since now.
            idle_since=min(max(report.quiet_since, record.created_at), self._now()),
            max_idle=max_idle,
            kept_until=record.kept_until,
            job_ended_at=self._ledger.last_job_end(record.owner, record.server),
            has_job=bool(self._sparing(record, max_idle)),
        )
        note = self._notes.kept.get(record.slice_id)
        if note is None or note.idle_since < found.counts_from:
            # A cell has run between two looks, or a job: what was said of before is over.
            return found
        return replace(found, extended_until=note.extended_until, warned_at=note.warned_at)

    def _sparing(self, record: SliceRecord, max_idle: timedelta) -> tuple[JobRecord, ...]:
        return self._jobs.sparing(record.owner, record.server, self._now() - max_idle)

    def _max_idle(self, owner: UserName) -> timedelta | None:
        document = self._capacity.holdings.document
        if document is not self._document:
            self._document = document
            self._known.clear()
        account = self._accounts.find(owner)
        groups = () if account is None else account.groups
        key = owner, groups
        if key not in self._known:
            self._known[key] = max_idle_of(document, owner, groups).value
        return self._known[key]

    def _note(self, record: SliceRecord, since: datetime, max_idle: timedelta) -> IdleNote:
        """Return what is remembered of a server, as of now."""
        before = self._notes.kept.get(record.slice_id)
        made = before or IdleNote(record.slice_id, record.owner, record.server, since, 0.0)
        return replace(made, idle_since=since, max_idle_s=max_idle.total_seconds())

    async def _stop(self, record: SliceRecord) -> None:
        named = f"the idle server of slice {record.slice_id}"
        if not await self._stops.ask(record.slice_id, record.owner, record.server, named):
            return
        note = self._notes.kept.get(record.slice_id)
        if note is None or note.ended_at is not None:
            return
        now = self._now()
        self._notes.keep(replace(note, ended_at=now))
        since = moment_words(note.idle_since)
        self._tell(EventKind.SERVER_ENDED_IDLE, record, f"idle since {since}", now)

    def _tell(self, kind: EventKind, record: SliceRecord, detail: str, now: datetime) -> None:
        self._ledger.apply(Change(events=(slice_event(kind, record, now, detail),)), now)


def idle_notice_id(slice_id: str) -> str:
    """Return the id of what an owner is told of an idle server."""
    return f"idle-{slice_id}"


def _runs(job: JobRecord) -> bool:
    return job.state is JobState.RUNNING


def _told_job(spared: IdleSpared) -> SparingJob:
    return SparingJob(spared.job_name, spared.runs, spared.others)


def _is_at_work(report: SliceReport) -> bool:
    return report.active or report.running_cell or report.wait is not None


def _shown(note: IdleNote, at: datetime, text: str) -> ShownAnnouncement:
    return ShownAnnouncement(
        announcement_id=idle_notice_id(note.slice_id),
        text=text,
        made_at=at,
        until=at + SHOWN_FOR,
        from_admin=False,
    )


def _sentence(server: str, idle: IdleServer, now: datetime) -> str:
    """Return what is told of one that is ended unless a cell runs."""
    told, ends_at = _TOLD[idle.stage(now)], idle.ends_at(now)
    facts = IdleFacts(told, server, idle.counts_from, idle.max_idle, ends_at or now)
    return idle_sentence(facts)


def _ended(note: IdleNote, at: datetime) -> str:
    max_idle = timedelta(seconds=note.max_idle_s)
    return idle_sentence(IdleFacts(ToldIdle.ENDED, note.server, note.idle_since, max_idle, at))
