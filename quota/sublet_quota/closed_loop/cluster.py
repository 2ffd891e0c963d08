"""A simulated hub: the product's holdings, decisions and policy, on virtual time.

What the service does besides deciding is done here as it does it: called-back slices get their
places again as there is room, graces end, the document says something else at a stated time, and
agents are told of new ranks.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sublet_quota.closed_loop.asks.asked import (
    Asked,
    AskedServer,
    CardChange,
    Manner,
    NewDocument,
)
from sublet_quota.closed_loop.card.all_cards import Cards, Heard
from sublet_quota.closed_loop.clock import Clock, Phase
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.closed_loop.service.budgets import Budgets
from sublet_quota.closed_loop.service.charged_uses import ChargedUses
from sublet_quota.closed_loop.service.fleet import Fleet
from sublet_quota.closed_loop.service.jobs import Jobs
from sublet_quota.closed_loop.service.parts import Parts
from sublet_quota.closed_loop.service.places import Places
from sublet_quota.closed_loop.service.servers import Servers
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.errors import SubletQuotaError
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import NodeId, SliceId
from sublet_quota.shares.fair_turns import FairTurns
from sublet_quota.shares.past_use import Span


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated: a document, cards, and what is asked for from when to when."""

    document: QuotaDocument
    cards: tuple[GpuFacts, ...]
    asked: tuple[Asked, ...]
    begins: datetime
    ends: datetime
    changes: tuple[NewDocument, ...] = ()
    manner: Manner = field(default_factory=Manner)
    card_changes: tuple[CardChange, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be: two of one name, or what is asked for before the beginning."""
        names = [each.name for each in self.asked]
        if len(set(names)) != len(names):
            message = "two servers or jobs have the same name: each needs its own"
            raise SubletQuotaError(message)
        moments = [each.at for each in (*self.asked, *self.changes, *self.card_changes)]
        if moments and min(moments) < self.begins:
            message = f"something happens at {min(moments)}, before the beginning {self.begins}"
            raise SubletQuotaError(message)

    def host_memory(self) -> Mapping[NodeId, int]:
        """Return the host memory of each node, in MiB."""
        cards = Counter(card.node for card in self.cards)
        of_a_card = self.manner.speeds.host_mib_a_card
        return {node: count * of_a_card for node, count in cards.items()}


class Cluster:
    """A simulated hub with its cards; ``step`` by step, or ``run`` to the end."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.clock = Clock(scenario.begins)
        self.record = Record(scenario.begins, scenario.ends)
        self._document = scenario.document
        in_force = scenario.document.at(scenario.begins)
        self._round_planned = False
        turns = FairTurns()
        heard = Heard(self._has_done, self._was_off, self._plan_round, self._is_there, self._rests)
        self._parts = Parts(
            self.clock,
            scenario.manner,
            self.record,
            Holdings(in_force, scenario.cards, turns=turns, host_memory=scenario.host_memory()),
            ChargedUses(in_force.fair_share.half_life, scenario.begins),
            Cards(self.clock, scenario.manner, self.record, heard),
            turns,
        )
        self.cards = self._parts.cards
        self.cards.come_under(self.holdings)
        self.jobs = Jobs(self._parts, self._slices_changed)
        self.servers = Servers(self._parts, self._slices_changed)
        self.places = Places(self._parts, self._slices_changed)
        self.fleet = Fleet(self._parts, self.jobs, self.servers, self._slices_changed)
        self._budgets = Budgets(self._parts, self._slices_changed)
        self._tell(scenario.asked, scenario.changes)
        self._expect_change()
        self.places.expect_reservations()
        self._budgets.expect()

    @property
    def asked(self) -> tuple[Asked, ...]:
        """All that is asked for."""
        return self._scenario.asked

    @property
    def holdings(self) -> Holdings:
        """The holdings, under the document in force."""
        return self._parts.holdings

    def step(self) -> bool:
        """Let the next thing happen; return whether there was one before the end."""
        return self.clock.step(self._scenario.ends)

    def run(self) -> Record:
        """Let all happen until the end, and return what did."""
        while self.step():
            pass
        return self.finish()

    def finish(self) -> Record:
        """Return what happened, after the last step."""
        self.cards.count_held()
        self.cards.finish()
        self.jobs.finish()
        self.servers.line.finish()
        return self.record

    def _tell(self, asked: Iterable[Asked], changes: Iterable[NewDocument]) -> None:
        for each in asked:
            self.clock.at(each.at, Phase.ASKS, each.name, partial(self._ask, each))
        for change in changes:
            take = partial(self._take_document, change.document)
            self.clock.at(change.at, Phase.DOCUMENT, "document", take)
        for card_change in self._scenario.card_changes:
            become = partial(self.fleet.change, card_change)
            self.clock.at(card_change.at, Phase.DOCUMENT, "cards", become)

    def _ask(self, asked: Asked) -> None:
        if isinstance(asked, AskedServer):
            self.servers.ask(asked)
        else:
            self.jobs.submit(asked)
            self._plan_round()

    def _has_done(self, slice_id: SliceId) -> None:
        if self.servers.is_here(slice_id):
            self.servers.cell_is_done(slice_id)
        elif self.jobs.is_here(slice_id) and self.jobs.is_done(slice_id):
            self._slices_changed()

    def _is_there(self, slice_id: SliceId) -> None:
        self._parts.is_there(slice_id)
        self._slices_changed()

    def _rests(self, slice_id: SliceId, since: datetime | None) -> None:
        self.holdings.mark_at_rest(slice_id, since)

    def _was_off(self, slice_id: SliceId, off: Span) -> None:
        self._parts.uses.is_off(slice_id, off)

    def _plan_round(self) -> None:
        """Look at the queue soon, if anything waits there, is held back, or stands still."""
        concerned = self.jobs.waiting or self.cards.stand_still or self.holdings.held_back()
        if self._round_planned or not concerned:
            return
        self._round_planned = True
        soon = self.clock.now + self._scenario.manner.round
        self.clock.at(soon, Phase.ROUND, "queue", self._round)

    def _round(self) -> None:
        self._round_planned = False
        self.jobs.round()

    def _slices_changed(self) -> None:
        self.jobs.slices_changed()
        self.places.bring_back()
        self.fleet.leave_failed_cards()
        self._tell_ranks()
        self._plan_round()
        self.servers.line.look_again()
        self.places.look_for_homes()

    def _tell_ranks(self) -> None:
        away = (each.slice_id for each in self.holdings.called_back())
        on_their_way = self._parts.makes_way
        for slice_id in sorted(self.holdings.ranks_changed().union(away, on_their_way)):
            self._parts.tell_rank(slice_id)

    def _take_document(self, document: QuotaDocument) -> None:
        """Put another document in force: what shrinks counts as before while its grace lasts."""
        self._document = document
        self._take_over(document.at(self.clock.now), None)

    def _take_over(self, in_force: QuotaDocument, grace: timedelta | None) -> None:
        now = self.clock.now
        self._parts.past()
        self._parts.holdings = self.holdings.under(in_force, now, grace)
        self.cards.come_under(self.holdings)
        ends = {one.before.until for one in self.holdings.slices() if one.before is not None}
        for end in ends:
            self.clock.at(max(end, now), Phase.ENDS, "grace", self._end_graces)
        self._expect_change()
        self.places.expect_reservations()
        self._budgets.expect()
        self._slices_changed()

    def _end_graces(self) -> None:
        if self.holdings.end_graces(self.clock.now):
            self._slices_changed()

    def _expect_change(self) -> None:
        """Look again when the document says something else by itself."""
        document, moment = self._document, self._document.changes_after(self.clock.now)
        if moment is not None:
            self.clock.at(moment, Phase.ENDS, "document", lambda: self._pass_time(document))

    def _pass_time(self, document: QuotaDocument) -> None:
        if document is self._document:
            # What ends at a stated time has no grace.
            self._take_over(document.at(self.clock.now), timedelta())
