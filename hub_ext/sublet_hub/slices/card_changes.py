"""Slices that move to another card of their node: begun elsewhere, ended by what agents say.

A slice that is moving has its place on the other card from the moment that this is decided, and is
in the way on the one it is on. It is done when its node's agent says that it is there; an agent's
word counts for its own node's cards alone. Where the agent says that it stays, or the other card
fails, the slice is called back where it is, and takes turns, until there is room again.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.quota_changes import QuotaChange, quota_change_words
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord, SliceRecord
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import NodeView


class CardChanges:
    """The ends of slices' moves, and the moves that cannot come to an end."""

    def __init__(self, ledger: Ledger, capacity: Capacity, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._capacity = capacity
        self._now = now
        self._moving = {
            record.slice_id for record in ledger.slices.values() if record.moving_to is not None
        }
        ledger.listen(self._ledger_changed)

    def reported(self, view: NodeView) -> None:
        """Take over on which cards a node's slices are, and which cannot leave theirs."""
        told = (self._after_report(view, s, report) for s, report in view.slices.items())
        self._apply([each for each in told if each is not None])

    def look(self) -> None:
        """Call off what moves to a card that takes nobody any more, or is gone."""
        records = [self._ledger.slices[slice_id] for slice_id in self._moving]
        self._apply(
            [
                _stays(record, "the other GPU takes nothing new", self._now())
                for record in records
                if not self._is_open(record.moving_to) and self._is_open(record.gpu.gpu_id)
            ]
        )

    def _after_report(
        self, view: NodeView, slice_id: SliceId, report: SliceReport
    ) -> tuple[SliceRecord, EventRecord] | None:
        record = self._ledger.slices.get(slice_id)
        if record is None or record.gpu.node != view.node:
            return None
        if report.gpu_id is not None:
            return self._on_its_card(view, record, GpuId(report.gpu_id))
        if record.moving_to is not None and report.stays is not None:
            return _stays(record, report.stays, self._now())
        return None

    def _on_its_card(
        self, view: NodeView, record: SliceRecord, gpu_id: GpuId
    ) -> tuple[SliceRecord, EventRecord] | None:
        """Take over that a slice is on another card than it was known to be on."""
        gpu = self._ledger.gpus.get(gpu_id)
        # Where a pod's processes are the device plugin decided, unless it was to move.
        is_followed = record.pod is not None and record.moving_to != gpu_id
        if gpu is None or gpu.node != view.node or gpu == record.gpu or is_followed:
            return None
        arrived = record.moving_to == gpu_id
        after = replace(record, gpu=gpu, moving_to=None)
        if arrived:
            after = replace(after, called_back_since=None, called_back_for=None)
        words = quota_change_words(QuotaChange.MOVED, card=gpu.index)
        kind = EventKind.SLICE_BROUGHT_BACK if arrived else EventKind.SLICE_PLACED
        return after, slice_event(kind, after, self._now(), words)

    def _is_open(self, gpu_id: GpuId | None) -> bool:
        facts = None if gpu_id is None else self._capacity.holdings.gpu(gpu_id)
        return facts is not None and facts.closed is None

    def _apply(self, changed: list[tuple[SliceRecord, EventRecord]]) -> None:
        if changed:
            records = tuple(record for record, _ in changed)
            events = tuple(told for _, told in changed)
            self._ledger.apply(Change(slices=records, events=events), self._now())

    def _ledger_changed(self, change: Change) -> None:
        self._moving.difference_update(change.released)
        for record in change.slices:
            if record.moving_to is None:
                self._moving.discard(record.slice_id)
            else:
                self._moving.add(record.slice_id)


def _stays(record: SliceRecord, why: str, now: datetime) -> tuple[SliceRecord, EventRecord]:
    after = replace(record, moving_to=None)
    words = quota_change_words(QuotaChange.STAYS, why=why)
    return after, slice_event(EventKind.SLICE_CALLED_BACK, after, now, words)
