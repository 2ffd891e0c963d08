"""What the service tells anybody of its health: codes and counts, and nothing about anybody."""

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from sublet_quota.reasons.fitness import Unfit
from sublet_quota.reasons.installation.standings import AgentRefusal, HubStanding, QuotaStanding
from sublet_quota.wire.schema import AnswerModel, Count, Name

_MOST_CODES: Final = 100


class Health(AnswerModel):
    """The body of the page ``health``."""

    ok: bool
    version: Name
    agents: Count
    """How many agents report."""
    silent_agents: Count
    """How many nodes are known, and not reported of."""
    agents_without_cards: Count = 0
    cards: Count = 0
    """How many cards agents report."""
    unfit_cards: Count = 0
    """How many of the cards are not fit to be lent."""
    unfit: Mapping[Unfit, Count] = Field(default_factory=dict, max_length=_MOST_CODES)
    """Why they are not: how many cards have each reason."""
    refused_agents: Mapping[AgentRefusal, Count] = Field(
        default_factory=dict, max_length=_MOST_CODES
    )
    """How often lately somebody who wanted to be an agent was not let in, and why. Whoever reaches
    the service can have themselves counted here."""
    hub: HubStanding = HubStanding.UNASKED
    notices_given_up: Count = 0
    """How many notices by mail or webhook could not be delivered lately."""
    quota: QuotaStanding = QuotaStanding.OK
    quota_warnings: Count = 0
    """How many things in it to look at: not meant, or not to be had of today's cards."""
