"""Simulated people at their servers: they ask, run their cells, think in between, and leave.

Whether one gets a slice, where and at whose expense, says ``decide_slice``; here its answers become
true, as the service makes them true.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.slice_admission import admit
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.closed_loop.asks.asked import AGAIN, AskedServer, Cell
from sublet_quota.closed_loop.card.slice_on_card import SliceOnCard
from sublet_quota.closed_loop.clock import Phase
from sublet_quota.closed_loop.record.records import Answered, Who
from sublet_quota.closed_loop.service.idle_ends import IdleEnds
from sublet_quota.closed_loop.service.line import Line
from sublet_quota.closed_loop.service.parts import Parts
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.turns.job_order import open_kinds
from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.slice_placement import Placement, decided, tell
from sublet_quota.residency.snapshot import Holder, Rank
from sublet_quota.server_queue.queued_server import may_wait
from sublet_quota.server_queue.walk import is_due
from sublet_quota.shares.lots import lot_of


@dataclass(slots=True)
class _Server:
    """A server that runs, and how far its owner has come."""

    asked: AskedServer
    cells_begun: int = 0


class Servers:
    """All servers of a simulated hub."""

    def __init__(self, parts: Parts, changed: Callable[[], None]) -> None:
        """``changed``: slices came, went, or stand otherwise."""
        self._parts = parts
        self._changed = changed
        self._running: dict[SliceId, _Server] = {}
        self._idle = IdleEnds(parts, self._end_idle)
        self.line = Line(parts, self._give)

    def ask(self, asked: AskedServer) -> None:
        """Ask for a server's slice, as the service answers: its place, a place in line, or none.

        Where it is refused, it is asked for again later, as long as patience lasts.
        """
        wish = wish_of(self._parts.holdings, asked)
        question = Question(self._parts.holdings, wish)
        answer = decided(question)
        if isinstance(answer, Placement) and (not self.line.waits or is_due(answer)):
            self._give(asked, answer)
        elif self.line.is_open and (
            isinstance(answer, Placement) or may_wait(tell(question, answer))
        ):
            self.line.join(asked, wish)
        elif isinstance(answer, Denial):
            # What would help is reckoned for nobody who does not read it.
            self._refused(asked, wish, answer)

    def _give(self, asked: AskedServer, placement: Placement) -> None:
        now = self._parts.clock.now
        owner, group, rank = UserName(asked.owner), placement.group, placement.rank
        self._parts.record.answers.append(Answered(asked.name, owner, now, group, rank))
        self._hand_out(asked, placement)

    def _refused(self, asked: AskedServer, wish: RequestedSlice, denial: Denial) -> None:
        """Note a refusal; within guarantee and limits there is none, but for want of room."""
        clock, options = self._parts.clock, admit(self._parts.holdings, wish).options
        entitled = next((each for each in options if each.rank is Rank.ENTITLED), None)
        refused = Answered(
            asked.name,
            UserName(asked.owner),
            clock.now,
            None if entitled is None else entitled.group,
            None,
            str(denial.reason),
            within_guarantee=entitled is not None,
        )
        self._parts.record.answers.append(refused)
        again = clock.now + asked.asks_again
        if again <= asked.at + asked.patience:
            clock.at(again, Phase.ASKS, asked.name, lambda: self.ask(asked))

    def is_here(self, slice_id: SliceId) -> bool:
        """Whether a slice is a server's that runs."""
        return slice_id in self._running

    def cell_is_done(self, slice_id: SliceId) -> None:
        """Let an owner think about what comes next, or leave."""
        server = self._running.get(slice_id)
        if server is not None:
            self._think(slice_id, server)

    def _hand_out(self, asked: AskedServer, placement: Placement) -> None:
        parts, slice_id = self._parts, SliceId(asked.name)
        now, holdings = parts.clock.now, parts.holdings
        parts.others_change(placement, placement.group, placement.moves)
        parts.hold_back(placement.holds_back, held_back=True)
        holding = Holding(
            slice_id=slice_id,
            owner=placement.owner,
            holder=Holder.NOTEBOOK,
            gpu_id=placement.gpu_id,
            pool=placement.pool,
            amount=placement.amount,
            group=placement.group,
            named=placement.named,
            member_of=placement.member_of,
            since=now,
            unsuspendable=asked.never_suspended,
        )
        holdings.put(holding)
        parts.charge(holding)
        served = SliceOnCard(
            slice_id=slice_id,
            holder=Holder.NOTEBOOK,
            amount=placement.amount,
            fills_mib=int(placement.amount.memory_mib * asked.fills),
            began=now,
            rank=holdings.rank(slice_id),
            unsuspendable="its owner's server" if asked.never_suspended else None,
        )
        who = Who(placement.owner, placement.group, is_job=False)
        parts.cards.add(served, who, placement.gpu_id)
        self._running[slice_id] = _Server(asked)
        self._changed()
        self._think(slice_id, self._running[slice_id])

    def _think(self, slice_id: SliceId, server: _Server) -> None:
        clock, asked = self._parts.clock, server.asked
        self._idle.rests(slice_id, asked)
        if server.cells_begun == len(asked.cells):
            clock.at(clock.now + asked.stays, Phase.ENDS, slice_id, lambda: self._leave(slice_id))
            return
        cell = asked.cells[server.cells_begun]
        server.cells_begun += 1
        clock.at(
            clock.now + cell.thinks,
            Phase.ASKS,
            slice_id,
            lambda: self._run(slice_id, server, cell.works),
        )

    def _run(self, slice_id: SliceId, server: _Server, works: timedelta) -> None:
        if slice_id in self._running:
            self._idle.works(slice_id)
            self._parts.cards.wake(slice_id, works)
            return
        # It was ended meanwhile: its owner starts it anew, and goes on where they were.
        now, asked = self._parts.clock.now, server.asked
        left = (Cell(timedelta(), works), *asked.cells[server.cells_begun :])
        self.ask(replace(asked, name=f"{asked.name}{AGAIN}", at=now, cells=left))

    def _leave(self, slice_id: SliceId) -> None:
        if slice_id in self._running:
            self._idle.works(slice_id)
            self._parts.record.servers_left[slice_id] = self._parts.clock.now
            self._stop(slice_id)

    def _end_idle(self, slice_id: SliceId) -> None:
        self._parts.record.ended_idle[slice_id] = self._parts.clock.now
        self._stop(slice_id)

    def lose(self, slice_id: SliceId) -> None:
        """End a server of which the card is no more; its owner starts it anew for the next cell."""
        parts, server = self._parts, self._running[slice_id]
        at_work = parts.cards.slice(slice_id).work_left_s > 0
        parts.record.lost_with_cards[slice_id] = parts.clock.now
        self._idle.works(slice_id)
        self._stop(slice_id)
        if at_work:
            cell = server.asked.cells[server.cells_begun - 1]
            self._run(slice_id, server, cell.works)

    def _stop(self, slice_id: SliceId) -> None:
        parts = self._parts
        del self._running[slice_id]
        parts.cards.remove(slice_id)
        parts.uses.end(slice_id, parts.holdings, parts.clock.now)
        parts.holdings.remove(slice_id)
        parts.forget(slice_id)
        self._changed()


def wish_of(holdings: Holdings, asked: AskedServer) -> RequestedSlice:
    """Return what is wished for with a server."""
    memory_mib = compute_milli = None
    if asked.cards is not None:
        memory_mib, compute_milli = part_of_a_card(holdings, asked.cards, asked.gpu_type)
    return RequestedSlice(
        owner=asked.owner,
        groups=asked.groups,
        size=asked.size,
        gpu_type=asked.gpu_type,
        memory_mib=memory_mib,
        compute_milli=compute_milli,
        never_suspended=asked.never_suspended,
        group=asked.group,
        lot=lot_of(asked.name),
    )


def part_of_a_card(holdings: Holdings, cards: Fraction, gpu_type: str | None) -> tuple[int, int]:
    """Return memory and compute of a part of a card, of the smallest that may be meant."""
    kinds = open_kinds(holdings) or {gpu.kind: "" for gpu in holdings.gpus()}
    meant = [
        kind for kind, name in kinds.items() if gpu_type in {None, name} or kind.is_type(gpu_type)
    ]
    usable = min((kind.usable_mib for kind in meant), default=1)
    part = min(cards, Fraction(1))
    return max(1, int(usable * part)), max(1, int(1000 * part))
