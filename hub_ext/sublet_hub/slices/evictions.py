"""Servers and jobs that an admin ends: their owners are told first, by whom and why.

A server is stopped by JupyterHub when its grace is over, and never before: the service itself
kills nothing. A job leaves its GPU as from one that is drained. What was asked for is in the
ledger, so it outlives the service, and is done until it is done.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.names.ids import JobId, SliceId, UserName
from sublet_quota.reasons.evictions import (
    EvictionFacts,
    EvictionStage,
    eviction_sentence,
    sent_back_clause,
)
from sublet_quota.reasons.moments import moment_words
from sublet_quota.reasons.shared_clauses import server_clause
from sublet_quota.wire.event_kinds import EventKind
from sublet_quota.wire.evictions import USUAL_GRACE_S, EvictionRequest

from sublet_hub.errors import BadRequestError, ConflictError, NotFoundError
from sublet_hub.ledger.events import event
from sublet_hub.ledger.evictions import Eviction, EvictionStore
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord, JobRecord, SliceRecord
from sublet_hub.slices.server_stops import STOPPED_AT_ONCE, ServerStops, StopsServers

MOST_KEPT: Final = 1000
SHOWN_FOR: Final = timedelta(days=1)
"""How long after its end an owner is told of it."""


class Evictions:
    """The evictions that admins ask for, and what is left to be done of them."""

    def __init__(
        self, store: EvictionStore, ledger: Ledger, hub: StopsServers, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._hub = hub
        self._now = now
        self._stops = ServerStops(hub)

    def find(self, what: str) -> SliceRecord | JobRecord:
        """Return the server's slice or the live job that is meant.

        ``NotFoundError`` where there is none; ``ConflictError`` where it could be either.
        """
        owner, slash, server = what.partition("/")
        of_server = self._ledger.slice_of_server(UserName(owner), server)
        if slash and of_server is not None:
            return of_server
        by_id = None if slash else self._by_id(what)
        if by_id is not None and of_server is not None:
            message = f"{what} is an id and a user: name the user's server as {what}/"
            raise ConflictError(message)
        found = by_id or of_server
        if found is None:
            message = (
                f"there is no server with a slice and no live job {what}: name a server as "
                "OWNER/NAME (the default one as OWNER/), a job or a slice by its id"
            )
            raise NotFoundError(message)
        return found

    async def stop_server(
        self, record: SliceRecord, asked: EvictionRequest, admin: str
    ) -> Eviction:
        """Have a server stopped when its grace is over, and tell its owner; return the eviction.

        Asked again, the grace begins anew. ``BadRequestError`` where it asks for what only a job
        can; ``ConflictError`` where the service may stop no servers; ``HubUnreachableError``.
        """
        if asked.cancel:
            message = f"{asked.what} is a server: leave `cancel` out, only jobs have a queue"
            raise BadRequestError(message)
        if not await self._hub.may_stop_servers():
            message = (
                "JupyterHub does not let the service stop servers: its role `sublet-service` "
                "lacks the scope delete:servers. `sublet_spawner.hub_configuration.configure` "
                "adds it: bring the hub's configuration up to date, and restart the hub"
            )
            raise ConflictError(message)
        if record.slice_id not in self._ledger.slices:
            message = f"the server {asked.what} has just ended"
            raise NotFoundError(message)
        grace = timedelta(seconds=USUAL_GRACE_S if asked.grace_s is None else asked.grace_s)
        return self._keep(record, asked, admin, self._now() + grace)

    def end_job(self, job: JobRecord, asked: EvictionRequest, admin: str) -> Eviction:
        """Have a job leave its GPU, and tell its owner; return the eviction.

        Who cancels it does that first. ``BadRequestError`` where a grace was asked for;
        ``ConflictError`` for a job without a GPU that is not to be cancelled.
        """
        if asked.grace_s is not None:
            message = "a job has the grace of the service's `job_grace_s`: leave the grace out"
            raise BadRequestError(message)
        if job.slice_id is None and not asked.cancel:
            message = f"job {job.job_id} is {job.state.value}: only `cancel` ends it"
            raise ConflictError(message)
        return self._keep(job, asked, admin, self._now())

    def jobs_to_send_back(self) -> Iterator[tuple[SliceId, str]]:
        """Go through the slices of jobs that must leave them, with why."""
        for each in tuple(self._store.kept.values()):
            if each.job_id is None or each.cancels or each.slice_id is None:
                continue
            if each.slice_id in self._ledger.slices:
                yield each.slice_id, sent_back_clause(each.reason)

    async def stop_due(self) -> None:
        """Have the servers stopped whose grace is over, and that still have their slices."""
        now = self._now()
        due = [
            each
            for each in self._store.kept.values()
            if each.job_id is None
            and each.due_at <= now
            and self._is_held(each)
            and self._stops.is_ripe(each.eviction_id)
        ]
        await asyncio.gather(*map(self._stop, due[:STOPPED_AT_ONCE]))

    def forget_old(self) -> None:
        """Forget what was told for long enough, and servers that ended before they had to."""
        before = self._now() - SHOWN_FOR
        old = tuple(
            name
            for name, each in self._store.kept.items()
            if self._is_moot(each) or (each.due_at <= before and not self._is_held(each))
        )
        self._store.drop(*old)
        self._stops.forget_but(self._store.kept)

    def all(self) -> tuple[Eviction, ...]:
        """Return those under way and those of the last day, the newest first."""
        return _newest_first(self._store.kept.values())

    def told_to(self, owner: UserName) -> tuple[tuple[Eviction, str], ...]:
        """Return what one owner is told, the newest first: each eviction with its sentences."""
        kept = self._store.kept.values()
        own = [e for e in kept if e.owner == owner and not self._is_moot(e)]
        return tuple((each, eviction_sentence(self._facts(each))) for each in _newest_first(own))

    async def _stop(self, eviction: Eviction) -> None:
        name = eviction.eviction_id
        named = f"eviction {name}: the server"
        await self._stops.ask(name, eviction.owner, eviction.server, named)

    def _by_id(self, what: str) -> SliceRecord | JobRecord | None:
        job = self._ledger.live_jobs.get(JobId(what))
        record = self._ledger.slices.get(SliceId(what))
        if job is None and record is not None and record.job_id is not None:
            job = self._ledger.live_jobs.get(record.job_id)
        return job or record

    def _is_held(self, eviction: Eviction) -> bool:
        return eviction.slice_id is not None and eviction.slice_id in self._ledger.slices

    def _is_moot(self, eviction: Eviction) -> bool:
        """Whether a server has ended by itself, before its grace was over."""
        is_over = eviction.job_id is None and not self._is_held(eviction)
        return is_over and eviction.due_at > self._now()

    def _keep(
        self,
        target: SliceRecord | JobRecord,
        asked: EvictionRequest,
        admin: str,
        due_at: datetime,
    ) -> Eviction:
        """Keep a new eviction, of a server for its slice, in the place of those of that slice."""
        if len(self._store.kept) >= MOST_KEPT:
            message = f"there are {MOST_KEPT} evictions of the last day: drain or cordon nodes"
            raise ConflictError(message)
        made = Eviction(
            eviction_id=secrets.token_hex(8),
            owner=target.owner,
            server=target.server if isinstance(target, SliceRecord) else "",
            slice_id=target.slice_id,
            job_id=None if isinstance(target, SliceRecord) else target.job_id,
            cancels=asked.cancel,
            reason=asked.reason,
            evicted_by=admin,
            asked_at=self._now(),
            due_at=due_at,
        )
        same = tuple(
            each.eviction_id
            for each in self._store.kept.values()
            if made.slice_id is not None and each.slice_id == made.slice_id
        )
        self._store.add(made, instead_of=same)
        self._ledger.apply(Change(events=(self._event(made),)), made.asked_at)
        return made

    def _event(self, made: Eviction) -> EventRecord:
        what = (
            server_clause(made.owner, made.server) if made.job_id is None else f"job {made.job_id}"
        )
        how = "cancelled" if made.cancels else f"to end at {moment_words(made.due_at)}"
        told = event(
            EventKind.ENDED_BY_ADMIN,
            made.asked_at,
            f"{what} {how}, by {made.evicted_by}: {made.reason}",
        )
        return replace(told, slice_id=made.slice_id, owner=made.owner)

    def _facts(self, eviction: Eviction) -> EvictionFacts:
        if eviction.job_id is not None:
            stage = EvictionStage.JOB_CANCELLED if eviction.cancels else EvictionStage.JOB_SENT_BACK
        elif not self._is_held(eviction):
            stage = EvictionStage.SERVER_STOPPED
        elif eviction.due_at > self._now():
            stage = EvictionStage.SERVER_WILL_STOP
        else:
            stage = EvictionStage.SERVER_STOPS
        name = eviction.server if eviction.job_id is None else eviction.job_id
        return EvictionFacts(stage, name, eviction.evicted_by, eviction.due_at, eviction.reason)


def _newest_first(evictions: Iterable[Eviction]) -> tuple[Eviction, ...]:
    return tuple(sorted(evictions, key=lambda each: each.asked_at, reverse=True))
