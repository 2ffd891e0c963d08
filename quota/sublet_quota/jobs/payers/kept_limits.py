"""What is kept below limits for jobs that wait, so that small jobs never starve a large one.

A job that finds a limit full keeps what comes free there: nobody behind takes it, as nobody takes a
card that is kept for a job (``lendable_room``). What is within a guarantee leaves nothing to others
that are not: these keep nothing from it.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from fractions import Fraction

from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import LimitKind

Part = tuple[NodeName, LimitKind, str | None]
"""One part of a group's limit, or of a person's: of cards, of a type, of memory, of slices."""


@dataclass(slots=True)
class KeptLimits:
    """What jobs before keep, by parts of limits."""

    _for_all: dict[Part, Fraction] = field(default_factory=dict)
    _by_right: dict[Part, Fraction] = field(default_factory=dict)
    """What of that jobs keep which are within a guarantee."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept."""
        return not self._for_all

    def add(self, part: Part, amount: Fraction, *, by_right: bool) -> None:
        """Keep so much more of a part."""
        for kept in self._those_of(by_right=by_right):
            kept[part] = kept.get(part, NO_CARD) + amount

    def add_first(self, part: Part, amount: Fraction, *, by_right: bool) -> None:
        """Keep a part that is full, unless some of it is kept already."""
        if any(part not in kept for kept in self._those_of(by_right=by_right)):
            self.add(part, amount, by_right=by_right)

    def has(self, part: Part, *, by_right: bool) -> bool:
        """Whether something of a part is kept."""
        return part in (self._by_right if by_right else self._for_all)

    def leaves(self, part: Part, room: Fraction, *, by_right: bool) -> Fraction:
        """Return what of the room in a part is left for a job behind."""
        kept = self._by_right if by_right else self._for_all
        return room - kept.get(part, NO_CARD)

    def _those_of(self, *, by_right: bool) -> tuple[MutableMapping[Part, Fraction], ...]:
        return (self._for_all, self._by_right) if by_right else (self._for_all,)
