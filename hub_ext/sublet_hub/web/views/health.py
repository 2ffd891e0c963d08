"""The service's health, for anybody to read: codes and counts, and nothing about anybody.

To reckon it takes as long as there are cards, and whoever asks needs no token: the same answer is
given for a while after, so that all who ask take a small part of the time.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from sublet_quota.reasons.fitness import Unfit
from sublet_quota.reasons.installation.standings import QuotaStanding
from sublet_quota.wire.health import Health

from sublet_hub.agents.refused_agents import RefusedAgents
from sublet_hub.web.routes.context import ServiceParts

_KEPT_PER_WORK: Final = 20
_MOST_KEPT_S: Final = 1.0


class KeptHealth:
    """The answer of now, or of a moment ago: kept for twenty times what it took to make."""

    def __init__(
        self, make: Callable[[], str], monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._make = make
        self._monotonic_s = monotonic_s
        self._kept = ""
        self._until_s = 0.0

    def read(self) -> str:
        """Return the answer."""
        began_s = self._monotonic_s()
        if began_s >= self._until_s:
            self._kept = self._make()
            ended_s = self._monotonic_s()
            self._until_s = ended_s + min(_MOST_KEPT_S, _KEPT_PER_WORK * (ended_s - began_s))
        return self._kept


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
        notices_given_up=service.outbox.given_up,
        quota=QuotaStanding.OK if service.quota.error is None else QuotaStanding.REFUSED,
        quota_warnings=len(service.capacity.warnings()),
    )
