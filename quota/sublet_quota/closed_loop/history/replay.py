"""What happened as a scenario that can be simulated again: its cards, its speeds, its asks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.closed_loop.asks.asked import CardChange, CardSpeeds, CardVerb
from sublet_quota.closed_loop.history.happened import (
    CardState,
    History,
    PastCard,
    PastMoves,
)
from sublet_quota.errors import SubletQuotaError
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.names.ids import GpuId, NodeId

_LEAST_S: Final = 0.001
_CLOSED: Final = "it was closed"


class NoCardsError(SubletQuotaError):
    """A history of which no card is known."""


@dataclass(frozen=True, slots=True)
class PastCards:
    """The cards that there were at the beginning, and what became of them and of others."""

    first: tuple[GpuFacts, ...]
    changes: tuple[CardChange, ...]


def cards_of(history: History) -> PastCards:
    """Return the cards of a history. ``NoCardsError``."""
    there: dict[str, PastCard] = {}
    for card in history.cards:
        if card.at <= history.begins:
            there[card.gpu_id] = card
    first = tuple(_facts(card) for card in there.values() if card.state is not CardState.GONE)
    states = {str(each.gpu_id): there[each.gpu_id].state for each in first}
    changes = []
    for card in history.cards:
        if not history.begins < card.at < history.ends:
            continue
        verb = _verb(states.get(card.gpu_id), card.state)
        if verb is None:
            continue
        if card.state is CardState.GONE:
            del states[card.gpu_id]
        else:
            states[card.gpu_id] = card.state
        words = f"{card.at:%Y-%m-%d %H:%M}: {verb} {card.gpu_id}"
        # What comes closed, or has failed, comes open to nobody.
        facts = _facts(card) if verb is CardVerb.ADD else replace(_facts(card), closed=None)
        changes.append(CardChange(card.at, verb, (facts,), words))
    if not first and not changes:
        message = "no card is known of these days: the service had not begun to record then"
        raise NoCardsError(message)
    return PastCards(first, tuple(changes))


def speeds_of(history: History, otherwise: CardSpeeds) -> CardSpeeds:
    """Return how fast memory moved; where nothing did, as ``otherwise`` says."""
    out = _speed(history.moves, otherwise.locking, leaves=True)
    back = _speed(history.moves, otherwise.locking, leaves=False)
    return replace(
        otherwise,
        suspend_mib_per_s=out or otherwise.suspend_mib_per_s,
        resume_mib_per_s=back or otherwise.resume_mib_per_s,
    )


def _speed(moves: Iterable[PastMoves], locking: timedelta, *, leaves: bool) -> int | None:
    meant = [each for each in moves if each.leaves is leaves]
    memory_mib = sum(each.memory_mib for each in meant)
    if not memory_mib:
        return None
    lasted = sum((each.lasted - each.number * locking for each in meant), timedelta())
    return max(1, round(memory_mib / max(_LEAST_S, lasted.total_seconds())))


def _verb(before: CardState | None, now: CardState) -> CardVerb | None:
    """Return what became of a card; ``None``: nothing that is simulated."""
    if before is None:
        return None if now is CardState.GONE else CardVerb.ADD
    match now:
        case CardState.GONE:
            return CardVerb.TAKE
        case _ if now is before:
            return None
        case CardState.OPEN:
            return CardVerb.OPEN
        case CardState.CLOSED:
            return CardVerb.CLOSE
        case CardState.FAILED:
            return CardVerb.FAIL
    return None


def _facts(card: PastCard) -> GpuFacts:
    is_open = card.state is CardState.OPEN
    return GpuFacts(
        GpuId(card.gpu_id),
        NodeId(card.node),
        card.index,
        GpuKind(card.model, card.memory_mib, card.margin_mib),
        closed=None if is_open else _CLOSED,
        closed_by_hand=card.state is CardState.CLOSED,
        closed_for_good=card.state is CardState.FAILED,
    )
