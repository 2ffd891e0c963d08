"""First come, first served: whoever has a piece of a card keeps it until they leave.

That is a cluster without sharing in time: nothing is promised twice, lent or moved, and nobody
makes way. Rights and limits are the quota document's, as it is in force at the beginning; its
guarantees mean nothing here. Servers without room are asked for again, as long as patience lasts;
jobs are begun in the order in which they came, each that fits. With ``cull_after`` a server that is
idle for so long is ended with all its variables; its owner starts it anew when they want to go on,
and goes on where they were, if there is room. What they would have to run again for what they had
is told, and run only where it ``replays``. A card that fails, or is taken, costs the same of all
that is on it, and sends jobs back to the queue, as one that is drained does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from sublet_quota.admission.slice_admission import admit, furthest
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.closed_loop.asks.asked import (
    AGAIN,
    Asked,
    AskedJob,
    AskedServer,
    CardChange,
    Cell,
)
from sublet_quota.closed_loop.baselines.added_up import add_up
from sublet_quota.closed_loop.baselines.pieces import TIME_MAY_BRING, Held, Pieces, Place
from sublet_quota.closed_loop.clock import Clock, Phase
from sublet_quota.closed_loop.cluster import Scenario
from sublet_quota.closed_loop.record.records import (
    Answered,
    CellBegan,
    JobWaited,
    Record,
    SentBack,
    Who,
)
from sublet_quota.closed_loop.service.job_slices import slice_ids_of
from sublet_quota.closed_loop.service.job_wishes import job_counts, job_wish_of
from sublet_quota.closed_loop.service.servers import wish_of
from sublet_quota.holdings.gpu_load import cards_on
from sublet_quota.jobs.job_admission import admit_job
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.payers.job_rights import KnownRights
from sublet_quota.jobs.payers.known_limits import KnownLimits
from sublet_quota.jobs.turns.job_order import open_kinds
from sublet_quota.jobs.waiting_job import WaitingJob, is_of_type
from sublet_quota.names.ids import GpuId, JobId, PoolName, SliceId, UserName
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.residency.snapshot import Rank

NO_TIME = timedelta()


@dataclass(slots=True)
class Server:
    """A server that runs, and how far its owner has come."""

    asked: AskedServer
    cells_begun: int = 0
    looks: int = 0
    """How many ends for being idle were planned: only the last one counts."""


@dataclass(slots=True)
class Job:
    """A job that waits or has its piece."""

    asked: AskedJob
    waiting: WaitingJob
    has_begun: bool = False
    slices: tuple[SliceId, ...] = ()


class FirstCome:
    """A simulated cluster without sharing in time."""

    def __init__(
        self, scenario: Scenario, cull_after: timedelta | None = None, *, replays: bool = False
    ) -> None:
        self._ends = scenario.ends
        self._cull_after = cull_after
        self._replays = replays
        self._round_after = scenario.manner.round
        self.clock = Clock(scenario.begins)
        self.record = Record(scenario.begins, scenario.ends)
        self.pieces = Pieces(scenario, self.clock, self.record)
        document = self.pieces.holdings.document
        self._rights, self._limits = KnownRights(document), KnownLimits(document)
        self._servers: dict[SliceId, Server] = {}
        self._waiting: dict[JobId, Job] = {}
        self._running: dict[JobId, Job] = {}
        self._job_of: dict[SliceId, JobId] = {}
        self._ran_before: dict[str, timedelta] = {}
        """How long the cells took that a server had run when it was ended, by its first name."""
        self._round_planned = False
        for each in scenario.asked:
            self.clock.at(each.at, Phase.ASKS, each.name, partial(self._comes, each))
        for change in scenario.card_changes:
            self.clock.at(change.at, Phase.DOCUMENT, "cards", partial(self._change, change))

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
        for slice_id in tuple(self.pieces.held):
            self._give_back(slice_id)
        now = self.clock.now
        for job in self._waiting.values():
            if job.has_begun:
                continue
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
        place = self._place_of(asked)
        if isinstance(place, Place):
            self._grant(asked, place)
        else:
            self._refuse(asked, place)

    def _place_of(self, asked: AskedServer) -> Place | RefusalReason:
        """Return where a server would be now, or why it may be nowhere."""
        pieces = self.pieces
        admission = admit(pieces.holdings, wish_of(pieces.holdings, asked))
        for option in admission.options:
            kind = option.asked.kind
            gpu_id = pieces.cards.best_fit({kind: option.asked.amount}, (option.wanted.pool,))
            if gpu_id is not None:
                return Place(gpu_id, option.asked.amount, option.group)
        if admission.options:
            return RefusalReason.NO_ROOM
        return furthest(admission.denials).reason

    def _grant(self, asked: AskedServer, place: Place) -> None:
        now, owner = self.clock.now, UserName(asked.owner)
        answer = Answered(asked.name, owner, now, place.group, Rank.BORROWED)
        self.record.answers.append(answer)
        self.pieces.take(asked, place.gpu_id, place.amount, place.group)
        self._begin_server(asked)

    def _begin_server(self, asked: AskedServer) -> None:
        slice_id = SliceId(asked.name)
        self._servers[slice_id] = Server(asked)
        self._think(slice_id)

    def _is_refused(self, asked: AskedServer) -> bool:
        """Refuse a server to which no time brings a place; return whether that is so."""
        place = self._place_of(asked)
        if isinstance(place, Place) or place in TIME_MAY_BRING:
            return False
        self._refuse(asked, place)
        return True

    def _refuse(self, asked: AskedServer, reason: RefusalReason) -> None:
        now, owner = self.clock.now, UserName(asked.owner)
        self.record.answers.append(Answered(asked.name, owner, now, None, None, str(reason)))
        again = now + asked.asks_again
        if again <= asked.at + asked.patience:
            self.clock.at(again, Phase.ASKS, asked.name, lambda: self._ask(asked))

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

    def _run(self, server: Server, cell: Cell) -> None:
        slice_id = SliceId(server.asked.name)
        if slice_id not in self._servers:
            # It was ended meanwhile: its owner starts it anew.
            self._again(server, cell)
            return
        now, replay = self.clock.now, self._replay_of(server)
        server.looks += 1
        held = self.pieces.held[slice_id]
        held.runs_since = now
        self.record.cells.append(CellBegan(slice_id, held.who, Rank.BORROWED, now, replay))
        done = partial(self._cell_is_done, slice_id, held)
        self.clock.at(now + replay + cell.works, Phase.ENDS, slice_id, done)

    def _replay_of(self, server: Server) -> timedelta:
        """Return how long the cells take that an owner runs again before the one that is next."""
        name = server.asked.name
        is_first = name.endswith(AGAIN) and server.cells_begun == 1
        replay = self._ran_before.get(name.rstrip(AGAIN), NO_TIME) if self._replays else NO_TIME
        if not is_first or not replay:
            return NO_TIME
        self.record.replays[name] = replay
        return replay

    def _again(self, server: Server, cell: Cell) -> None:
        """Let an owner start a server anew that was ended, and go on with a cell."""
        asked = server.asked
        left = (Cell(NO_TIME, cell.works), *asked.cells[server.cells_begun :])
        self._ask(replace(asked, name=f"{asked.name}{AGAIN}", at=self.clock.now, cells=left))

    def _cell_is_done(self, slice_id: SliceId, held: Held) -> None:
        if self.pieces.held.get(slice_id) is held:
            self.pieces.ran(slice_id)
            self._think(slice_id)

    def _leave(self, slice_id: SliceId) -> None:
        if slice_id in self._servers:
            self.record.servers_left[slice_id] = self.clock.now
            self._stop(slice_id)

    def _cull(self, slice_id: SliceId, planned: int) -> None:
        server = self._servers.get(slice_id)
        if server is not None and server.looks == planned:
            self.record.ended_idle[slice_id] = self.clock.now
            self._note_ran(server)
            self._stop(slice_id)

    def _note_ran(self, server: Server) -> None:
        """Note for how long a server has run cells that its owner must run again."""
        asked, first = server.asked, server.asked.name.rstrip(AGAIN)
        done = asked.cells[: max(0, server.cells_begun - 1)]
        before = self._ran_before.get(first, NO_TIME)
        self._ran_before[first] = sum((cell.works for cell in done), before)

    def _stop(self, slice_id: SliceId) -> None:
        del self._servers[slice_id]
        self._give_back(slice_id)

    def _change(self, change: CardChange) -> None:
        """Take over what becomes of cards."""
        for slice_id in self.pieces.change(change):
            if slice_id in self._servers:
                if change.loses:
                    self._lose(slice_id)
            elif change.sends_back and slice_id in self._job_of:
                self._send_back(self._job_of[slice_id])
        self.pieces.forget(change)
        self._plan_round()

    def _lose(self, slice_id: SliceId) -> None:
        server, held = self._servers[slice_id], self.pieces.held[slice_id]
        at_work = held.runs_since is not None
        self.record.lost_with_cards[slice_id] = self.clock.now
        self._note_ran(server)
        self._stop(slice_id)
        if at_work:
            self._again(server, server.asked.cells[server.cells_begun - 1])

    def _send_back(self, job_id: JobId) -> None:
        job, now = self._running.pop(job_id), self.clock.now
        held = self.pieces.held[job.slices[0]]
        _, part = self.pieces.part_of(held.holding)
        cards = len(job.slices) * part
        self.record.sent_back.append(SentBack(job_id, now, cards, now - held.began))
        self._end_job(job)
        job.has_begun = True
        waiting = {**self._waiting, job_id: job}
        self._waiting = dict(sorted(waiting.items(), key=lambda each: each[1].asked.at))

    def _submit(self, asked: AskedJob) -> None:
        holdings, now = self.pieces.holdings, self.clock.now
        wish = job_wish_of(holdings, asked)
        jobs = (*self._waiting.values(), *self._running.values())
        counts = job_counts(holdings, (job.waiting for job in jobs), wish.owner)
        admitted = admit_job(holdings, wish, counts, now)
        if isinstance(admitted, Refusal):
            self.record.refused_jobs[str(admitted.reason)] += 1
            return
        waiting = replace(wish.charged_to(admitted.group, now), job_id=JobId(asked.name))
        self._waiting[waiting.job_id] = Job(asked, waiting)
        self._plan_round()

    def _plan_round(self) -> None:
        if not self._round_planned and self._waiting:
            self._round_planned = True
            soon = self.clock.now + self._round_after
            self.clock.at(soon, Phase.ROUND, "queue", self._round)

    def _round(self) -> None:
        """Begin each job that fits, in the order in which they came."""
        self._round_planned = False
        kinds = open_kinds(self.pieces.holdings)
        limits = JobLimits(self.pieces.holdings, self._limits)
        without_room: set[tuple[int | None, int, int, frozenset[GpuKind]]] = set()
        for job_id, job in tuple(self._waiting.items()):
            may = self._may_have(job, limits, kinds)
            waiting = job.waiting
            asks = waiting.memory_mib, waiting.compute_milli, waiting.gpus, frozenset(may)
            if asks not in without_room and not self._begin_where_it_fits(job_id, may, limits):
                without_room.add(asks)

    def _may_have(
        self, job: Job, limits: JobLimits, kinds: Mapping[GpuKind, str]
    ) -> dict[GpuKind, str]:
        """Return the kinds of card on which rights and limits let a job run now."""
        allowed = self._rights.kinds_for(job.waiting, kinds)
        return {
            kind: gpu_type
            for kind, gpu_type in kinds.items()
            if kind in allowed
            and is_of_type(kind, gpu_type, job.waiting.gpu_type)
            and job.waiting.fits_on(kind)
            and limits.in_the_way(job.waiting, kind, gpu_type) is None
        }

    def _begin_where_it_fits(
        self, job_id: JobId, may: Mapping[GpuKind, str], limits: JobLimits
    ) -> bool:
        """Begin a job on the tightest card that it may have; return whether there is one."""
        job, cards = self._waiting[job_id], self.pieces.cards
        pools = self.pieces.holdings.document.pools
        lending = [PoolName(name) for name, pool in pools.items() if pool.lend]
        amounts = {kind: job.waiting.amount_on(kind) for kind in may}
        if job.asked.gpus > 1:
            gpu_ids = cards.together(amounts, lending, job.asked.gpus)
        else:
            gpu_id = cards.best_fit(amounts, lending)
            gpu_ids = () if gpu_id is None else (gpu_id,)
        if not gpu_ids:
            return False
        kind = cards.kind_of(gpu_ids[0])
        limits.take(job.waiting, kind, may[kind])
        self._begin(job_id, gpu_ids, amounts[kind])
        return True

    def _begin(self, job_id: JobId, gpu_ids: tuple[GpuId, ...], amount: GpuAmount) -> None:
        job, now = self._waiting.pop(job_id), self.clock.now
        job.slices = slice_ids_of(job_id, len(gpu_ids))
        for slice_id, gpu_id in zip(job.slices, gpu_ids, strict=True):
            held = self.pieces.take(job.asked, gpu_id, amount, job.waiting.group, slice_id)
            held.runs_since = now
            self._job_of[slice_id] = job_id
        self._running[job_id] = job
        first = self.pieces.held[job.slices[0]]
        if not job.has_begun:
            cards = len(gpu_ids) * cards_on(amount, self.pieces.cards.kind_of(gpu_ids[0]))
            waited = JobWaited(job.asked.name, first.who, cards, job.asked.at, now, started=True)
            self.record.job_waits.append(waited)
        done = partial(self._job_is_done, job_id, first)
        self.clock.at(now + job.asked.works, Phase.ENDS, job_id, done)

    def _job_is_done(self, job_id: JobId, held: Held) -> None:
        job = self._running.get(job_id)
        if job is not None and self.pieces.held.get(job.slices[0]) is held:
            del self._running[job_id]
            self.record.jobs_done[job_id] = self.clock.now
            self._end_job(job)

    def _end_job(self, job: Job) -> None:
        for slice_id in job.slices:
            del self._job_of[slice_id]
            self._give_back(slice_id)

    def _give_back(self, slice_id: SliceId) -> None:
        self.pieces.give_back(slice_id)
        self._plan_round()
