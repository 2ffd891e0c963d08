"""How much of a card's time several processes use together, as far as that is told."""

from collections.abc import Iterable


def use_in_all(told: Iterable[int | None]) -> int | None:
    """Return the use of several processes in percent; ``None``: not all of it is told."""
    each = tuple(told)
    known = [percent for percent in each if percent is not None]
    return min(100, sum(known)) if len(known) == len(each) else None
