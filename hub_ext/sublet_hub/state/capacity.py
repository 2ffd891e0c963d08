"""The holdings that admission and placement read, kept equal to ledger, fleet and document.

The ledger says who holds what; the fleet, which cards are there and which are closed. A card whose
agent is silent, or whose node is cordoned, takes nothing new; what is there stays. Every listener
here is quick: sums change by what changed, only a new document adds up from scratch.

The document is the one in force at this moment: some of what it says ends at a stated time, and
``pass_time`` takes that over.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.node_amounts import NOTHING_OF_NODE, UNKNOWN_ROOM, NodeRoom
from sublet_quota.budgets.standing import Spent
from sublet_quota.document.consistency.warnings import DocumentWarning, document_warnings
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.gpu_load import AsBefore, GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.node_rooms import AskedBeside, NodeFacts
from sublet_quota.holdings.unmatched_names import unmatched_names
from sublet_quota.names.ids import GpuId, GroupName, NodeId, SliceId
from sublet_quota.reasons.guarantee_warnings import GuaranteeWarning
from sublet_quota.shares.fair_turns import FairTurns

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, GpuRecord, SliceRecord
from sublet_hub.state.card_facts import card_facts
from sublet_hub.state.document_closings import DocumentClosings
from sublet_hub.state.fleet import Fleet, NodeView
from sublet_hub.state.return_pauses import ReturnPauses
from sublet_hub.state.staying_slices import StayingSlices

NOTHING_BESIDE: Final[Mapping[AskedBeside, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Holdings under another document, before that is in force."""

    document: QuotaDocument
    """As it was read."""
    until: datetime | None
    """Until when it says what these holdings follow; ``None``: for good."""
    grace: timedelta | None
    before: Holdings
    """What they were made from."""
    made: Holdings

    def is_for(
        self, document: QuotaDocument, now: datetime, grace: timedelta | None, before: Holdings
    ) -> bool:
        """Whether they are what a document makes of holdings now."""
        return (
            self.document is document
            and self.before is before
            and self.grace == grace
            and (self.until is None or now < self.until)
        )


class Capacity:
    """The holdings of the service."""

    def __init__(
        self, document: QuotaDocument, ledger: Ledger, fleet: Fleet, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._now = now
        self._document = document
        """The document as it was read; ``holdings.document`` is what of it is in force now."""
        self._prepared: _Prepared | None = None
        self._preparing = asyncio.Lock()
        self._silent: frozenset[NodeId] = frozenset()
        self.staying = StayingSlices()
        """The slices that could not change cards when they were asked to."""
        self._on_room: list[Callable[[], None]] = []
        self._warned_by: list[Callable[[QuotaDocument], Iterable[DocumentWarning]]] = []
        self.turns = FairTurns(ledger.groups_drawn)
        """In which order odd cards go where more is guaranteed than there is."""
        self.return_pauses = ReturnPauses(ledger, now)
        """How long slices stay away that were called back again and again."""
        at = now()
        self._next_change = document.changes_after(at)
        fleet.closed_by_document = DocumentClosings(document.at(at), at)
        self.holdings = self._holdings(
            document.at(at), (self._facts(gpu) for gpu in ledger.gpus.values())
        )
        ledger.listen(self._ledger_changed)

    def graced_since(self, before: QuotaDocument) -> tuple[Holding, ...]:
        """Return what counts as before as ``before`` was in force until now, with its graces.

        For a start: agents are on their way back, so that all cards count which nobody closed.
        """
        now = self._now()
        told = (self._facts(gpu) for gpu in self._ledger.gpus.values())
        cards = (each if each.closed_by_hand else replace(each, closed=None) for each in told)
        after = self._holdings(before.at(now), cards).under(self._document.at(now), now)
        return tuple(
            holding
            for holding in after.slices()
            if (known := self.holdings.slice(holding.slice_id)) is not None
            and known.before != holding.before
        )

    def on_room(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when there may be more room than before, or other cards are open."""
        self._on_room.append(listener)

    def warn_by(self, warn: Callable[[QuotaDocument], Iterable[DocumentWarning]]) -> None:
        """Have ``warnings`` tell, too, what somebody else knows of the document in force."""
        self._warned_by.append(warn)

    async def prepare(self, document: QuotaDocument) -> None:
        """Reckon out beside the loop what will be held under another document.

        Of many slices it takes a second. Until ``document_changed`` all answers are the old
        document's; what changes meanwhile is taken over then.
        """
        await self._prepare(document, None)

    async def prepare_for_time(self) -> None:
        """Reckon out beside the loop what ``pass_time`` takes over next, if that is something.

        Of many who ask for that at once the first has it reckoned, and takes it over; the others
        go on after it in their order, and nobody who comes then before them.
        """
        async with self._preparing:
            if self._is_due(self._now()):
                await self._prepare(self._document, timedelta())

    async def _prepare(self, document: QuotaDocument, grace: timedelta | None) -> None:
        now, before = self._now(), self.holdings
        made = await asyncio.to_thread(
            Holdings.made_under, before.as_held(), document.at(now), now, grace
        )
        until = document.changes_after(now)
        if self.holdings is before:
            self._prepared = _Prepared(document, until, grace, before, made)

    def document_changed(self, document: QuotaDocument) -> None:
        """Put another document in force: what shrinks counts as before while its grace lasts."""
        self._document = document
        self._take_over(None)

    def sizes_were_asked(
        self, asked: Mapping[str, int], beside: Mapping[AskedBeside, int] = NOTHING_BESIDE
    ) -> None:
        """Take over how many persons asked for each size lately: placement goes by it.

        ``beside``: the same, with what was asked of nodes; nothing: not known.
        """
        self.holdings.asked_sizes, self.holdings.asked_beside = asked, beside

    def pass_time(self) -> bool:
        """Take over what the document says by now; return whether that is something else.

        What ends at a stated time has no grace.
        """
        if not self._is_due(self._now()):
            return False
        self._take_over(timedelta())
        return True

    def keep_ready(self) -> None:
        """Reckon now what else the next who asks would wait for."""
        self.holdings.be_ready()

    def spend(self, spent: Spent) -> bool:
        """Let these budgets be over; return whether slices count otherwise now."""
        changed = bool(self.holdings.spend(spent))
        if changed:
            self._tell()
        return changed

    def _is_due(self, now: datetime) -> bool:
        return self._next_change is not None and now >= self._next_change

    def _take_over(self, grace: timedelta | None) -> None:
        now = self._now()
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared.is_for(self._document, now, grace, self.holdings):
            anew = prepared.made
            anew.catch_up(self.holdings)
        else:
            anew = self.holdings.under(self._document.at(now), now, grace)
        self._next_change = self._document.changes_after(now)
        self._fleet.closed_by_document = DocumentClosings(anew.document, now)
        self.holdings = anew
        self._look_again(frozenset(gpu.node for gpu in self._ledger.gpus.values()))
        self._tell()

    def warnings(self, found: Iterable[GuaranteeWarning] | None = None) -> tuple[str, ...]:
        """Return what to look at in the document: what may not be meant, or cannot be had now.

        ``found`` is what the holdings warn of, where that was asked already.
        """
        if found is None:
            found = self.holdings.warnings()
        in_force = self.holdings.document
        return (
            *map(str, document_warnings(in_force)),
            *(warning.words for warning in found),
            *map(str, self._fleet.closed_by_document.missing(self._ledger)),
            *map(str, unmatched_names(self.holdings)),
            *map(str, chain.from_iterable(warn(in_force) for warn in self._warned_by)),
        )

    def reported(self, view: NodeView) -> None:
        """Take over what an agent's report says about cards and slices."""
        is_news = False
        for gpu in self._ledger.gpus_on_node(view.node):
            is_news |= self.holdings.put_gpu(self._facts(gpu))
        self.holdings.host_memory.put(view.node, view.host_memory_mib())
        if is_news:
            # With the cards that are open go guarantees, and with these ranks.
            self._tell()
        for slice_id in view.slices:
            record = self._ledger.slices.get(slice_id)
            if record is not None:
                self.holdings.mark_unsuspendable(
                    slice_id, unsuspendable=self._is_unsuspendable(record)
                )
                self.holdings.mark_idle(slice_id, idle=self._is_idle(record))
                self.holdings.mark_at_rest(slice_id, view.rests_since(slice_id))

    def stays(self, slice_id: SliceId, card: GpuId) -> None:
        """Note that a slice cannot come to a card: it is not asked to make room so for a while."""
        self.staying.note(slice_id, card, self._pids(slice_id), self._now())
        self.holdings.mark_idle(slice_id, idle=False)

    def end_stays(self) -> bool:
        """Let slices that stayed be asked again whose time it is; return whether any are."""
        ended = self.staying.end(self._pids, self._now())
        for slice_id in ended:
            record = self._ledger.slices.get(slice_id)
            if record is not None:
                self.holdings.mark_idle(slice_id, idle=self._is_idle(record))
        return bool(ended)

    def _pids(self, slice_id: SliceId) -> frozenset[int]:
        report = self._fleet.report(slice_id)
        return frozenset() if report is None else frozenset(report.pids)

    def nodes_are_cordoned(self, nodes: frozenset[NodeId]) -> None:
        """Close the cards of these nodes, and open those of nodes that were cordoned before."""
        before, self._fleet.cordoned = self._fleet.cordoned, nodes
        self._look_again(before ^ nodes)
        if before != nodes:
            self._tell()

    def nodes_have(self, rooms: Mapping[NodeId, NodeRoom]) -> None:
        """Take over what nodes have beside their cards; of others nothing is known any more."""
        is_news = False
        for node in rooms.keys() | self.holdings.nodes_told.told.keys():
            has = rooms.get(node, UNKNOWN_ROOM)
            is_news |= self.holdings.put_node(NodeFacts(node, has))
        if is_news:
            self._tell()

    def look_for_silence(self) -> tuple[NodeId, ...]:
        """Close the cards of nodes that are silent now; return the newly silent nodes."""
        silent = frozenset(self._fleet.silent_nodes())
        changed = silent ^ self._silent
        before, self._silent = self._silent, silent
        self._look_again(changed)
        if changed:
            self._tell()
        return tuple(sorted(silent - before))

    def _look_again(self, nodes: frozenset[NodeId]) -> None:
        for node in nodes:
            for gpu in self._ledger.gpus_on_node(node):
                self.holdings.put_gpu(self._facts(gpu))

    def _tell(self) -> None:
        for listener in self._on_room:
            listener()

    def _ledger_changed(self, change: Change) -> None:
        for gpu in change.gpus:
            self.holdings.put_gpu(self._facts(gpu))
        for gpu_id in change.gone:
            self.holdings.remove_gpu(gpu_id)
        self._take_over_slices(change)
        if change.closings or change.opened:
            # Few are, and seldom; which cards they concern may be known no more.
            self._look_again(frozenset(gpu.node for gpu in self._ledger.gpus.values()))
        opened = change.opened or change.closings or change.gpus or change.gone
        if change.released or opened or change.lending is not None:
            self._tell()

    def _take_over_slices(self, change: Change) -> None:
        """Take over what is released and what is new.

        A person's new slice comes in the place of the one released with it: nobody follows that.
        """
        gone = {one: self.holdings.slice(one) for one in change.released}
        instead_of: dict[SliceId, SliceId] = {}
        for record in change.slices:
            for slice_id, holding in gone.items():
                if holding is not None and _is_in_its_place(self.holdings, record, holding):
                    instead_of[record.slice_id] = slice_id
                    del gone[slice_id]
                    break
        for slice_id in gone:
            self.holdings.remove(slice_id)
        for slice_id in change.released:
            self.staying.forget(slice_id)
            self.holdings.mark_idle(slice_id, idle=False)
        for record in change.slices:
            if record.moving_to is not None:
                # One move at a time: whether it is idle on the other card is told from there.
                self.holdings.mark_idle(record.slice_id, idle=False)
            self.holdings.put(self.holding(record), instead_of.get(record.slice_id))

    def _holdings(self, in_force: QuotaDocument, cards: Iterable[GpuFacts]) -> Holdings:
        """Return the ledger's slices on these cards, entitled to what is known of them."""
        slices = self._ledger.slices.values()
        return Holdings(
            in_force,
            cards,
            (self.holding(record) for record in slices),
            {each.slice_id: each.entitled for each in slices if each.entitled is not None},
            self.turns,
            in_force={
                each.slice_id: each.entitled_in_force
                for each in slices
                if each.entitled_in_force is not None
            },
        )

    def cards_under(self, in_force: QuotaDocument) -> tuple[GpuFacts, ...]:
        """Return the cards as they would be if another document were in force now."""
        closes = DocumentClosings(in_force, self._now())
        return tuple(self._facts(gpu, closes) for gpu in self._ledger.gpus.values())

    def _facts(self, gpu: GpuRecord, by_document: DocumentClosings | None = None) -> GpuFacts:
        return card_facts(self._fleet, gpu, by_document)

    def holding(self, record: SliceRecord) -> Holding:
        """Return a slice of the ledger as it is counted."""
        return Holding(
            slice_id=record.slice_id,
            owner=record.owner,
            holder=record.holder,
            gpu_id=record.moving_to or record.gpu.gpu_id,
            pool=record.pool,
            amount=GpuAmount(record.memory_mib, record.compute_milli),
            group=record.group,
            named=record.named,
            member_of=tuple(GroupName(group) for group in record.member_of),
            since=record.created_at,
            unsuspendable=self._is_unsuspendable(record),
            called_back=record.called_back_since is not None and record.moving_to is None,
            before=_grace(record),
            job_rank=record.job_rank,
            job_id=record.job_id,
            held_back=record.is_job and record.held_back_since is not None,
            fills_in_for=record.fills_in_for,
            takes=record.takes or NOTHING_OF_NODE,
        )

    def _is_idle(self, record: SliceRecord) -> bool:
        """Whether a slice's owner is idle, and it may change cards: a pod's is the cluster's."""
        report = self._fleet.report(record.slice_id)
        if report is None or record.is_job or record.pod is not None:
            return False
        at_work = report.active or report.running_cell or report.wait is not None
        stays = self.staying.keeps(record.slice_id) or record.never_suspended is not None
        return not (at_work or stays or record.moving_to is not None)

    def _is_unsuspendable(self, record: SliceRecord) -> bool:
        """Whether the hub's backend says so of a slice for good, or the agent does now."""
        report = self._fleet.report(record.slice_id)
        reported = report is not None and report.unsuspendable is not None
        return reported or record.never_suspended is not None


def _is_in_its_place(holdings: Holdings, record: SliceRecord, gone: Holding) -> bool:
    """Whether a notebook's slice is new, and may come in the place of one that is released."""
    is_new = holdings.slice(record.slice_id) is None
    return is_new and not record.is_job and gone.is_notebook and gone.owner == record.owner


def _grace(record: SliceRecord) -> AsBefore | None:
    if record.before_until is None or record.before_steps is None:
        return None
    return AsBefore(record.before_until, record.before_steps)
