"""The real bytes behind one simulated card, handed out in pieces.

A card has virtual memory, so a buffer may lie in several pieces: only the sum of free memory
decides whether an allocation fits. Whoever gives memory back leaves its bytes there; whoever takes
memory finds them scrambled, so nobody ever reads a former owner's bytes, but where it was asked for
that hazard.
"""

import mmap
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sublet_agent.simulated.protocol.errors import CudaCode, SimulatedGpuError

_SCRAMBLED: Final = bytes((131 * place + 89) % 256 for place in range(65536))


@dataclass(frozen=True, slots=True)
class Extent:
    """A piece of a card's memory, in MiB."""

    start_mib: int
    length_mib: int


def scramble(view: memoryview) -> None:
    """Overwrite bytes with a pattern that nobody wrote."""
    for start in range(0, len(view), len(_SCRAMBLED)):
        piece = view[start : start + len(_SCRAMBLED)]
        piece[:] = _SCRAMBLED[: len(piece)]


class Place:
    """The pieces of a card's memory that one buffer lies in, seen as one run of bytes."""

    def __init__(self, store: "CardStore", extents: tuple[Extent, ...]) -> None:
        self.store: Final = store
        self.extents: Final = extents
        self._starts: Final[list[int]] = []
        total = 0
        for extent in extents:
            self._starts.append(total)
            total += extent.length_mib * store.bytes_per_mib
        self.length: Final = total

    def views(self, offset: int, length: int) -> Iterator[memoryview]:
        """Yield the real memory of ``length`` bytes from ``offset``, piece by piece."""
        end = offset + length
        index = bisect_right(self._starts, offset) - 1
        while offset < end:
            extent = self.extents[index]
            inside = offset - self._starts[index]
            taken = min(end - offset, extent.length_mib * self.store.bytes_per_mib - inside)
            start = extent.start_mib * self.store.bytes_per_mib + inside
            yield self.store.memory[start : start + taken]
            offset += taken
            index += 1


class CardStore:
    """All of a card's memory: ``bytes_per_mib`` real bytes for each simulated MiB."""

    def __init__(self, total_mib: int, bytes_per_mib: int) -> None:
        if total_mib < 1 or bytes_per_mib < 1:
            message = f"a card of {total_mib} MiB with {bytes_per_mib} bytes each has no memory"
            raise SimulatedGpuError(message, CudaCode.INVALID_VALUE)
        self.total_mib: Final = total_mib
        self.bytes_per_mib: Final = bytes_per_mib
        self.memory: Final = memoryview(mmap.mmap(-1, total_mib * bytes_per_mib))
        self._free: list[Extent] = [Extent(0, total_mib)]
        self.free_mib = total_mib
        self.scrubs = True
        """Whether nobody finds what others left there."""

    def take(self, mib: int) -> Place | None:
        """Return a place with so much memory; ``None`` where there is not enough."""
        if mib > self.free_mib:
            return None
        taken: list[Extent] = []
        missing = mib
        while missing:
            piece = self._free.pop()
            if piece.length_mib > missing:
                rest = piece.length_mib - missing
                self._free.append(Extent(piece.start_mib, rest))
                piece = Extent(piece.start_mib + rest, missing)
            taken.append(piece)
            missing -= piece.length_mib
        self.free_mib -= mib
        return Place(self, tuple(taken))

    def give_back(self, place: Place) -> None:
        """Free a place that was taken; neighbouring pieces are joined again."""
        self.free_mib += sum(extent.length_mib for extent in place.extents)
        joined: list[Extent] = []
        for extent in sorted([*self._free, *place.extents], key=lambda each: each.start_mib):
            if joined and joined[-1].start_mib + joined[-1].length_mib == extent.start_mib:
                joined[-1] = Extent(joined[-1].start_mib, joined[-1].length_mib + extent.length_mib)
            else:
                joined.append(extent)
        self._free = joined
