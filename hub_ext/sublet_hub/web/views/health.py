"""The service's health, for anybody to read: codes and counts, and nothing about anybody."""

from collections import Counter

from sublet_quota.reasons.fitness import Unfit
from sublet_quota.reasons.installation.standings import QuotaStanding
from sublet_quota.wire.health import Health

from sublet_hub.agents.refused_agents import RefusedAgents
from sublet_hub.web.routes.context import ServiceParts


def health_of(service: ServiceParts, refused: RefusedAgents, version: str) -> Health:
    """Return how service, hub, agents and cards are."""
    speaking = tuple(service.fleet.speaking())
    cards = [report for view in speaking for report in view.gpus.values()]
    unfit: Counter[Unfit] = Counter()
    for card in cards:
        # A reason counts once for a card, however often it was told.
        unfit.update({reason.why for reason in card.unfit_reasons})
    return Health(
        ok=True,
        version=version,
        agents=len(speaking),
        silent_agents=len(service.fleet.silent_nodes()),
        agents_without_cards=sum(not view.gpus for view in speaking),
        cards=len(cards),
        unfit_cards=sum(bool(card.unfit) for card in cards),
        unfit=unfit,
        refused_agents=refused.lately(),
        hub=service.reconciliation.hub_standing,
        quota=QuotaStanding.OK if service.quota.error is None else QuotaStanding.REFUSED,
    )
