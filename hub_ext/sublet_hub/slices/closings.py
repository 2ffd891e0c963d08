"""Cards and nodes that an admin closes to new slices and jobs, and opens again.

What holds a slice there keeps it. Closed to be drained, a card is not lent either: its jobs go back
to the queue. A closing is in the ledger, so it outlives the service, and it can have an end.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.wire.closings import ClosingRequest
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.errors import BadRequestError, ConflictError, NotFoundError
from sublet_hub.ledger.events import event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, Closing, EventRecord, GpuRecord

_BY_ITSELF: Final = "its end has come"


class Closings:
    """The closings and openings of cards and nodes."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._now = now

    def close(self, asked: ClosingRequest, admin: str) -> Closing:
        """Close a card or a node, or change how it is closed; return the closing.

        ``NotFoundError`` where there is no such place; ``BadRequestError`` for an end that is over.
        """
        now = self._now()
        if asked.until is not None and asked.until <= now:
            message = f"until={asked.until.isoformat()} is over: give a later end, or none"
            raise BadRequestError(message)
        node, gpu = self._find(asked.where)
        made = Closing(
            node=node,
            gpu_id=None if gpu is None else gpu.gpu_id,
            reason=asked.reason,
            closed_by=admin,
            closed_at=now,
            until=asked.until,
            drains=asked.drain,
        )
        told = self._event(EventKind.CARDS_CLOSED, made, now, _how(made))
        self._ledger.apply(Change(closings=(made,), events=(told,)), now)
        return made

    def open(self, where: str, admin: str, reason: str) -> tuple[Closing, ...]:
        """Undo the closings of a card, or of a node with all of its cards; return them.

        ``NotFoundError`` where there is no such place; ``ConflictError`` where it is not closed by
        an admin, or a card's node is as a whole.
        """
        node, gpu = self._find(where)
        there = [each for each in self._ledger.closings.values() if each.node == node]
        undone = [each for each in there if gpu is None or each.gpu_id == gpu.gpu_id]
        if not undone and there and gpu is not None and any(e.gpu_id is None for e in there):
            message = f"node {node} is closed as a whole: open {node}"
            raise ConflictError(message)
        if not undone:
            message = f"{where} is not closed by an admin"
            raise ConflictError(message)
        why = f"by {admin}{f': {reason}' if reason else ''}"
        self._open(undone, why)
        return tuple(undone)

    def end_due(self) -> None:
        """Undo the closings whose end has come."""
        now = self._now()
        due = [
            each
            for each in self._ledger.closings.values()
            if each.until is not None and each.until <= now
        ]
        if due:
            self._open(due, _BY_ITSELF)

    def jobs_to_send_back(self) -> Iterator[tuple[SliceId, str]]:
        """Go through the slices of jobs on cards that are drained, with why they must leave."""
        ledger = self._ledger
        for closing in tuple(ledger.closings.values()):
            if not closing.drains:
                continue
            for record in ledger.slices_on_node(closing.node):
                if record.is_job and closing.gpu_id in {None, record.gpu.gpu_id}:
                    yield record.slice_id, closing.words(record.gpu)

    def _open(self, undone: list[Closing], why: str) -> None:
        now = self._now()
        told = tuple(self._event(EventKind.CARDS_OPENED, each, now, why) for each in undone)
        self._ledger.apply(Change(opened=tuple(e.place for e in undone), events=told), now)

    def _find(self, where: str) -> tuple[NodeId, GpuRecord | None]:
        """Return the node, and the card where one is named: by its id, or as ``NODE:INDEX``."""
        gpus = self._ledger.gpus
        named = gpus.get(GpuId(where))
        if named is not None:
            return named.node, named
        node, colon, index = where.rpartition(":")
        for gpu in self._ledger.gpus_on_node(NodeId(node)) if colon else ():
            if str(gpu.index) == index:
                return gpu.node, gpu
        known = {gpu.node for gpu in gpus.values()}
        known |= {each.node for each in self._ledger.closings.values()}
        if where in known:
            return NodeId(where), None
        message = f"there is no GPU or node {where}: name a node, NODE:INDEX, or a GPU's id"
        raise NotFoundError(message)

    @staticmethod
    def _event(kind: EventKind, closing: Closing, now: datetime, detail: str) -> EventRecord:
        base = event(kind, now, detail)
        return EventRecord(
            base.event_id, now, base.kind, closing.node, closing.gpu_id, detail=base.detail
        )


def _how(closing: Closing) -> str:
    until = "" if closing.until is None else f" until {closing.until.isoformat()}"
    what = "drained" if closing.drains else "closed"
    return f"{what} by {closing.closed_by}{until}: {closing.reason}"
