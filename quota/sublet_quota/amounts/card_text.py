"""Cards as people write them in one line: ``2xH100:80,4xL4:24``."""

import re
from dataclasses import dataclass
from typing import Final

from sublet_quota.errors import AmountError

_KIND: Final = re.compile(
    r"(?P<number>[1-9][0-9]{0,4}) *x *(?P<model>[A-Za-z0-9][A-Za-z0-9 -]{0,39})"
    r":(?P<gib>[0-9]{1,4}(\.[0-9]{1,3})?)"
)


class CardsError(AmountError):
    """Cards that cannot be meant."""


@dataclass(frozen=True, slots=True)
class CardsAlike:
    """Some cards that are alike."""

    number: int
    model: str
    memory_gib: float


def cards_alike(text: str, most: int, above_gib: float = 0) -> tuple[CardsAlike, ...]:
    """Return the cards that a text names, each of more than ``above_gib``, ``most`` in all.

    ``CardsError`` where it names none such, or more.
    """
    found = tuple(_cards_alike(part.strip(), above_gib) for part in text.split(","))
    number = sum(each.number for each in found)
    if number > most:
        message = f"these are {number} cards: up to {most} can be simulated"
        raise CardsError(message)
    return found


def _cards_alike(part: str, above_gib: float) -> CardsAlike:
    found = _KIND.fullmatch(part)
    gib = 0.0 if found is None else float(found["gib"])
    if found is None or gib <= above_gib:
        least = f", of more than {above_gib:g} GiB" if above_gib else ""
        message = (
            f"{part!r} names no cards: write NUMBERxMODEL:GIB, such as 2xH100:80,4xL4:24{least}"
        )
        raise CardsError(message)
    return CardsAlike(int(found["number"]), found["model"].strip(), gib)
