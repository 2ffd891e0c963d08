"""Limits: of one GPU type, of cards of all types, of memory, of the number of slices. All bind.

A type that is not named is bounded by the cards of all types alone. Of the limits that a request
meets, on its group and on all above it, the one with the least room for it is named first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from sublet_quota.errors import GroupTreeError
from sublet_quota.shares.cards import NO_CARD, total
from sublet_quota.shares.group_tree import NodeName


class LimitKind(Enum):
    """What a limit counts."""

    TYPE = "type"
    CARDS = "cards"
    MEMORY = "memory"
    SLICES = "slices"


@dataclass(frozen=True, slots=True)
class Amounts:
    """What is held or asked for, counted in every way that a limit counts."""

    cards: Mapping[str, Fraction] = field(default_factory=dict)
    """By GPU type."""
    memory_mib: int = 0
    slices: int = 0

    def __add__(self, other: "Amounts") -> "Amounts":
        """Return both together."""
        cards = dict(self.cards)
        for gpu_type, more in other.cards.items():
            cards[gpu_type] = cards.get(gpu_type, NO_CARD) + more
        return Amounts(cards, self.memory_mib + other.memory_mib, self.slices + other.slices)

    def __sub__(self, other: "Amounts") -> "Amounts":
        """Return this one without the other; below zero where that has more."""
        cards = dict(self.cards)
        for gpu_type, less in other.cards.items():
            cards[gpu_type] = cards.get(gpu_type, NO_CARD) - less
        return Amounts(cards, self.memory_mib - other.memory_mib, self.slices - other.slices)


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a group or a person may have; ``None``, and a type not named: no limit."""

    types: Mapping[str, Fraction] = field(default_factory=dict)
    cards: Fraction | None = None
    memory_mib: int | None = None
    slices: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is below zero."""
        told = (*self.types.items(), ("cards", self.cards))
        for name, value in (*told, ("memory", self.memory_mib), ("slices", self.slices)):
            if value is not None and value < 0:
                message = f"the limit of {name} is {value}: give 0 or more"
                raise GroupTreeError(message)

    def has_room_for(self, held: Amounts) -> bool:
        """Whether so much may be held in all."""
        return (
            all(held.cards.get(name, NO_CARD) <= most for name, most in self.types.items())
            and (self.cards is None or total(held.cards.values()) <= self.cards)
            and (self.memory_mib is None or held.memory_mib <= self.memory_mib)
            and (self.slices is None or held.slices <= self.slices)
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit, as a request meets it."""

    node: NodeName
    """Whose limit it is."""
    kind: LimitKind
    gpu_type: str | None
    limit: Fraction
    held: Fraction
    asked: Fraction

    @property
    def room(self) -> Fraction:
        """What may still be had; below zero where more is held than the limit says."""
        return self.limit - self.held

    @property
    def allows(self) -> bool:
        """Whether the request is within the limit."""
        return self.asked <= self.room


def bounds(
    limits: Mapping[NodeName, Limit],
    held: Mapping[NodeName, Amounts],
    path: Sequence[NodeName],
    asked: Amounts,
) -> tuple[Bound, ...]:
    """Return the limits that a request meets on the way to its group, the least room first.

    The room is compared by what is asked for, as cards and memory have no other measure in common;
    of equal ones the limit nearest to the root comes first.
    """
    met = (
        bound
        for name in path
        if name in limits
        for bound in _met(name, limits[name], held.get(name, Amounts()), asked)
    )
    return tuple(sorted(met, key=lambda bound: bound.room / bound.asked))


def most_of_type(limit: Limit, held: Amounts, gpu_type: str) -> Fraction | None:
    """Return the most that may be had of a type beside what is held of others; ``None``: no limit.

    Memory and slices are no cards: they bind where a slice is asked for.
    """
    most = limit.types.get(gpu_type)
    if limit.cards is not None:
        others = total(cards for name, cards in held.cards.items() if name != gpu_type)
        left = max(NO_CARD, limit.cards - others)
        most = left if most is None else min(most, left)
    return most


def _met(node: NodeName, limit: Limit, held: Amounts, asked: Amounts) -> Iterator[Bound]:
    for gpu_type in sorted(asked.cards.keys() & limit.types.keys()):
        if not asked.cards[gpu_type]:
            continue
        yield Bound(
            node,
            LimitKind.TYPE,
            gpu_type,
            limit.types[gpu_type],
            held.cards.get(gpu_type, NO_CARD),
            asked.cards[gpu_type],
        )
    counted = (
        (LimitKind.CARDS, limit.cards, total(held.cards.values()), total(asked.cards.values())),
        (LimitKind.MEMORY, limit.memory_mib, held.memory_mib, asked.memory_mib),
        (LimitKind.SLICES, limit.slices, held.slices, asked.slices),
    )
    for kind, most, has, wants in counted:
        if most is not None and wants:
            yield Bound(node, kind, None, Fraction(most), Fraction(has), Fraction(wants))
