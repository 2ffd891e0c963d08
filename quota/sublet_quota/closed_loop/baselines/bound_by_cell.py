"""Like NotebookOS (ASPLOS'26): a notebook has a card while a cell runs, and only then.

A server starts at once, with no card; each cell waits for a piece, the one that was asked for first
comes first, and before jobs, which keep theirs until they end. What a notebook holds between cells
is what its replicas pickle: that, and loading it, is taken to cost no time, which is more than can
be had. No cell loses its state with a card that fails: it is run again.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sublet_quota.admission.slice_admission import admit
from sublet_quota.closed_loop.asks.asked import AskedServer, CardChange, Cell
from sublet_quota.closed_loop.baselines.first_come import FirstCome, Server
from sublet_quota.closed_loop.baselines.pieces import Held, Place
from sublet_quota.closed_loop.clock import Phase
from sublet_quota.closed_loop.cluster import Scenario
from sublet_quota.closed_loop.record.records import Answered, CellBegan, Record, Who
from sublet_quota.closed_loop.service.servers import wish_of
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.residency.snapshot import Rank


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A cell that waits for a card."""

    server: Server
    cell: Cell
    since: datetime


class BoundByCell(FirstCome):
    """A simulated cluster in which notebooks have cards by the cell."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self._cells: dict[SliceId, _Waiting] = {}

    def finish(self) -> Record:
        """Return what happened, after the last step."""
        now = self.clock.now
        waiting, self._cells = self._cells, {}
        for slice_id, each in waiting.items():
            asked = each.server.asked
            who = Who(UserName(asked.owner), self._payer_of(asked), is_job=False)
            waited = CellBegan(slice_id, who, Rank.BORROWED, each.since, now - each.since)
            self.record.cells_waiting.append(waited)
        return super().finish()

    def _ask(self, asked: AskedServer) -> None:
        if self._is_refused(asked):
            return
        now, owner = self.clock.now, UserName(asked.owner)
        answer = Answered(asked.name, owner, now, self._payer_of(asked), Rank.BORROWED)
        self.record.answers.append(answer)
        self._begin_server(asked)

    def _payer_of(self, asked: AskedServer) -> GroupName | None:
        """Return who would pay, were there no limit in the way."""
        holdings = self.pieces.holdings
        options = admit(holdings, wish_of(holdings, asked)).options
        if options:
            return options[0].group
        groups = holdings.document.groups_of(asked.groups)
        return groups[0] if groups else None

    def _run(self, server: Server, cell: Cell) -> None:
        slice_id = SliceId(server.asked.name)
        self._cells[slice_id] = _Waiting(server, cell, self.clock.now)
        self._look_at_cells()

    def _look_at_cells(self) -> None:
        """Begin each cell that waits and for which there is a card now."""
        for slice_id, each in tuple(self._cells.items()):
            asked, now = each.server.asked, self.clock.now
            place = self._place_of(asked)
            if not isinstance(place, Place):
                continue
            del self._cells[slice_id]
            held = self.pieces.take(asked, place.gpu_id, place.amount, place.group)
            held.runs_since = now
            waited = now - each.since
            began = CellBegan(slice_id, held.who, Rank.BORROWED, each.since, waited)
            self.record.cells.append(began)
            done = partial(self._cell_is_done, slice_id, held)
            self.clock.at(now + each.cell.works, Phase.ENDS, slice_id, done)

    def _cell_is_done(self, slice_id: SliceId, held: Held) -> None:
        if self.pieces.held.get(slice_id) is held:
            self._give_back(slice_id)
            self._think(slice_id)

    def _stop(self, slice_id: SliceId) -> None:
        del self._servers[slice_id]

    def _change(self, change: CardChange) -> None:
        super()._change(change)
        self._look_at_cells()

    def _lose(self, slice_id: SliceId) -> None:
        server = self._servers[slice_id]
        cell = server.asked.cells[server.cells_begun - 1]
        self.pieces.give_back(slice_id)
        self._cells[slice_id] = _Waiting(server, cell, self.clock.now)

    def _give_back(self, slice_id: SliceId) -> None:
        self.pieces.give_back(slice_id)
        self._look_at_cells()
        self._plan_round()
