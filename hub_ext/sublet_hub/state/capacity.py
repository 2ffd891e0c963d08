"""The holdings that admission and placement read, kept equal to ledger, fleet and document.

The ledger says who holds what; the fleet, which cards are there and which are closed. A card whose
agent is silent, or whose node is cordoned, takes nothing new; what is there stays. Every listener
here is quick: sums change by what changed, only a new document adds up from scratch.
"""

from collections.abc import Callable

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, NodeId
from sublet_quota.reasons.fitness import Unfit
from sublet_quota.wire.agent_link import GpuReport

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, GpuRecord, SliceRecord
from sublet_hub.state.fleet import Fleet, NodeView


class Capacity:
    """The holdings of the service."""

    def __init__(self, document: QuotaDocument, ledger: Ledger, fleet: Fleet) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._silent: frozenset[NodeId] = frozenset()
        self._on_room: list[Callable[[], None]] = []
        self.holdings = Holdings(
            document,
            (self._facts(gpu) for gpu in ledger.gpus.values()),
            (self._holding(record) for record in ledger.slices.values()),
        )
        ledger.listen(self._ledger_changed)

    def on_room(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when there may be more room than before."""
        self._on_room.append(listener)

    def document_changed(self, document: QuotaDocument) -> None:
        """Add up again under another document."""
        self.holdings = self.holdings.under(document)
        self._tell()

    def reported(self, view: NodeView) -> None:
        """Take over what an agent's report says about cards and slices."""
        for gpu in self._ledger.gpus_on_node(view.node):
            self.holdings.put_gpu(self._facts(gpu))
        for slice_id in view.slices:
            record = self._ledger.slices.get(slice_id)
            if record is not None:
                self.holdings.mark_unsuspendable(
                    slice_id, unsuspendable=self._is_unsuspendable(record)
                )

    def nodes_are_cordoned(self, nodes: frozenset[NodeId]) -> None:
        """Close the cards of these nodes, and open those of nodes that were cordoned before."""
        before, self._fleet.cordoned = self._fleet.cordoned, nodes
        self._look_again(before ^ nodes)
        if before - nodes:
            self._tell()

    def look_for_silence(self) -> tuple[NodeId, ...]:
        """Close the cards of nodes that are silent now; return the newly silent nodes."""
        silent = frozenset(self._fleet.silent_nodes())
        changed = silent ^ self._silent
        before, self._silent = self._silent, silent
        self._look_again(changed)
        if changed - silent:
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
        for slice_id in change.released:
            self.holdings.remove(slice_id)
        for record in change.slices:
            self.holdings.put(self._holding(record))
        if change.closings or change.opened:
            # Few are, and seldom; which cards they concern may be known no more.
            self._look_again(frozenset(gpu.node for gpu in self._ledger.gpus.values()))
        if change.released or change.gpus or change.opened or change.lending is not None:
            self._tell()

    def _facts(self, gpu: GpuRecord) -> GpuFacts:
        report = self._fleet.gpu_report(gpu.gpu_id)
        closed = None if report is None else report.closed
        if self._fleet.is_silent(gpu.node):
            closed = f"the agent of node {gpu.node} does not report"
        elif report is None:
            closed = f"node {gpu.node} has it no longer"
        return GpuFacts(
            gpu_id=gpu.gpu_id,
            node=gpu.node,
            index=gpu.index,
            kind=GpuKind(gpu.type, gpu.memory_mib, gpu.margin_mib),
            closed=closed,
            pause_only=report is not None and _is_pause_only(report),
        )

    def _holding(self, record: SliceRecord) -> Holding:
        return Holding(
            slice_id=record.slice_id,
            owner=record.owner,
            holder=record.holder,
            gpu_id=record.gpu.gpu_id,
            pool=record.pool,
            amount=GpuAmount(record.memory_mib, record.compute_milli),
            groups=tuple(GroupName(group) for group in record.groups),
            unsuspendable=self._is_unsuspendable(record),
        )

    def _is_unsuspendable(self, record: SliceRecord) -> bool:
        """Whether the hub's backend says so of a slice for good, or the agent does now."""
        report = self._fleet.report(record.slice_id)
        reported = report is not None and report.unsuspendable is not None
        return reported or record.never_suspended is not None


def _is_pause_only(report: GpuReport) -> bool:
    """Whether nothing can be moved on a card for longer than its check takes."""
    lasting = (each for each in report.unfit_reasons if each.why is not Unfit.BEING_CHECKED)
    return report.foreign_processes is not None or any(lasting)
