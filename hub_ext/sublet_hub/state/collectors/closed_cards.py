"""Why a card takes nothing new, as one of few codes: its words are told elsewhere."""

from enum import StrEnum

from sublet_quota.holdings.holdings import Holdings

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import GpuRecord
from sublet_hub.state.fleet import Fleet


class CardClosed(StrEnum):
    """Why a card is closed; of several reasons the first: what is meant goes before faults."""

    ADMIN = "closed-by-admin"
    """An admin has closed it, or its node."""
    DOCUMENT = "closed-by-document"
    """The quota document closes it, or its node."""
    CORDONED = "node-cordoned"
    """The cluster's admin has cordoned its node."""
    SILENT = "agent-silent"
    """Its node's agent does not report."""
    GONE = "gone"
    """Its node reports, and has it no longer."""
    FAULT = "closed-by-agent"
    """Its agent has closed it: it failed, or what it needs did."""
    UNCLEAR = "unclear"
    """Several types or pools of the quota document match it alike."""
    NO_POOL = "no-pool"
    """No pool of the quota document has it."""


def why_closed(
    ledger: Ledger, fleet: Fleet, holdings: Holdings, gpu: GpuRecord
) -> CardClosed | None:
    """Return why a card takes nothing new; ``None``: it is open."""
    return _meant(ledger, fleet, gpu) or _of_itself(fleet, gpu) or _by_policy(holdings, gpu)


def _meant(ledger: Ledger, fleet: Fleet, gpu: GpuRecord) -> CardClosed | None:
    if ledger.closing_of(gpu) is not None:
        return CardClosed.ADMIN
    if fleet.closed_by_document.of(gpu) is not None:
        return CardClosed.DOCUMENT
    return CardClosed.CORDONED if gpu.node in fleet.cordoned else None


def _of_itself(fleet: Fleet, gpu: GpuRecord) -> CardClosed | None:
    view = fleet.node(gpu.node)
    if view is None or fleet.is_silent(gpu.node):
        return CardClosed.SILENT
    report = view.gpus.get(gpu.gpu_id)
    if report is None:
        return CardClosed.GONE
    return None if report.closed is None else CardClosed.FAULT


def _by_policy(holdings: Holdings, gpu: GpuRecord) -> CardClosed | None:
    facts = holdings.gpu(gpu.gpu_id)
    if facts is not None and facts.closed is not None:
        return CardClosed.UNCLEAR
    return CardClosed.NO_POOL if holdings.pool_of(gpu.gpu_id) is None else None
