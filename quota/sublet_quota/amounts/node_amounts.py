"""Exact amounts of a node beside its GPUs: CPU in thousandths of one, memory in MiB.

What is not known of a node bounds nothing.
"""

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final, Self

from sublet_quota.errors import AmountError


@unique
class NodePart(Enum):
    """What of a node may be too little."""

    CPU = "cpu"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class NodeAmount:
    """What a slice's server or job takes of its node beside a GPU, both whole and not negative."""

    cpu_milli: int = 0
    memory_mib: int = 0

    def __post_init__(self) -> None:
        """Refuse what is negative."""
        if self.cpu_milli < 0 or self.memory_mib < 0:
            message = f"{self.cpu_milli} mCPU, {self.memory_mib} MiB: give zero or more of both"
            raise AmountError(message)

    def __add__(self, other: Self) -> "NodeAmount":
        """Return both parts added."""
        return NodeAmount(self.cpu_milli + other.cpu_milli, self.memory_mib + other.memory_mib)

    def __sub__(self, other: Self) -> "NodeAmount":
        """Return both parts subtracted; ``AmountError`` where a part would be negative."""
        return NodeAmount(self.cpu_milli - other.cpu_milli, self.memory_mib - other.memory_mib)


NOTHING_OF_NODE: Final = NodeAmount()
_WHOLE_CAP: Final = 1000


@dataclass(frozen=True, slots=True)
class NodeNeed:
    """What a server asks of its node, before it is known how large its slice is there."""

    amount: NodeAmount = NOTHING_OF_NODE
    of_cap_milli: int = 0
    """How much memory more for each MiB of the slice's cap, in thousandths: where that lies, once
    the slice is suspended, is the server's own memory.
    """

    def __post_init__(self) -> None:
        """Refuse what is negative."""
        if self.of_cap_milli < 0:
            message = f"{self.of_cap_milli} thousandths of a slice's cap: give zero or more"
            raise AmountError(message)

    def with_cap(self, memory_mib: int) -> NodeAmount:
        """Return what is taken beside a slice of so much GPU memory, never too little."""
        if not self.of_cap_milli:
            return self.amount
        more_mib = -(-memory_mib * self.of_cap_milli // _WHOLE_CAP)
        return NodeAmount(self.amount.cpu_milli, self.amount.memory_mib + more_mib)


NEEDS_NOTHING: Final = NodeNeed()


@dataclass(frozen=True, slots=True)
class NodeRoom:
    """What a node has, or what is left of it; below zero where more is taken; ``None``: unknown."""

    cpu_milli: int | None = None
    memory_mib: int | None = None

    def less(self, taken: NodeAmount) -> "NodeRoom":
        """Return what is left where so much is taken."""
        return NodeRoom(
            None if self.cpu_milli is None else self.cpu_milli - taken.cpu_milli,
            None if self.memory_mib is None else self.memory_mib - taken.memory_mib,
        )

    def lacks(self, amount: NodeAmount) -> NodePart | None:
        """Return what is too little for an amount; ``None``: nothing, as far as it is known.

        Who takes nothing of a part lacks none of it, however much others have taken.
        """
        cpu, memory = amount.cpu_milli, amount.memory_mib
        if cpu and self.cpu_milli is not None and self.cpu_milli < cpu:
            return NodePart.CPU
        if memory and self.memory_mib is not None and self.memory_mib < memory:
            return NodePart.MEMORY
        return None


UNKNOWN_ROOM: Final = NodeRoom()
