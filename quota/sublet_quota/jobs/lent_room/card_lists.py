"""The cards of one kind by what each lends, apart by who is there: where a job goes first."""

from bisect import bisect_left, insort
from collections.abc import Callable
from itertools import islice
from typing import Final

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.jobs.lent_room.card_company import Company, Owners
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.names.ids import GpuId, NodeId

Entry = tuple[int, NodeId, int, GpuId]
"""What a card lends in MiB, its node, its index there, and its id."""
Turn = tuple[bool, bool, Owners, int, Entry]
"""What the best card for a job has the least of: its company, what is left over, and its entry."""
_MOST_LOOKED_AT: Final = 16
"""So many of the tightest cards with other jobs are looked at for one with compute enough."""


def entry_of(gpu: LendableGpu, room_mib: int) -> Entry:
    """Return a card's entry where it lends so much."""
    return (room_mib, gpu.facts.node, gpu.facts.index, gpu.facts.gpu_id)


class CardLists:
    """Cards of one kind in the order of what they lend, a list for each sort of company."""

    def __init__(self, company_of: Callable[[GpuId], Company]) -> None:
        """``company_of``: who is on a card now."""
        self._company_of = company_of
        self._lists: dict[tuple[Owners, int], list[Entry]] = {}

    def begin_with(self, entry: Entry) -> None:
        """Enter a card before anything is looked for; ``be_in_order`` is due after the last."""
        self._list_of(entry).append(entry)

    def be_in_order(self) -> None:
        """Be ready to be looked through."""
        for entries in self._lists.values():
            entries.sort()

    def put(self, entry: Entry) -> None:
        """Enter a card."""
        insort(self._list_of(entry), entry)

    def take_out(self, entry: Entry) -> None:
        """Take out a card, while its company is what it was entered with."""
        entries = self._list_of(entry)
        del entries[bisect_left(entries, entry)]

    def best(self, need: GpuAmount) -> Turn | None:
        """Return the best card for a job of so much; ``None``: none lends that much."""
        turns: list[Turn] = []
        for entries in self._lists.values():
            place = bisect_left(entries, (need.memory_mib,))
            if place == len(entries):
                continue
            first = entries[place]
            turns.append(self.turn_of(first, need))
            if turns[-1][1] and self._class_of(first)[1] == _SOME:
                fast = (
                    entry
                    for entry in islice(entries, place + 1, place + _MOST_LOOKED_AT)
                    if self._company_of(entry[3]).has_compute(need.compute_milli)
                )
                turns += [self.turn_of(entry, need) for entry in islice(fast, 1)]
        return min(turns, default=None)

    def turn_of(self, entry: Entry, need: GpuAmount) -> Turn:
        """Return how good a card is for a job of so much."""
        company = self._company_of(entry[3]).turn_for(need.compute_milli)
        return (*company, entry[0] - need.memory_mib, entry)

    def most_mib(self) -> int:
        """Return the most that one card lends."""
        return max((entries[-1][0] for entries in self._lists.values() if entries), default=0)

    def _list_of(self, entry: Entry) -> list[Entry]:
        return self._lists.setdefault(self._class_of(entry), [])

    def _class_of(self, entry: Entry) -> tuple[Owners, int]:
        company = self._company_of(entry[3])
        if company.jobs_milli == 0:
            return company.owners, _ALL
        return company.owners, _SOME if company.jobs_milli < WHOLE_GPU_MILLI else _NONE


_ALL: Final = 0
_SOME: Final = 1
_NONE: Final = 2
"""How much of a card's compute other jobs leave."""
