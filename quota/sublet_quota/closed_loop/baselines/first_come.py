"""First come, first served: whoever has a piece of a card keeps it until they leave.

That is a cluster without sharing in time: nothing is promised twice, lent or moved, and nobody
makes way. Rights and limits are the quota document's, as it is in force at the beginning; its
guarantees mean nothing here. Servers without room are asked for again, as long as patience lasts;
jobs are begun in the order in which they came, each that fits. With ``cull_after`` a server that is
idle for so long is ended with all its variables; its owner starts it anew when they want to go on,
and goes on where they were, if there is room (what they would have to run again is told, and not
run).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial

from sublet_quota.admission.slice_admission import admit, furthest
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.closed_loop.asks.asked import AGAIN, Asked, AskedJob, AskedServer, Cell
from sublet_quota.closed_loop.baselines.added_up import add_up
from sublet_quota.closed_loop.baselines.own_cards import OwnCards
from sublet_quota.closed_loop.clock import Clock, Phase
from sublet_quota.closed_loop.cluster import Scenario
from sublet_quota.closed_loop.record.records import (
    Answered,
    CellBegan,
    HeldSlice,
    JobWaited,
    Ran,
    Record,
    Who,
)
from sublet_quota.closed_loop.service.jobs import job_counts, job_wish_of
from sublet_quota.closed_loop.service.servers import wish_of
from sublet_quota.holdings.gpu_load import Holding, cards_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_admission import admit_job
from sublet_quota.jobs.payers.job_limits import JobLimits, KnownLimits
from sublet_quota.jobs.payers.job_rights import KnownRights
from sublet_quota.jobs.turns.job_order import open_kinds
from sublet_quota.jobs.waiting_job import WaitingJob, is_of_type
from sublet_quota.names.ids import GpuId, GroupName, JobId, PoolName, SliceId, UserName
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.residency.snapshot import Holder, Rank


@dataclass(slots=True)
class _Held:
    """A piece of a card that somebody has."""

    holding: Holding
    who: Who
    began: datetime
    runs_since: datetime | None = None


@dataclass(slots=True)
class _Server:
    asked: AskedServer
    cells_begun: int = 0
    looks: int = 0
    """How many ends for being idle were planned: only the last one counts."""


@dataclass(frozen=True, slots=True)
class _Job:
    asked: AskedJob
    waiting: WaitingJob


class FirstCome:
    """A simulated cluster without sharing in time."""

    def __init__(self, scenario: Scenario, cull_after: timedelta | None = None) -> None:
        self._ends = scenario.ends
        self._cull_after = cull_after
        self._round_s = scenario.manner.round
        self.clock = Clock(scenario.begins)
        self.record = Record(scenario.begins, scenario.ends)
        document = scenario.document.at(scenario.begins)
        self._holdings = Holdings(document, scenario.cards)
        self._cards = OwnCards(self._holdings)
        self._rights, self._limits = KnownRights(document), KnownLimits(document)
        self._held: dict[SliceId, _Held] = {}
        self._servers: dict[SliceId, _Server] = {}
        self._waiting: dict[JobId, _Job] = {}
        self._running: dict[JobId, _Job] = {}
        self._round_planned = False
        for each in scenario.asked:
            self.clock.at(each.at, Phase.ASKS, each.name, partial(self._comes, each))

    def step(self) -> bool:
        """Let the next thing happen; return whether there was one before the end."""
        return self.clock.step(self._ends)

    def run(self) -> Record:
        """Let all happen until the end, and return what did."""
        while self.step():
            pass
        return self.finish()

    def finish(self) -> Record:
        """Return what happened, after the last step."""
        for slice_id in tuple(self._held):
            self._give_back(slice_id)
        now = self.clock.now
        for job in self._waiting.values():
            who = Who(job.waiting.owner, job.waiting.group, is_job=True)
            waited = JobWaited(
                job.asked.name, who, job.asked.cards, job.asked.at, now, started=False
            )
            self.record.job_waits.append(waited)
        add_up(self.record)
        return self.record

    def _comes(self, asked: Asked) -> None:
        if isinstance(asked, AskedServer):
            self._ask(asked)
        else:
            self._submit(asked)

    def _ask(self, asked: AskedServer) -> None:
        """Ask for a server's slice, and again later where it has no room."""
        now, wish = self.clock.now, wish_of(self._holdings, asked)
        admission = admit(self._holdings, wish)
        owner = UserName(asked.owner)
        for option in admission.options:
            kind = option.asked.kind
            gpu_id = self._cards.best_fit({kind: option.asked.amount}, (option.wanted.pool,))
            if gpu_id is not None:
                answer = Answered(asked.name, owner, now, option.group, Rank.BORROWED)
                self.record.answers.append(answer)
                holding = self._holding(asked, gpu_id, option.asked.amount, option.group)
                self._take(holding, is_job=False)
                self._servers[holding.slice_id] = _Server(asked)
                self._think(holding.slice_id)
                return
        reason = RefusalReason.NO_ROOM
        if not admission.options:
            reason = furthest(admission.denials).told().reason
        self.record.answers.append(Answered(asked.name, owner, now, None, None, str(reason)))
        again = now + asked.asks_again
        if again <= asked.at + asked.patience:
            self.clock.at(again, Phase.ASKS, asked.name, lambda: self._ask(asked))

    def _holding(
        self, asked: Asked, gpu_id: GpuId, amount: GpuAmount, group: GroupName | None
    ) -> Holding:
        return Holding(
            slice_id=SliceId(asked.name),
            owner=UserName(asked.owner),
            holder=Holder.JOB if isinstance(asked, AskedJob) else Holder.NOTEBOOK,
            gpu_id=gpu_id,
            pool=self._cards.pool_of(gpu_id),
            amount=amount,
            group=group,
            since=self.clock.now,
        )

    def _think(self, slice_id: SliceId) -> None:
        server, now = self._servers[slice_id], self.clock.now
        asked = server.asked
        server.looks += 1
        if self._cull_after is not None:
            look = server.looks
            end = partial(self._cull, slice_id, look)
            self.clock.at(now + self._cull_after, Phase.ENDS, slice_id, end)
        if server.cells_begun == len(asked.cells):
            leave = partial(self._leave, slice_id)
            self.clock.at(now + asked.stays, Phase.ENDS, slice_id, leave)
            return
        cell = asked.cells[server.cells_begun]
        server.cells_begun += 1
        run = partial(self._run, server, cell)
        self.clock.at(now + cell.thinks, Phase.ASKS, slice_id, run)

    def _run(self, server: _Server, cell: Cell) -> None:
        asked, now = server.asked, self.clock.now
        slice_id = SliceId(asked.name)
        if slice_id not in self._servers:
            # It was ended meanwhile: its owner starts it anew.
            left = (Cell(timedelta(), cell.works), *asked.cells[server.cells_begun :])
            self._ask(replace(asked, name=f"{asked.name}{AGAIN}", at=now, cells=left))
            return
        held = self._held[slice_id]
        server.looks += 1
        held.runs_since = now
        began = CellBegan(slice_id, held.who, Rank.BORROWED, now, timedelta())
        self.record.cells.append(began)
        done = partial(self._cell_is_done, slice_id)
        self.clock.at(now + cell.works, Phase.ENDS, slice_id, done)

    def _cell_is_done(self, slice_id: SliceId) -> None:
        self._ran(slice_id)
        self._think(slice_id)

    def _leave(self, slice_id: SliceId) -> None:
        if slice_id in self._servers:
            self.record.servers_left[slice_id] = self.clock.now
            self._stop(slice_id)

    def _cull(self, slice_id: SliceId, planned: int) -> None:
        server = self._servers.get(slice_id)
        if server is not None and server.looks == planned:
            self.record.ended_idle[slice_id] = self.clock.now
            self._stop(slice_id)

    def _stop(self, slice_id: SliceId) -> None:
        del self._servers[slice_id]
        self._give_back(slice_id)

    def _submit(self, asked: AskedJob) -> None:
        wish, now = job_wish_of(self._holdings, asked), self.clock.now
        jobs = (*self._waiting.values(), *self._running.values())
        counts = job_counts(self._holdings, (job.waiting for job in jobs), wish.owner)
        admitted = admit_job(self._holdings, wish, counts, now)
        if isinstance(admitted, Refusal):
            self.record.refused_jobs[str(admitted.reason)] += 1
            return
        waiting = replace(wish.charged_to(admitted.group, now), job_id=JobId(asked.name))
        self._waiting[waiting.job_id] = _Job(asked, waiting)
        self._plan_round()

    def _plan_round(self) -> None:
        if not self._round_planned and self._waiting:
            self._round_planned = True
            soon = self.clock.now + self._round_s
            self.clock.at(soon, Phase.ROUND, "queue", self._round)

    def _round(self) -> None:
        """Begin each job that fits, in the order in which they came."""
        self._round_planned = False
        limits, kinds = JobLimits(self._holdings, self._limits), open_kinds(self._holdings)
        pools = [
            PoolName(name) for name, pool in self._holdings.document.pools.items() if pool.lend
        ]
        without_room: set[tuple[int | None, int, frozenset[GpuKind]]] = set()
        for job_id, job in tuple(self._waiting.items()):
            allowed = self._rights.kinds_for(job.waiting, kinds)
            may = frozenset(
                kind
                for kind, gpu_type in kinds.items()
                if kind in allowed
                and is_of_type(kind, gpu_type, job.waiting.gpu_type)
                and job.waiting.fits_on(kind)
                and limits.in_the_way(job.waiting, kind, gpu_type) is None
            )
            asks = job.waiting.memory_mib, job.waiting.compute_milli, may
            if asks in without_room:
                continue
            amounts = {kind: job.waiting.amount_on(kind) for kind in may}
            gpu_id = self._cards.best_fit(amounts, pools)
            if gpu_id is None:
                without_room.add(asks)
                continue
            kind = self._cards.kind_of(gpu_id)
            limits.take(job.waiting, kind, kinds[kind])
            self._begin(job_id, gpu_id, amounts[kind])

    def _begin(self, job_id: JobId, gpu_id: GpuId, amount: GpuAmount) -> None:
        job, now = self._waiting.pop(job_id), self.clock.now
        holding = self._holding(job.asked, gpu_id, amount, job.waiting.group)
        held = self._take(holding, is_job=True)
        held.runs_since = now
        self._running[job_id] = job
        cards = cards_on(amount, self._cards.kind_of(gpu_id))
        waited = JobWaited(job.asked.name, held.who, cards, job.asked.at, now, started=True)
        self.record.job_waits.append(waited)
        done = partial(self._job_is_done, job_id)
        self.clock.at(now + job.asked.works, Phase.ENDS, job_id, done)

    def _job_is_done(self, job_id: JobId) -> None:
        del self._running[job_id]
        self.record.jobs_done[job_id] = self.clock.now
        self._give_back(SliceId(job_id))

    def _take(self, holding: Holding, *, is_job: bool) -> _Held:
        self._cards.take(holding.gpu_id, holding.amount)
        self._holdings.put(holding)
        who = Who(holding.owner, holding.group, is_job=is_job)
        held = self._held[holding.slice_id] = _Held(holding, who, self.clock.now)
        return held

    def _give_back(self, slice_id: SliceId) -> None:
        self._ran(slice_id)
        held, now = self._held.pop(slice_id), self.clock.now
        holding = held.holding
        self._cards.give_back(holding.gpu_id, holding.amount)
        self._holdings.remove(slice_id)
        if held.began < now:
            gpu_type, cards = self._part_of(holding)
            self.record.held_slices.append(
                HeldSlice(slice_id, held.who, gpu_type, cards, held.began, now)
            )
        self._plan_round()

    def _ran(self, slice_id: SliceId) -> None:
        """Note for how long a slice computed up to now."""
        held, now = self._held[slice_id], self.clock.now
        began, held.runs_since = held.runs_since, None
        if began is not None and began < now:
            gpu_type, cards = self._part_of(held.holding)
            self.record.runs.append(Ran(slice_id, held.who, gpu_type, cards, began, now))

    def _part_of(self, holding: Holding) -> tuple[str, Fraction]:
        """Return the type of a slice's card, and which part of it the slice is."""
        gpu_id = holding.gpu_id
        return self._cards.type_of(gpu_id), cards_on(holding.amount, self._cards.kind_of(gpu_id))
