"""Cards and nodes that the quota document closes: as an admin's closings, but not in the ledger.

A card is named by its index on its node, so which card is meant is looked up anew each time.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from sublet_quota.document.consistency.warnings import DocumentWarning
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import ClosedCards
from sublet_quota.names.ids import NodeId

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Closing, GpuRecord


class DocumentClosings:
    """What a quota document closes at a moment; without one, nothing."""

    def __init__(self, document: QuotaDocument | None = None, now: datetime | None = None) -> None:
        """``document``: in force at ``now``."""
        self._on_node: defaultdict[NodeId, list[tuple[ClosedCards, Closing]]] = defaultdict(list)
        self._document = document
        if document is None or now is None:
            return
        for position, cards in enumerate(document.closed):
            line = document.line_of(("closed", position))
            node = NodeId(cards.node)
            self._on_node[node].append((cards, _closing(cards, node, line, now)))

    def of(self, gpu: GpuRecord) -> Closing | None:
        """Return how a card is closed, or else its node; ``None``: not."""
        if gpu.node not in self._on_node:
            return None
        found = (_of_card(each, gpu) for each in self._on_node[gpu.node])
        return max(filter(None, found), key=lambda each: each.drains, default=None)

    def all(self, ledger: Ledger) -> Iterator[Closing]:
        """Go through all closings, of named cards one each that there is."""
        for node, closings in self._on_node.items():
            for cards, closing in closings:
                if cards.gpus is None:
                    yield closing
                    continue
                gpus = sorted(ledger.gpus_on_node(node), key=lambda gpu: (gpu.index, gpu.gpu_id))
                yield from filter(None, (_of_card((cards, closing), gpu) for gpu in gpus))

    def missing(self, ledger: Ledger) -> Iterator[DocumentWarning]:
        """Yield the cards and nodes that are closed and that there are not.

        Of no cards at all nothing is told: no agent has connected yet.
        """
        if not ledger.gpus or self._document is None:
            return
        for position, cards in enumerate(self._document.closed):
            there = {gpu.index for gpu in ledger.gpus_on_node(NodeId(cards.node))}
            where = self._document.origin_of(("closed", position))
            line = self._document.line_of(("closed", position))
            if cards.gpus is None and not there:
                words = f"closes {cards.node}, of which no GPU is known"
                yield DocumentWarning(where, line, words)
            for index in sorted(set(cards.gpus or ()) - there):
                words = f"closes GPU {index} of {cards.node}, which is not there"
                yield DocumentWarning(where, line, words)


def _closing(cards: ClosedCards, node: NodeId, line: int | None, now: datetime) -> Closing:
    return Closing(
        node=node,
        gpu_id=None,
        reason=cards.why,
        closed_by="the quota document" + ("" if line is None else f" (line {line})"),
        closed_at=now,
        until=cards.until,
        drains=cards.drain,
        by_document=True,
    )


def _of_card(closed: tuple[ClosedCards, Closing], gpu: GpuRecord) -> Closing | None:
    cards, closing = closed
    if cards.gpus is None:
        return closing
    return closing.of_card(gpu.gpu_id) if gpu.index in cards.gpus else None
