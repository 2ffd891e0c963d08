"""Which cards a simulated machine has, as people write it: ``2xH100:80,4xL4:24``."""

import re
from dataclasses import dataclass
from typing import Final

MOST_CARDS: Final = 64
_KIND: Final = re.compile(
    r"(?P<number>[1-9][0-9]?) *x *(?P<model>[A-Za-z0-9][A-Za-z0-9 -]{0,39})"
    r":(?P<gib>[0-9]{1,4}(\.[0-9]{1,3})?)"
)


@dataclass(frozen=True, slots=True)
class CardKind:
    """Some cards that are alike."""

    number: int
    type: str
    memory_gib: float


def card_kinds(text: str) -> tuple[CardKind, ...]:
    """Read ``text``. ``ValueError`` where it names no cards, or more than ``MOST_CARDS``.

    The word "Simulated" goes before each model, for whatever shows a card shows its type.
    """
    kinds = tuple(_kind(part.strip()) for part in text.split(","))
    number = sum(kind.number for kind in kinds)
    if number > MOST_CARDS:
        message = f"these are {number} cards: up to {MOST_CARDS} can be simulated"
        raise ValueError(message)
    return kinds


def _kind(part: str) -> CardKind:
    found = _KIND.fullmatch(part)
    if found is None or not float(found["gib"]):
        message = f"{part!r} names no cards: write NUMBERxMODEL:GIB, such as 2xH100:80,4xL4:24"
        raise ValueError(message)
    gib = float(found["gib"])
    return CardKind(int(found["number"]), f"Simulated {found['model'].strip()} {gib:g}GB", gib)
