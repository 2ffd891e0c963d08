"""Cards and nodes that an admin closes to new slices and jobs, and opens again.

A closing can begin at a time: until then the place is open, and whoever is there is told.
What holds a slice there keeps it. Closed to be drained, a card is not lent either: its jobs go back
to the queue. A closing is in the ledger, so it outlives the service, and it can have an end.
What the quota document closes is closed alike, for as long as that says so.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.reasons.moments import is_over_words, moment_words, said_moment_words
from sublet_quota.wire.closings import ClosingRequest
from sublet_quota.wire.event_kinds import EventKind
from sublet_quota.wire.schema import shortened

from sublet_hub.errors import BadRequestError, ConflictError, NotFoundError
from sublet_hub.ledger.events import event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, Closing, EventRecord, planned_place
from sublet_hub.state.fleet import Fleet

_BY_ITSELF: Final = "its end has come"
_MOST_NAMED: Final = 1000


class Closings:
    """The closings and openings of cards and nodes."""

    def __init__(self, ledger: Ledger, fleet: Fleet, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._now = now

    def close(self, asked: ClosingRequest, admin: str) -> Closing:
        """Close a card or a node, or change how it is closed; return the closing.

        ``NotFoundError`` where there is no such place; ``BadRequestError`` for a time that is over.
        """
        now = self._now()
        _refuse_times(asked, now)
        node, gpu_id = self._find(asked.where)
        made = Closing(
            node=node,
            gpu_id=gpu_id,
            reason=asked.reason,
            closed_by=admin,
            closed_at=now,
            until=None if asked.until is None else asked.until.astimezone(UTC),
            drains=asked.drain,
            begins_at=None if asked.begins_at is None else asked.begins_at.astimezone(UTC),
        )
        told = self._event(EventKind.CARDS_CLOSED, made, now, _how(made))
        # What is drained now is not to be drained anew later.
        moot = (planned_place(made.place),) if made.drains and made.begins_at is None else ()
        opened = tuple(place for place in moot if place in self._ledger.closings)
        self._ledger.apply(Change(closings=(made,), opened=opened, events=(told,)), now)
        return made

    def open(self, where: str, admin: str, reason: str) -> tuple[Closing, ...]:
        """Undo the closings of a card, or of a node with all of its cards; return them.

        What is to begin later is taken back, too.
        ``NotFoundError`` where there is no such place; ``ConflictError`` where it is not closed by
        an admin, or a card's node is as a whole.
        """
        node, gpu_id = self._find(where)
        closings = self._ledger.closings
        undone = [
            each
            for each in closings.values()
            if (self._node_of(each) == node if gpu_id is None else each.gpu_id == gpu_id)
        ]
        whole = f"node:{node}"
        if not undone and (whole in closings or planned_place(whole) in closings):
            is_closed = "is" if whole in closings else "will be"
            message = f"node {node} {is_closed} closed as a whole: open {node}"
            raise ConflictError(message)
        if not undone:
            raise ConflictError(self._why_not_opened(where, node, gpu_id))
        why = f"by {admin}{f': {reason}' if reason else ''}"
        self._open(undone, why)
        return tuple(undone)

    def look(self) -> None:
        """Begin and undo the closings whose time has come."""
        self.begin_due()
        self.end_due()

    def begin_due(self) -> None:
        """Close what was to be closed by now: each in place of how it is closed already."""
        now = self._now()
        due = [
            each
            for each in self._ledger.closings.values()
            if each.begins_at is not None and each.begins_at <= now
        ]
        if not due:
            return
        begun = tuple(each.begun for each in due)
        told = tuple(self._event(EventKind.CARDS_CLOSED, e, now, _how(e)) for e in begun)
        places = tuple(each.place for each in due)
        self._ledger.apply(Change(closings=begun, opened=places, events=told), now)

    def end_due(self) -> None:
        """Undo the closings whose end has come."""
        now = self._now()
        due = [
            each
            for each in self._ledger.closings.values()
            if each.begins_at is None and each.until is not None and each.until <= now
        ]
        if due:
            self._open(due, _BY_ITSELF)

    def jobs_to_send_back(self) -> Iterator[tuple[SliceId, str]]:
        """Go through the slices of jobs on cards that are drained, with why they must leave."""
        ledger = self._ledger
        for closing in tuple(self._fleet.closings()):
            if not closing.drains:
                continue
            for record in ledger.slices_behind(closing):
                if record.is_job:
                    yield record.slice_id, closing.words(record.gpu)

    def _why_not_opened(self, where: str, node: NodeId, gpu_id: GpuId | None) -> str:
        closing = next(
            (
                each
                for each in self._fleet.closings()
                if each.by_document and each.node == node and each.gpu_id in (None, gpu_id)
            ),
            None,
        )
        if closing is None:
            return f"{where} is not closed by an admin"
        return f"{where} is closed by {closing.closed_by}: it opens when that no longer says so"

    def _open(self, undone: list[Closing], why: str) -> None:
        now = self._now()
        told = tuple(self._event(EventKind.CARDS_OPENED, each, now, why) for each in undone)
        self._ledger.apply(Change(opened=tuple(e.place for e in undone), events=told), now)

    def _find(self, where: str) -> tuple[NodeId, GpuId | None]:
        """Return the node, and the card where one is named: by its id, or as ``NODE:INDEX``.

        An agent chooses its cards' ids, and must not be closed for another: nodes come first.
        """
        ledger = self._ledger
        known = {gpu.node for gpu in ledger.gpus.values()}
        known |= {each.node for each in ledger.closings.values()}
        if where in known:
            return NodeId(where), None
        node, colon, index = where.rpartition(":")
        on_node = ledger.gpus_on_node(NodeId(node)) if colon else ()
        there = [gpu for gpu in on_node if str(gpu.index) == index]
        if len(there) > 1:
            ids = ", ".join(sorted(gpu.gpu_id for gpu in there))
            message = f"{where} could be any of several: name one by its id: {ids}"
            raise BadRequestError(shortened(message, _MOST_NAMED))
        if there:
            return there[0].node, there[0].gpu_id
        named = ledger.gpus.get(GpuId(where))
        if named is not None:
            return named.node, named.gpu_id
        # Of a card that is gone the closing is left.
        place = f"gpu:{where}"
        gone = ledger.closings.get(place) or ledger.closings.get(planned_place(place))
        if gone is not None:
            return gone.node, gone.gpu_id
        message = f"there is no GPU or node {where}: name a node, NODE:INDEX, or a GPU's id"
        raise NotFoundError(message)

    def _node_of(self, closing: Closing) -> NodeId:
        """Return where a closed card is now, or was."""
        gpu = None if closing.gpu_id is None else self._ledger.gpus.get(closing.gpu_id)
        return closing.node if gpu is None else gpu.node

    @staticmethod
    def _event(kind: EventKind, closing: Closing, now: datetime, detail: str) -> EventRecord:
        base = event(kind, now, detail)
        return EventRecord(
            base.event_id, now, base.kind, closing.node, closing.gpu_id, detail=base.detail
        )


def _refuse_times(asked: ClosingRequest, now: datetime) -> None:
    begins_at, until = asked.begins_at, asked.until
    if begins_at is not None and begins_at <= now:
        said = said_moment_words(begins_at.isoformat(), begins_at)
        message = (
            f"begins_at={said} is over, as it is {moment_words(now)}: leave it out to begin now"
        )
        raise BadRequestError(message)
    if until is not None and until <= now:
        message = is_over_words(until, now)
        raise BadRequestError(message)
    if until is not None and begins_at is not None and until <= begins_at:
        message = "it would end before it begins: give a later until, or none"
        raise BadRequestError(message)


def _how(closing: Closing) -> str:
    what = "drained" if closing.drains else "closed"
    return f"{what} by {closing.closed_by}{closing.times_clause()}: {closing.reason}"
