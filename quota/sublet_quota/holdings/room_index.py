"""The GPUs of one kind in one pool, kept in the order of their room."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts, GpuRoom
from sublet_quota.names.ids import GpuId, NodeId

Entry = tuple[int, int, str, int, GpuId]
"""Memory room, compute room, node, index, id: the best fit is the first that is large enough."""
NO_NODES: Final[AbstractSet[NodeId]] = frozenset()


@dataclass(slots=True)
class RoomIndex:
    """The GPUs by their room: the best fit is found without looking at every one."""

    rooms: dict[GpuId, GpuRoom] = field(default_factory=dict)
    """The room of each GPU that is open."""
    closed: dict[GpuId, str] = field(default_factory=dict)
    """The closed GPUs, and why each is."""
    _by_id: dict[GpuId, Entry] = field(default_factory=dict)
    """The entry of each among ``_shared``."""
    _alone: list[Entry] = field(default_factory=list)
    _shared: list[Entry] = field(default_factory=list)

    def put(self, facts: GpuFacts, room: GpuRoom) -> None:
        """Enter a GPU that is not there yet."""
        if facts.closed is not None:
            self.closed[facts.gpu_id] = facts.closed
            return
        self.rooms[facts.gpu_id] = room
        insort(self._alone, _entry(facts, room.alone_mib, room.alone_milli))
        self._by_id[facts.gpu_id] = _entry(facts, room.shared_mib, room.shared_milli)
        insort(self._shared, self._by_id[facts.gpu_id])

    def take_out(self, facts: GpuFacts) -> None:
        """Take a GPU out, with the facts it was entered with."""
        if facts.closed is not None:
            del self.closed[facts.gpu_id]
            return
        room = self.rooms.pop(facts.gpu_id)
        for entries, entry in (
            (self._alone, _entry(facts, room.alone_mib, room.alone_milli)),
            (self._shared, self._by_id.pop(facts.gpu_id)),
        ):
            del entries[bisect_left(entries, entry)]

    def on_cards(self, gpu_ids: Iterable[GpuId]) -> "RoomIndex":
        """Return an index of these alone, as far as they are open here, as they are now."""
        by_id = {gpu_id: self._by_id[gpu_id] for gpu_id in gpu_ids if gpu_id in self._by_id}
        rooms = {gpu_id: self.rooms[gpu_id] for gpu_id in by_id}
        alone = (
            (rooms[one[4]].alone_mib, rooms[one[4]].alone_milli, *one[2:]) for one in by_id.values()
        )
        return RoomIndex(rooms, {}, by_id, sorted(alone), sorted(by_id.values()))

    def is_empty(self) -> bool:
        """Whether no GPU is left, open or closed."""
        return not self.rooms and not self.closed

    def by_room(
        self, among: Iterable[GpuId] | None = None, not_on: AbstractSet[NodeId] = NO_NODES
    ) -> Iterator[GpuId]:
        """Yield the open GPUs, those with the most memory room under the overcommit first.

        ``among``: these alone, as far as they are here, each once. ``not_on``: on other nodes.
        """
        if among is None:
            return (entry[4] for entry in reversed(self._shared) if entry[2] not in not_on)
        here = (self._by_id[gpu_id] for gpu_id in among if gpu_id in self._by_id)
        found = sorted((entry for entry in here if entry[2] not in not_on), reverse=True)
        return (entry[4] for entry in found)

    def most_room(self) -> GpuAmount | None:
        """Return what is free on the GPU with the most room; ``None`` where none is open."""
        if not self._shared:
            return None
        memory_mib, compute_milli, _, _, gpu_id = self._shared[-1]
        largest = min(memory_mib, self.rooms[gpu_id].largest_mib)
        return GpuAmount(max(0, largest), max(0, compute_milli))

    def fitting(
        self, amount: GpuAmount, *, shared: bool, not_on: AbstractSet[NodeId] = NO_NODES
    ) -> Iterator[Entry]:
        """Yield the GPUs with room, the tightest first; ``shared``: under the overcommit.

        ``not_on``: on other nodes.
        """
        entries = self._shared if shared else self._alone
        memory_mib, compute_milli, rooms = amount.memory_mib, amount.compute_milli, self.rooms
        begin = bisect_left(entries, (memory_mib,))
        for entry in islice(entries, begin, None):
            if (
                entry[1] >= compute_milli
                and entry[2] not in not_on
                and rooms[entry[4]].largest_mib >= memory_mib
            ):
                yield entry

    def sizes_of_room(self, amount: GpuAmount, *, shared: bool) -> Iterator[tuple[int, int]]:
        """Yield the different rooms in which an amount fits, memory and compute, tightest first.

        Many GPUs have the same room: who judges rooms looks at each once.
        """
        entries = self._shared if shared else self._alone
        place = bisect_left(entries, (amount.memory_mib,))
        while place < len(entries):
            memory_mib, compute_milli = entries[place][:2]
            if compute_milli >= amount.compute_milli:
                yield memory_mib, compute_milli
            place = bisect_left(entries, (memory_mib, compute_milli + 1), place)

    def with_room(
        self,
        room: tuple[int, int],
        amount: GpuAmount,
        *,
        shared: bool,
        not_on: AbstractSet[NodeId] = NO_NODES,
    ) -> Iterator[Entry]:
        """Yield the GPUs with exactly this room on which one slice may have so much.

        ``not_on``: on other nodes.
        """
        entries, rooms = self._shared if shared else self._alone, self.rooms
        for entry in islice(entries, bisect_left(entries, room), None):
            if entry[:2] != room:
                return
            if entry[2] not in not_on and rooms[entry[4]].largest_mib >= amount.memory_mib:
                yield entry


def _entry(facts: GpuFacts, memory_mib: int, compute_milli: int) -> Entry:
    return (memory_mib, compute_milli, facts.node, facts.index, facts.gpu_id)
