"""The ledger in memory, with the indices that decisions need, written through to the database.

``apply`` is the only way to change it: the database first, then memory, then the listeners. If
the database refuses, nothing has changed anywhere. Of jobs that are over only what decisions need
is in memory: the rest is read when somebody asks.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from types import MappingProxyType
from typing import TypeVar

from sublet_quota.jobs.turns.past_uses import LagWrittenOff
from sublet_quota.life_cycles.job_states import ENDED, JobState
from sublet_quota.names.ids import GpuId, JobId, NodeId, SliceId, UserName

from sublet_hub.ledger.database import Database, EventQuery, LedgerWriteError
from sublet_hub.ledger.ended_jobs import EndedJob, EndedJobs, JobFacts, WholeJobs, to_forget
from sublet_hub.ledger.held_periods import HeldPeriod, begun_by
from sublet_hub.ledger.job_order import JobOrder, Place
from sublet_hub.ledger.live_jobs import LiveJobs
from sublet_hub.ledger.reading import UnreadableRecords
from sublet_hub.ledger.records import (
    Change,
    Closing,
    EventRecord,
    GpuRecord,
    JobRecord,
    LendingRecord,
    ReleasedSlice,
    SliceRecord,
    planned_place,
)
from sublet_hub.ledger.rows import place_of_lag

Listener = Callable[[Change], None]
_Key = TypeVar("_Key", bound=str)
_LOG = logging.getLogger(__name__)
_MOST_FORGOTTEN_AT_ONCE = 200


class Ledger:
    """Who holds which slice, which jobs there are, and what has happened."""

    def __init__(self, database: Database) -> None:
        self._database = database
        stored = database.load()
        self._gpus: dict[GpuId, GpuRecord] = {}
        self._gpus_by_node: defaultdict[NodeId, set[GpuId]] = defaultdict(set)
        self._epochs = dict(stored.epochs)
        self._lending = stored.lending
        self.groups_drawn = stored.groups_drawn
        """The number with which the lots of groups are drawn: the same from start to start."""
        self._closings = {closing.place: closing for closing in stored.closings}
        self._written_off = {place_of_lag(lag): lag for lag in stored.written_off}
        self._slices: dict[SliceId, SliceRecord] = {}
        self._by_owner: defaultdict[UserName, dict[SliceId, SliceRecord]] = defaultdict(dict)
        self._by_gpu: defaultdict[GpuId, dict[SliceId, SliceRecord]] = defaultdict(dict)
        self._by_node: defaultdict[NodeId, dict[SliceId, SliceRecord]] = defaultdict(dict)
        self._by_server: dict[tuple[UserName, str], SliceRecord] = {}
        self._live_jobs = LiveJobs(stored.live_jobs)
        self._ended_jobs = EndedJobs()
        self._jobs = WholeJobs(self._live_jobs.by_id, self._ended_jobs, database.jobs)
        self._job_order = JobOrder((*stored.live_jobs, *stored.ended_jobs))
        self._forgotten: list[JobId] = []
        self._listeners: list[Listener] = []
        for gpu in stored.gpus:
            self._index_gpu(gpu)
        for record in stored.slices:
            self._index_slice(record)
        for ended in stored.ended_jobs:
            self._ended_jobs.add(ended)

    @property
    def unread(self) -> UnreadableRecords:
        """The records that could not be read, and are left out."""
        return self._database.unread

    @property
    def lending(self) -> bool:
        """Whether an admin lets slices be lent at all."""
        return self._lending.on

    @property
    def lending_record(self) -> LendingRecord:
        """Whether slices may be lent at all, with why, by whom and since when."""
        return self._lending

    @property
    def closings(self) -> Mapping[str, Closing]:
        """What admins have closed, or will at a time that they said, by place."""
        return MappingProxyType(self._closings)

    @property
    def written_off(self) -> Collection[LagWrittenOff]:
        """What of past use counts no longer: of each group and person all of it so far."""
        return self._written_off.values()

    def held_periods(self, since: datetime, until: datetime) -> Iterator[HeldPeriod]:
        """Go through the periods of one size that touch a time. ``LedgerReadError``.

        Where these are many, for another thread.
        """
        return self._database.held_periods(since, until)

    def closing_of(self, gpu: GpuRecord) -> Closing | None:
        """Return how an admin has closed a card, or else its node; ``None``: not."""
        if not self._closings:
            return None
        of_node = self._closings.get(f"node:{gpu.node}")
        of_gpu = self._closings.get(f"gpu:{gpu.gpu_id}")
        return max(filter(None, (of_gpu, of_node)), key=lambda each: each.drains, default=None)

    def planned_closing_of(self, gpu: GpuRecord) -> Closing | None:
        """Return which closing of a card or its node begins next; ``None``: none will."""
        places = planned_place(f"node:{gpu.node}"), planned_place(f"gpu:{gpu.gpu_id}")
        found = (self._closings[place] for place in places if place in self._closings)
        return min(found, key=lambda each: each.begins_at or each.closed_at, default=None)

    @property
    def gpus(self) -> Mapping[GpuId, GpuRecord]:
        """Every card that an agent told of, but for those of nodes that are gone."""
        return MappingProxyType(self._gpus)

    @property
    def slices(self) -> Mapping[SliceId, SliceRecord]:
        """The slices that are held."""
        return MappingProxyType(self._slices)

    @property
    def jobs(self) -> WholeJobs:
        """All jobs that retention has left, to look one up: the ended are read from the database.

        ``LedgerReadError`` where that does not answer.
        """
        return self._jobs

    @property
    def live_jobs(self) -> Mapping[JobId, JobRecord]:
        """The jobs that have not ended."""
        return self._live_jobs.by_id

    def gpus_on_node(self, node: NodeId) -> tuple[GpuRecord, ...]:
        """Return every card that this node's agent told of."""
        return tuple(self._gpus[gpu_id] for gpu_id in self._gpus_by_node.get(node, ()))

    def slices_of_owner(self, owner: UserName) -> tuple[SliceRecord, ...]:
        """Return one owner's slices, of servers and jobs."""
        return tuple(self._by_owner.get(owner, {}).values())

    def slices_on_gpu(self, gpu_id: GpuId) -> tuple[SliceRecord, ...]:
        """Return the slices of one card."""
        return tuple(self._by_gpu.get(gpu_id, {}).values())

    def promised_mib(self, gpu_id: GpuId) -> int:
        """Return the sum of the notebooks' caps on one card; jobs have only what is lent."""
        held = self.slices_on_gpu(gpu_id)
        return sum(record.memory_mib for record in held if not record.is_job)

    def slices_on_node(self, node: NodeId) -> tuple[SliceRecord, ...]:
        """Return the slices that one agent serves."""
        return tuple(self._by_node.get(node, {}).values())

    def slices_behind(self, closing: Closing) -> tuple[SliceRecord, ...]:
        """Return the slices on what an admin has closed, wherever a closed card is by now."""
        if closing.gpu_id is None:
            return self.slices_on_node(closing.node)
        return self.slices_on_gpu(closing.gpu_id)

    def slice_of_server(self, owner: UserName, server: str) -> SliceRecord | None:
        """Return the slice of a notebook server; ``None`` where it holds none."""
        return self._by_server.get((owner, server))

    def last_of_server(self, owner: UserName, server: str, since: datetime) -> ReleasedSlice | None:
        """Return the slice that a notebook server gave back last, if that was later.

        Read from the database. ``LedgerReadError``.
        """
        return self._database.last_of_server(owner, server, since, self._gpus)

    def live_jobs_of_owner(self, owner: UserName) -> tuple[JobRecord, ...]:
        """Return those of one owner's jobs that have not ended."""
        return tuple(self._live_jobs.of_owner(owner))

    def live_job_bytes(self, owner: UserName | None = None) -> int:
        """Return what the jobs that have not ended take of the memory: one owner's, or all."""
        return self._live_jobs.bytes if owner is None else self._live_jobs.bytes_of(owner)

    def ended_jobs_of_owner(self, owner: UserName) -> Collection[EndedJob]:
        """Return what is kept in memory of one owner's jobs that have ended."""
        return self._ended_jobs.of_owner(owner)

    def last_job_end(self, owner: UserName, server: str) -> datetime | None:
        """Return when the last job promoted from an owner's server ended; ``None``: none is known.

        One that never began is none of them.
        """
        return self._ended_jobs.last_end(owner, server)

    def all_job_facts(self) -> Iterator[JobFacts]:
        """Go through all jobs, of which only those that live are whole."""
        return chain(self._live_jobs.by_id.values(), self._ended_jobs.values())

    def job_facts(self, job_id: JobId) -> JobFacts | None:
        """Return what is in memory of a job; ``None`` where there is none."""
        return self._live_jobs.by_id.get(job_id) or self._ended_jobs.get(job_id)

    @property
    def count_of_jobs(self) -> int:
        """How many jobs there are, whatever became of them."""
        return len(self._jobs)

    def newest_jobs(
        self,
        owner: UserName | None,
        before: Place | None,
        most: int,
        states: Collection[JobState] | None = None,
    ) -> tuple[JobRecord, ...]:
        """Return the newest jobs before a place, of one owner or of all; some may be read.

        With ``states`` only those in one of them. ``LedgerReadError`` where the database does not
        answer.
        """

        def is_wanted(job_id: JobId) -> bool:
            facts = self.job_facts(job_id)
            return facts is not None and (states is None or facts.state in states)

        while ids := self._job_order.older(owner, before, most, is_wanted):
            found = self._jobs.several(ids)
            last = self.job_facts(ids[-1])
            if found or last is None:
                return found
            # A list goes on behind those that cannot be read.
            before = last.submitted_at, last.job_id
        return ()

    def epoch(self, node: NodeId) -> int:
        """Return how many connections of this node's agent have been counted."""
        return self._epochs.get(node, 0)

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` after each change; it must return at once."""
        self._listeners.append(listener)

    def apply(self, change: Change, now: datetime) -> None:
        """Make the change true. ``LedgerWriteError`` where the database refuses it."""
        self._check_gone(change)
        begun = begun_by(change, self._as_it_was, now)
        self._database.write(change, now, begun)
        for gpu in change.gpus:
            self._index_gpu(gpu)
        for gpu_id in change.gone:
            self._drop_gpu(gpu_id)
        for slice_id in change.released:
            self._drop_slice(slice_id)
        for record in change.slices:
            self._drop_slice(record.slice_id)
            self._index_slice(record)
        for job in change.jobs:
            self._index_job(job)
        for job_id in change.forgotten:
            self._drop_job(job_id)
        self._take_switches(change)
        for listener in self._listeners:
            listener(change)
        self._forget_surplus({job.owner for job in change.jobs if job.state in ENDED}, now)

    def _take_switches(self, change: Change) -> None:
        if change.epoch_of is not None:
            self._epochs[change.epoch_of[0]] = change.epoch_of[1]
        if change.lending is not None:
            self._lending = change.lending
        for place in change.opened:
            self._closings.pop(place, None)
        self._written_off |= {place_of_lag(lag): lag for lag in change.written_off}
        self._closings |= {closing.place: closing for closing in change.closings}

    def add_events(self, events: tuple[EventRecord, ...]) -> frozenset[str]:
        """Store events; return the ids of those that were new."""
        new = self._database.write(Change(events=events), datetime.now(UTC)) if events else ()
        return frozenset(event.event_id for event in new)

    def events(self, query: EventQuery) -> tuple[EventRecord, ...]:
        """Return the events of a query from the database. ``LedgerReadError``."""
        return self._database.events(query)

    def forget_surplus_events(self, most: int) -> int:
        """Delete some events beyond ``most``, as ``event_retention`` says; return how many.

        For another thread. ``LedgerWriteError``.
        """
        return self._database.forget_surplus_events(most)

    def forget_before(self, cutoff: datetime) -> tuple[JobId, ...]:
        """Delete what ended before; return the jobs whose files can go too.

        Among these are the jobs that were forgotten since it was called last.
        """
        job_ids = tuple(JobId(job_id) for job_id in self._database.forget_before(cutoff))
        for job_id in job_ids:
            self._drop_job(job_id)
        forgotten, self._forgotten = tuple(self._forgotten), []
        return (*job_ids, *forgotten)

    def _as_it_was(self, record: SliceRecord) -> SliceRecord | None:
        return self._slices.get(record.slice_id)

    def _forget_surplus(self, owners: set[UserName], now: datetime) -> None:
        """Forget the ended jobs of owners who have more than ``MOST_ENDED_JOBS`` of them."""
        surplus: list[JobId] = []
        for owner in owners:
            surplus += to_forget(self._ended_jobs.of_owner(owner))
        # Of very many some at a time: the next end of a job goes on.
        surplus = surplus[:_MOST_FORGOTTEN_AT_ONCE]
        if not surplus:
            return
        try:
            self.apply(Change(forgotten=tuple(surplus)), now)
        except LedgerWriteError as error:
            # The change before is true nonetheless; the next end of a job tries again.
            _LOG.warning("%d jobs are forgotten later: %s", len(surplus), error)
        else:
            self._forgotten += surplus

    def _index_gpu(self, gpu: GpuRecord) -> None:
        before = self._gpus.get(gpu.gpu_id)
        if before is not None:
            self._gpus_by_node[before.node].discard(gpu.gpu_id)
        self._gpus[gpu.gpu_id] = gpu
        self._gpus_by_node[gpu.node].add(gpu.gpu_id)

    def _check_gone(self, change: Change) -> None:
        """Refuse that a card goes which holds a slice: the service could not start again."""
        held = [gpu_id for gpu_id in change.gone if self._by_gpu.get(gpu_id)]
        if held:
            message = f"slices are held on {', '.join(held)}: such cards are not forgotten"
            raise ValueError(message)

    def _drop_gpu(self, gpu_id: GpuId) -> None:
        gpu = self._gpus.pop(gpu_id, None)
        if gpu is not None:
            self._gpus_by_node[gpu.node].discard(gpu_id)
            if not self._gpus_by_node[gpu.node]:
                del self._gpus_by_node[gpu.node]

    def _index_slice(self, record: SliceRecord) -> None:
        self._slices[record.slice_id] = record
        self._by_owner[record.owner][record.slice_id] = record
        self._by_gpu[record.gpu.gpu_id][record.slice_id] = record
        self._by_node[record.gpu.node][record.slice_id] = record
        if not record.is_job:
            self._by_server[record.owner, record.server] = record

    def _drop_slice(self, slice_id: SliceId) -> None:
        record = self._slices.pop(slice_id, None)
        if record is None:
            return
        _drop(self._by_owner, record.owner, slice_id)
        _drop(self._by_gpu, record.gpu.gpu_id, slice_id)
        _drop(self._by_node, record.gpu.node, slice_id)
        of_server = self._by_server.get((record.owner, record.server))
        if of_server is not None and of_server.slice_id == slice_id:
            del self._by_server[record.owner, record.server]

    def _index_job(self, job: JobRecord) -> None:
        if self.job_facts(job.job_id) is None:
            self._job_order.add(job)
        if job.state in ENDED:
            self._live_jobs.drop(job.job_id)
            self._ended_jobs.add(EndedJob.of(job))
        else:
            self._live_jobs.put(job)

    def _drop_job(self, job_id: JobId) -> None:
        job = self._live_jobs.drop(job_id) or self._ended_jobs.drop(job_id)
        if job is not None:
            self._job_order.drop(job)


def _drop(index: dict[_Key, dict[SliceId, SliceRecord]], key: _Key, record_id: SliceId) -> None:
    held = index.get(key)
    if held is not None:
        held.pop(record_id, None)
        if not held:
            del index[key]
