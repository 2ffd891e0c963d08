"""What people ask for, on cards of one kind: how much of a card, how many cards, what of the node.

A request for several cards at once weighs as many times: who is refused it is refused as many
cards.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.amounts.node_amounts import NOTHING_OF_NODE, NodeAmount

CARD = 1_000_000
"""Into so many parts a card is cut here: whole numbers are compared quickly."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a request needs, all on one node."""

    amount: GpuAmount | None
    """Of each card; ``None``: there is no such card among these."""
    gpus: int = 1
    """On how many cards of one node; 0: none, it takes of the node alone."""
    takes: NodeAmount = NOTHING_OF_NODE


@dataclass(frozen=True, slots=True)
class AskedMix:
    """How often each thing is asked for, as it would be on cards of one kind."""

    usable_mib: int
    """The memory of a card that slices may fill, more than nothing."""
    asked: tuple[tuple[Want, int], ...]

    @classmethod
    def on(cls, kind: GpuKind, asked: Iterable[tuple[Want, int]]) -> "AskedMix | None":
        """Return a mix; ``None`` where nothing is asked for, or a card has nothing to give."""
        found = tuple((want, often) for want, often in asked if often > 0)
        return cls(kind.usable_mib, found) if found and kind.usable_mib else None

    def part_of_card(self, memory_mib: int, compute_milli: int) -> int:
        """Return how much of a card a room is, in millionths: its larger part."""
        return max(
            max(0, memory_mib) * CARD // self.usable_mib,
            max(0, compute_milli) * CARD // WHOLE_GPU_MILLI,
        )

    def weights(self) -> tuple[tuple[Want, int], ...]:
        """Return what each thing weighs."""
        return tuple((want, often * max(1, want.gpus)) for want, often in self.asked)
