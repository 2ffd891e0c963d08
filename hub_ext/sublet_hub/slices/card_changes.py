"""Slices that move to another card of their node: why some do, and their end as agents tell it.

Placement lets slices move out of somebody's way. Here those begin for whom nobody asks: what is
suspended on a card that fails comes back on another, and what is entitled and lies outside of its
group's layout is brought home, when it is idle. Who stays is not asked again for that card until
its programs are others, or for a while.

A slice that is moving has its place on the other card from the moment that this is decided, and is
in the way on the one it is on. It is done when its node's agent says that it is there; an agent's
word counts for its own node's cards alone. Where the agent says that it stays, or the other card
fails, the slice is called back where it is, and takes turns, until there is room again; one that is
entitled has its place as before, and what came in its room takes turns. A move that
is called off may have come to its end before the agent heard: such cards are kept with the slice,
and where the agent says that it is there, the ledger follows it, and it takes turns there.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.other_card import card_in_place_of, home_of
from sublet_quota.reasons.quota_changes import QuotaChange, quota_change_words
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.events import MOST_FOREIGN_BYTES, slice_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord, SliceRecord
from sublet_hub.ledger.text import within_bytes
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet, NodeView

_LOOKED_AT_ONCE: Final = 1000
"""Of so many slices it is looked up at once whether they are at home: others have turns between."""

_Changed = tuple[SliceRecord, EventRecord]


class CardChanges:
    """The ends of slices' moves, and the moves that cannot come to an end."""

    def __init__(
        self, ledger: Ledger, fleet: Fleet, capacity: Capacity, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._capacity = capacity
        self._may_be_away = True
        """Whether anything has changed since entitled slices outside of the layout were looked for.
        """
        self._unlooked: list[SliceId] = []
        """Those that are yet to be looked at, before all are again."""
        self._now = now
        self._moving = {
            record.slice_id for record in ledger.slices.values() if record.moving_to is not None
        }
        ledger.listen(self._ledger_changed)
        capacity.on_room(self._note_change)

    def reported(self, view: NodeView) -> None:
        """Take over on which cards a node's slices are, and which cannot leave theirs."""
        there = (self._where_it_is(view, s, report) for s, report in view.slices.items())
        self._apply([each for each in there if each is not None])
        for slice_id, report in view.slices.items():
            # One after another: what makes way for one leaves no room for the next.
            self._apply(self._if_it_stays(view, slice_id, report))

    def look(self) -> None:
        """Begin what is due, and call off what moves to a card that takes nobody any more."""
        records = [self._ledger.slices[slice_id] for slice_id in self._moving]
        for record in records:
            if not self._is_open(record.moving_to) and self._is_open(record.gpu.gpu_id):
                self._apply(self._stays(record, "the other GPU takes nothing new"))
        self._leave_failed_cards()
        self._may_be_away |= self._capacity.end_stays()
        if self._may_be_away and not self._unlooked:
            self._may_be_away = False
            self._unlooked = list(self._ledger.slices)
        self._bring_home()

    def _leave_failed_cards(self) -> None:
        """Let what is suspended on a card that its own agent closed come back on another."""
        for gpu in self._ledger.gpus.values():
            report = self._fleet.gpu_report(gpu.gpu_id)
            if report is None or report.closed is None or self._fleet.is_silent(gpu.node):
                continue
            for record in self._ledger.slices_on_gpu(gpu.gpu_id):
                told = self._fleet.report(record.slice_id)
                is_away = told is not None and told.state is SliceState.SUSPENDED
                if is_away and self._may_begin(record):
                    to_card = card_in_place_of(self._capacity.holdings, record.slice_id)
                    self._begin(record, to_card, QuotaChange.LEAVES_FAILED)

    def _bring_home(self) -> None:
        holdings = self._capacity.holdings
        part = self._unlooked[:_LOOKED_AT_ONCE]
        del self._unlooked[:_LOOKED_AT_ONCE]
        for slice_id in part:
            record = self._ledger.slices.get(slice_id)
            if record is not None and self._may_begin(record):
                home = home_of(holdings, record.slice_id)
                self._begin(record, home, QuotaChange.COMES_HOME)

    @staticmethod
    def _may_begin(record: SliceRecord) -> bool:
        """Whether a slice that stays may move at all: a pod's card is the cluster's to say."""
        is_due = record.moving_to is None and not record.is_job and record.never_suspended is None
        return is_due and record.pod is None

    def _begin(self, record: SliceRecord, to_card: GpuId | None, change: QuotaChange) -> None:
        """Let a slice move, one at a time: where the next one fits depends on it."""
        if to_card is None or self._capacity.staying.keeps_from(record.slice_id, to_card):
            return
        after = record.bound_for(to_card)
        words = quota_change_words(change, card=self._ledger.gpus[to_card].index)
        told = slice_event(EventKind.SLICE_PLACED, after, self._now(), words)
        self._apply([(after, told)])

    def _where_it_is(
        self, view: NodeView, slice_id: SliceId, report: SliceReport
    ) -> _Changed | None:
        record = self._of_node(view, slice_id)
        if record is None or report.gpu_id is None:
            return None
        return self._on_its_card(view, record, GpuId(report.gpu_id))

    def _if_it_stays(
        self, view: NodeView, slice_id: SliceId, report: SliceReport
    ) -> list[_Changed]:
        if report.gpu_id is not None or report.stays is None:
            return []
        record = self._of_node(view, slice_id)
        if record is None or record.moving_to is None:
            return []
        self._capacity.stays(slice_id, record.moving_to)
        return self._stays(record, within_bytes(report.stays, MOST_FOREIGN_BYTES))

    def _of_node(self, view: NodeView, slice_id: SliceId) -> SliceRecord | None:
        record = self._ledger.slices.get(slice_id)
        return None if record is None or record.gpu.node != view.node else record

    def _stays(self, record: SliceRecord, why: str) -> list[_Changed]:
        """Let a slice stay where it is: what is entitled there has its place as before.

        What came in its room is called back then, as far as it is borrowed.
        """
        now = self._now()
        changed = [_stays(record, why, now)]
        if record.is_job:
            return changed
        holdings = self._capacity.holdings
        holding = holdings.slice(record.slice_id)
        if holding is None or record.called_back_since is not None:
            return changed
        leaf = holdings.leaf_for(holding.group, holding.owner)
        way = holdings.making_way(record.gpu.gpu_id, leaf, holding.amount)
        words = quota_change_words(QuotaChange.CALLED_BACK, group=record.group)
        for slice_id in way.called_back:
            other = self._ledger.slices[slice_id].without_place(now, record.group)
            changed.append((other, slice_event(EventKind.SLICE_CALLED_BACK, other, now, words)))
        return changed

    def _on_its_card(self, view: NodeView, record: SliceRecord, gpu_id: GpuId) -> _Changed | None:
        """Take over that a slice is on another card than it was known to be on."""
        gpu = self._ledger.gpus.get(gpu_id)
        arrived = record.moving_to == gpu_id
        # No card counts that nobody asked it to come to, nor took it from.
        is_known = arrived or gpu_id == record.came_from or gpu_id in record.perhaps_on
        if gpu is None or gpu.node != view.node or gpu == record.gpu or not is_known:
            return None
        # Who came without being asked has no place there, until there is room; and goes no further.
        # A pod's card is the cluster's to say, and a job has no place that it could lose.
        keeps = arrived or record.pod is not None or record.is_job
        since = None if keeps else self._now()
        # What it was bound for otherwise, it may still come to before its agent hears.
        left = () if arrived else record.bound_for(None).perhaps_on
        after = replace(
            record,
            gpu=gpu,
            moving_to=None,
            perhaps_on=tuple(each for each in left if each != gpu_id),
            came_from=record.gpu.gpu_id if arrived else None,
            called_back_since=since,
            called_back_for=None,
        )
        words = quota_change_words(QuotaChange.MOVED, card=gpu.index)
        is_back = arrived and record.called_back_since is not None
        kind = EventKind.SLICE_BROUGHT_BACK if is_back else EventKind.SLICE_PLACED
        return after, slice_event(kind, after, self._now(), words)

    def _is_open(self, gpu_id: GpuId | None) -> bool:
        facts = None if gpu_id is None else self._capacity.holdings.gpu(gpu_id)
        return facts is not None and facts.closed is None

    def _apply(self, changed: list[_Changed]) -> None:
        if changed:
            records = tuple(record for record, _ in changed)
            events = tuple(told for _, told in changed)
            self._ledger.apply(Change(slices=records, events=events), self._now())

    def _note_change(self) -> None:
        self._may_be_away = True

    def _ledger_changed(self, change: Change) -> None:
        self._may_be_away |= bool(change.slices or change.released)
        self._moving.difference_update(change.released)
        for record in change.slices:
            if record.moving_to is None:
                self._moving.discard(record.slice_id)
            else:
                self._moving.add(record.slice_id)


def _stays(record: SliceRecord, why: str, now: datetime) -> _Changed:
    after = record.bound_for(None)
    words = quota_change_words(QuotaChange.STAYS, why=why)
    called_back = record.called_back_since is not None
    kind = EventKind.SLICE_CALLED_BACK if called_back else EventKind.SLICE_PLACED
    return after, slice_event(kind, after, now, words)
