"""Which cards a simulated machine has, as people write it: ``2xH100:80,4xL4:24``."""

from dataclasses import dataclass
from typing import Final

from sublet_quota.amounts.card_text import cards_alike

MOST_CARDS: Final = 64


@dataclass(frozen=True, slots=True)
class CardKind:
    """Some cards that are alike."""

    number: int
    type: str
    memory_gib: float


def card_kinds(text: str) -> tuple[CardKind, ...]:
    """Read ``text``. ``CardsError`` where it names no cards, or more than ``MOST_CARDS``.

    The word "Simulated" goes before each model, for whatever shows a card shows its type.
    """
    return tuple(
        CardKind(alike.number, f"Simulated {alike.model} {alike.memory_gib:g}GB", alike.memory_gib)
        for alike in cards_alike(text, MOST_CARDS)
    )
