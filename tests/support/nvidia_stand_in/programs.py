"""The processes that use CUDA: what they see of the cards, and where their memory lies."""

import itertools
from bisect import bisect_right
from dataclasses import dataclass, field

from sublet_agent.simulated.machine.card import CallerIdentity, Card
from sublet_agent.simulated.protocol.errors import CudaCode, SimulatedGpuError

from tests.support.nvidia_stand_in.behaviours import ComputeMode

MIB = 1024 * 1024
INVALID_VALUE, NOT_INITIALIZED, DEVICE_UNAVAILABLE = 1, 3, 46
NO_DEVICE, INVALID_DEVICE = 100, 101
_FIRST_ADDRESS = 0x7F00_0000_0000
_ALIGNED = 2 * MIB


def code_of(error: SimulatedGpuError) -> int:
    """Return the driver's number: a card that is gone is none, and exclusive use is another's."""
    return NO_DEVICE if error.code is CudaCode.DEVICE_UNAVAILABLE else int(error.code)


@dataclass(frozen=True)
class Allocation:
    """Memory of a program, at its address."""

    base: int
    handle: int
    mib: int


@dataclass
class Program:
    """A process that has called ``cuInit``."""

    visible: list[Card]
    handles: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    next_address: int = _FIRST_ADDRESS
    bases: list[int] = field(default_factory=list)
    allocations: dict[int, Allocation] = field(default_factory=dict)

    def add(self, handle: int, mib: int) -> int:
        """Give memory an address."""
        base = self.next_address
        self.next_address += -(-mib * MIB // _ALIGNED) * _ALIGNED
        self.bases.append(base)
        self.allocations[base] = Allocation(base, handle, mib)
        return base

    def drop(self, base: int) -> None:
        self.bases.remove(base)
        del self.allocations[base]

    def find(self, address: int) -> Allocation:
        """Return what lies at an address. ``SimulatedGpuError`` where nothing does."""
        index = bisect_right(self.bases, address) - 1
        if index >= 0:
            found = self.allocations[self.bases[index]]
            if address < found.base + found.mib * MIB:
                return found
        message = f"nothing lies at {address:#x}"
        raise SimulatedGpuError(message)


Programs = dict[CallerIdentity, Program]
"""Who has called ``cuInit``."""


def visible_cards(cards: list[Card], text: str) -> list[Card]:
    """Return the cards that ``CUDA_VISIBLE_DEVICES`` names, up to the first that is not there."""
    chosen = []
    for name in filter(None, text.split(",")):
        by_name = [c for c in cards if name in {str(c.index), c.gpu_id}]
        if not by_name:
            break
        chosen += by_name
    return chosen


def is_taken(mode: ComputeMode, card: Card, pid: int) -> bool:
    """Whether a card's compute mode keeps a process out."""
    match mode:
        case ComputeMode.PROHIBITED:
            return True
        case ComputeMode.EXCLUSIVE_PROCESS:
            return any(p.pid != pid and p.mib_on(card) for p in card.processes.values())
        case ComputeMode.DEFAULT:
            return False
