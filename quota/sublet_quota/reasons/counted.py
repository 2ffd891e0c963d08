"""Counts and amounts in sentences, with verbs and nouns that agree with them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_OF_ONE: Final[Mapping[str, str]] = MappingProxyType(
    {"are": "is", "come": "comes", "have": "has", "lie": "lies", "those": "that", "they": "it"}
)


class Counted(str):
    """An amount as it is written, after which templates name words: ``{cards} {cards:are} kept``.

    It is one where it is written as one: 1 card, 1 GiB.
    """

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        """Return the amount, or the word of ``spec`` (as it is of many) as it agrees with it."""
        if spec not in _OF_ONE:
            return super().__format__(spec)
        return _OF_ONE[spec] if self.partition(" ")[0] == "1" else spec


def counted(count: int, noun: str) -> Counted:
    """Return ``1 slice`` or ``2 slices``; ``noun``: that of one, whose plural ends in s."""
    return Counted(f"{count} {noun}" if count == 1 else f"{count} {noun}s")
