"""Past days of a hub as they are simulated again: from the table that tells them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sublet_quota.amounts.gpu_amounts import MIB_PER_GIB
from sublet_quota.closed_loop.asks.asked import CardSpeeds
from sublet_quota.closed_loop.history.happened import History
from sublet_quota.closed_loop.history.history_table import read_history
from sublet_quota.closed_loop.history.replay import PastCards, cards_of, speeds_of
from sublet_quota.errors import SubletQuotaError


class NothingAskedError(SubletQuotaError):
    """Days in which nobody asked for anything: there is nothing to simulate."""


@dataclass(frozen=True, slots=True)
class PastDays:
    """What happened, on which cards, and how fast memory moved."""

    history: History
    cards: PastCards
    speeds: CardSpeeds

    @property
    def cards_text(self) -> str:
        """The cards of the beginning, as ``2xH100:80,4xL4:24``; empty: there were none."""
        kinds = Counter(
            (card.kind.type, card.kind.memory_mib // MIB_PER_GIB) for card in self.cards.first
        )
        return ",".join(f"{number}x{model}:{gib}" for (model, gib), number in sorted(kinds.items()))


def read_past_days(lines: Iterable[str]) -> PastDays:
    """Return the days that a table's lines tell of. ``SubletQuotaError``: it tells of none."""
    history = read_history(lines)
    cards = cards_of(history)
    if not history.past:
        message = "nothing was asked for in these days"
        raise NothingAskedError(message)
    return PastDays(history, cards, speeds_of(history, CardSpeeds()))
