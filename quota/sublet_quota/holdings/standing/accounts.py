"""What groups and persons hold, of all GPU types: the sums that limits are compared with."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.entitlement_index import EntitledSum
from sublet_quota.shares.limits import Amounts

K = TypeVar("K", bound=Hashable)
_NOTHING: Final = Amounts()


@dataclass(slots=True)
class _Sum:
    cards: dict[str, Fraction] = field(default_factory=dict)
    memory_mib: int = 0
    slices: int = 0
    told: Amounts | None = None
    """The same as a value, once it was asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one slice counts."""

    gpu_type: str | None
    """``None``: its card was never known; it counts no cards."""
    cards: Fraction
    memory_mib: int


class Accounts(Generic[K]):
    """The sums of entries by group, or by person."""

    def __init__(self) -> None:
        self._sums: dict[K, _Sum] = {}

    def add(self, keys: Iterable[K], entry: Entry) -> None:
        """Count an entry for each of these."""
        for key in keys:
            found = self._sums.setdefault(key, _Sum())
            found.told = None
            found.slices += 1
            found.memory_mib += entry.memory_mib
            if entry.gpu_type is not None:
                before = found.cards.get(entry.gpu_type, NO_CARD)
                found.cards[entry.gpu_type] = before + entry.cards

    def remove(self, keys: Iterable[K], entry: Entry) -> None:
        """Count an entry no longer."""
        for key in keys:
            found = self._sums[key]
            found.told = None
            found.slices -= 1
            found.memory_mib -= entry.memory_mib
            if entry.gpu_type is not None:
                left = found.cards[entry.gpu_type] - entry.cards
                if left:
                    found.cards[entry.gpu_type] = left
                else:
                    del found.cards[entry.gpu_type]
            if not found.slices:
                del self._sums[key]

    def of(self, key: K) -> Amounts:
        """Return what somebody holds."""
        found = self._sums.get(key)
        if found is None:
            return _NOTHING
        if found.told is None:
            cards = MappingProxyType(dict(found.cards))
            found.told = Amounts(cards, found.memory_mib, found.slices)
        return found.told


def entitled_amounts(sums: Iterable[tuple[str, EntitledSum]]) -> Amounts:
    """Return what is entitled of each type, added up as limits count it."""
    cards: dict[str, Fraction] = {}
    memory_mib = slices = 0
    for gpu_type, found in sums:
        if found.slices:
            cards[gpu_type] = found.cards
            memory_mib, slices = memory_mib + found.memory_mib, slices + found.slices
    return Amounts(cards, memory_mib, slices)
