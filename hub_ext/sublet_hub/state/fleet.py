"""The fleet: nodes, cards and slices as the agents last described them.

Levels only, never stored: after a restart every node is silent until its agent connects again. An
agent's word counts for its own node alone: reports of slices and cards that the ledger has on
another node are dropped here, and counted.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.wire.agent_link import GpuReport, Hello, SliceReport, Status

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Closing, GpuRecord
from sublet_hub.state.document_closings import DocumentClosings

SILENT_AFTER = timedelta(seconds=10)
"""The time without a report after which a node is silent: ten of an agent's reports missed."""


@dataclass(slots=True)
class NodeView:
    """A node, as its agent last described it."""

    node: NodeId
    boot_id: str
    version: str
    epoch: int
    connected: bool = True
    seen_at: datetime | None = None
    behind: timedelta = timedelta()
    """By how much the clock of the last report was behind the service's, the way here included."""
    sequence: int = -1
    acknowledged: int = -1
    gpus: dict[GpuId, GpuReport] = field(default_factory=dict)
    slices: dict[SliceId, SliceReport] = field(default_factory=dict)
    told_to_jobs: tuple[object, ...] | None = None
    """All of the last report on this connection that jobs wait for."""
    concerns_jobs: bool = True
    """Whether that was another in the report before, or there was none."""

    def host_memory_mib(self) -> int | None:
        """Return what suspended slices may take on the node: the least that its cards say."""
        told = (report.host_memory_mib for report in self.gpus.values())
        return min((mib for mib in told if mib is not None), default=None)

    def rests_since(self, slice_id: SliceId) -> datetime | None:
        """Return since when a slice's owner leaves it alone; ``None``: at work, or not known."""
        told = self.slices.get(slice_id)
        return None if told is None or told.active or told.running_cell else told.since


class Fleet:
    """All nodes, as their agents last described them."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime], boot_id: str) -> None:
        self._ledger = ledger
        self._now = now
        self._boot_id = boot_id
        self._nodes: dict[NodeId, NodeView] = {}
        self.cordoned: frozenset[NodeId] = frozenset()
        """The nodes that take nothing new, as the cluster says: cards there count as closed."""
        self.closed_by_document = DocumentClosings()
        """What the quota document closes now."""

    def nodes(self) -> Iterable[NodeView]:
        """Return all nodes that have connected since the service started."""
        return self._nodes.values()

    def node(self, node: NodeId) -> NodeView | None:
        """Return one node; ``None`` where its agent has not connected since the service started."""
        return self._nodes.get(node)

    def connected(self, hello: Hello, epoch: int) -> NodeView:
        """Begin with a new connection of an agent, and return its node.

        What the agent said before stays until it speaks.
        """
        node = NodeId(hello.node)
        before = self._nodes.get(node)
        view = NodeView(node, hello.boot_id, hello.version, epoch)
        if before is not None and before.boot_id == hello.boot_id:
            view.gpus, view.slices, view.seen_at = before.gpus, before.slices, before.seen_at
            view.behind = before.behind
        self._nodes[node] = view
        return view

    def disconnected(self, node: NodeId, epoch: int) -> None:
        """End a connection, unless a later one has taken its place."""
        view = self._nodes.get(node)
        if view is not None and view.epoch == epoch:
            view.connected = False

    def reported(self, view: NodeView, status: Status) -> tuple[GpuReport, ...]:
        """Take an agent's status; return the cards that the ledger does not know like this."""
        view.seen_at = now = self._now()
        view.behind = now - status.at
        view.acknowledged = status.acknowledged
        view.gpus = {GpuId(g.gpu_id): g for g in status.gpus if self._is_its_gpu(view, g)}
        view.slices = {
            SliceId(s.slice_id): s for s in status.slices if self._is_its_slice(view, s.slice_id)
        }
        before, view.told_to_jobs = view.told_to_jobs, _told_to_jobs(view)
        view.concerns_jobs = view.told_to_jobs != before
        return tuple(g for g in view.gpus.values() if self._is_news(view, g))

    def report(self, slice_id: SliceId) -> SliceReport | None:
        """Return what its agent last said of a slice, or ``None``."""
        record = self._ledger.slices.get(slice_id)
        view = None if record is None else self._nodes.get(record.gpu.node)
        return None if view is None else view.slices.get(slice_id)

    def report_as_of_now(self, slice_id: SliceId) -> SliceReport | None:
        """Return a slice's report, with the time of a move under way that has passed since."""
        report = self.report(slice_id)
        move = None if report is None else report.move
        record = self._ledger.slices.get(slice_id)
        seen_at = None if record is None else self.seen_at(record.gpu.node)
        if report is None or move is None or move.elapsed_s is None or seen_at is None:
            return report
        since_s = max(0.0, (self._now() - seen_at).total_seconds())
        later = move.model_copy(update={"elapsed_s": move.elapsed_s + since_s})
        return report.model_copy(update={"move": later})

    def closing_of(
        self, gpu: GpuRecord, by_document: DocumentClosings | None = None
    ) -> Closing | None:
        """Return how an admin, or the quota document, has closed a card or its node, or ``None``.

        Of several one that drains.
        """
        found = self.closings_of(gpu, by_document)
        return max(found, key=lambda each: each.drains, default=None)

    def closings_of(
        self, gpu: GpuRecord, by_document: DocumentClosings | None = None
    ) -> tuple[Closing, ...]:
        """Return how an admin has closed a card or its node, and how the quota document has.

        ``by_document``: what another document would close in place of the one in force.
        """
        closes = self.closed_by_document if by_document is None else by_document
        found = self._ledger.closing_of(gpu), closes.of(gpu)
        return tuple(each for each in found if each is not None)

    def closings(self) -> Iterator[Closing]:
        """Go through all closings that have begun, by admins and by the quota document."""
        yield from [e for e in self._ledger.closings.values() if e.begins_at is None]
        yield from self.closed_by_document.all(self._ledger)

    def gpu_report(
        self, gpu_id: GpuId, by_document: DocumentClosings | None = None
    ) -> GpuReport | None:
        """Return the last report of a card, or ``None``; closed, where that was closed.

        Nothing can be lent of a closed card, nor of one whose agent is silent: what that has said
        of room is over. ``by_document`` as for ``closings_of``.
        """
        record = self._ledger.gpus.get(gpu_id)
        view = None if record is None else self._nodes.get(record.node)
        report = None if view is None else view.gpus.get(gpu_id)
        if view is None or report is None:
            return None
        closed = report.closed
        closing = None if record is None else self.closing_of(record, by_document)
        if closed is None and record is not None and closing is not None:
            closed = closing.words(record)
        elif closed is None and view.node in self.cordoned:
            closed = f"an admin has cordoned node {view.node}"
        lends = closed is None and not self.is_silent(view.node)
        if closed == report.closed and (lends or report.lendable_mib == 0):
            return report
        lendable_mib = report.lendable_mib if lends else 0
        return report.model_copy(update={"closed": closed, "lendable_mib": lendable_mib})

    def is_known(self, node: NodeId) -> bool:
        """Whether a node has cards in the ledger, or an agent there has connected."""
        return node in self._nodes or bool(self._ledger.gpus_on_node(node))

    def is_connected(self, node: NodeId) -> bool:
        """Whether a node's agent is connected now."""
        view = self._nodes.get(node)
        return view is not None and view.connected

    def forget(self, node: NodeId) -> None:
        """Forget a node without a connected agent: it is there no more."""
        self._nodes.pop(node, None)

    def has_lost(self, gpu: GpuFacts) -> bool:
        """Whether a card's node reports, and has it no more."""
        view = self._nodes.get(gpu.node)
        return not self.is_silent(gpu.node) and view is not None and gpu.gpu_id not in view.gpus

    def seen_at(self, node: NodeId) -> datetime | None:
        """Return when a node last reported; ``None`` where it has not."""
        view = self._nodes.get(node)
        return None if view is None else view.seen_at

    def is_silent(self, node: NodeId) -> bool:
        """Whether a node's agent has not reported for too long."""
        view = self._nodes.get(node)
        if view is None or view.seen_at is None or not view.connected:
            return True
        return self._now() - view.seen_at > SILENT_AFTER

    def is_here(self, node: NodeId) -> bool:
        """Whether the node is the machine on which this service runs."""
        view = self._nodes.get(node)
        return view is not None and view.boot_id == self._boot_id

    def speaking(self) -> Iterator[NodeView]:
        """Yield the nodes whose agents report."""
        return (view for view in self._nodes.values() if not self.is_silent(view.node))

    def silent_nodes(self) -> tuple[NodeId, ...]:
        """Return the nodes with cards in the ledger whose agents do not report."""
        known = {gpu.node for gpu in self._ledger.gpus.values()} | set(self._nodes)
        return tuple(sorted(node for node in known if self.is_silent(node)))

    def _is_its_slice(self, view: NodeView, slice_id: str) -> bool:
        record = self._ledger.slices.get(SliceId(slice_id))
        return record is not None and record.gpu.node == view.node

    def _is_its_gpu(self, view: NodeView, report: GpuReport) -> bool:
        """Whether a reported card is this node's.

        A card belongs to who told of it first, until that node is silent and holds nothing.
        """
        known = self._ledger.gpus.get(GpuId(report.gpu_id))
        if known is None or known.node == view.node:
            return True
        return self.is_silent(known.node) and not self._ledger.slices_on_gpu(known.gpu_id)

    def _is_news(self, view: NodeView, report: GpuReport) -> bool:
        known = self._ledger.gpus.get(GpuId(report.gpu_id))
        return known is None or (
            known.node,
            known.index,
            known.type,
            known.memory_mib,
            known.margin_mib,
            known.simulated,
        ) != (
            view.node,
            report.index,
            report.type,
            report.memory_mib,
            report.margin_mib,
            report.simulated,
        )


def _told_to_jobs(view: NodeView) -> tuple[object, ...]:
    """Return all of a report that jobs wait for: room, cards that are open, slices, open gates."""
    rooms = tuple((gpu.gpu_id, gpu.lendable_mib, gpu.closed) for gpu in view.gpus.values())
    gates = tuple((told.slice_id, told.gate_open) for told in view.slices.values())
    return rooms, gates
