"""A card of the ledger as it is counted: whether it is open, why not, and until when."""

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.reasons.fitness import Unfit
from sublet_quota.wire.agent_link import GpuReport

from sublet_hub.ledger.records import GpuRecord
from sublet_hub.state.document_closings import DocumentClosings
from sublet_hub.state.fleet import Fleet


def card_facts(
    fleet: Fleet, gpu: GpuRecord, by_document: DocumentClosings | None = None
) -> GpuFacts:
    """Return a card as its agent, admins and cluster leave it now.

    ``by_document``: what another document would close, instead of the one in force.
    """
    report = fleet.gpu_report(gpu.gpu_id, by_document)
    closed = None if report is None else report.closed
    for_good = report is not None and report.closed_for_good
    if fleet.is_silent(gpu.node):
        closed = f"the agent of node {gpu.node} does not report"
    elif report is None:
        closed, for_good = f"node {gpu.node} has it no longer", True
    ends = [each.until for each in fleet.closings_of(gpu, by_document)]
    last = max((each for each in ends if each is not None), default=None)
    return GpuFacts(
        gpu_id=gpu.gpu_id,
        node=gpu.node,
        index=gpu.index,
        kind=GpuKind(gpu.type, gpu.memory_mib, gpu.margin_mib),
        closed=closed,
        pause_only=report is not None and _is_pause_only(report),
        closed_by_hand=bool(ends) or gpu.node in fleet.cordoned,
        closed_until=None if None in ends or gpu.node in fleet.cordoned else last,
        closed_for_good=for_good,
    )


def _is_pause_only(report: GpuReport) -> bool:
    """Whether nothing can be moved on a card for longer than its check takes."""
    lasting = (each for each in report.unfit_reasons if each.why is not Unfit.BEING_CHECKED)
    return report.foreign_processes is not None or any(lasting)
