"""How much of a node's free cards is lost to those who ask, and what a request would change of it.

Two things are added up. Room that is *unusable*: for each thing that is asked for, as often as it
is, the free room on cards where it does not fit, or all of it where the node has too few such
cards, or too little CPU or memory for one more (FGD: Weng et al., USENIX ATC'23). And room that is
*short*: what stays free when all CPU, or all memory, is taken by requests that take about as much
for a card as people do on the average. FGD sees whether the next request fits, and not that the CPU
of a node is gone long before its cards are: it puts requests without a card, and those with much
CPU, on nodes that then keep cards which nobody can use.

What is lost is in millionths of a card, times what all that is asked for weighs. Node amounts of
which nothing is known are ``ENDLESS``. What is found is remembered: the same rooms come again and
again.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import mul
from typing import Final, NamedTuple

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.placement.packing.asked_mix import AskedMix

Room = tuple[int, int]
"""What is free on one card: memory in MiB, compute in milli-GPU."""
ENDLESS: Final = 1 << 62
WEIGHT_OF_SHORT: Final = 3
"""So many times room counts that is short. Without it half a hundredth less is handed out; twice to
ten times are alike (``tests/benchmarks/packing.py``).
"""
PERCENT_OF_NEED: Final = 95
"""Of the average need that must be there: with all of it nodes of eight cards, which have about as
much as people take, counted as short too soon, and more requests for eight cards were refused.
"""
_MOST_KNOWN: Final = 1 << 15
"""The free cards of so many nodes that differ are remembered."""
MOST_CHOICES: Final = 256
"""Of so many requests that differ it is remembered how free cards may serve each."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to put a request on a node."""

    taken: tuple[Room, ...]
    """The rooms of the cards that it takes from."""
    after: "FreeCards"
    memory_mib: int
    """Of all that it takes from, before it does."""
    compute_milli: int


@dataclass(slots=True, eq=False)
class FreeCards:
    """The free rooms of the cards of a node, the least first, and what is known of them."""

    rooms: tuple[Room, ...]
    total: int
    """All room, in millionths of a card."""
    usable: tuple[int, ...]
    """The part of it that is on cards which serve each demand, in the order of the demands; none
    where each asks for one card.
    """
    unusable: dict[int, int] = field(default_factory=dict)
    """What nobody can use, by how much the node has beside its cards (``Beside.rank``)."""
    choices: dict[tuple[int, int, int], tuple[Choice, ...]] = field(default_factory=dict)
    """In which ways a request may have cards, by memory and compute of each, and how many."""


class Beside(NamedTuple):
    """What is left of a node beside its cards, as far as it matters."""

    rank: int
    """Alike where the same requests find enough."""
    for_cards: tuple[int, ...]
    """For how many millionths of a card the CPU, and the memory, are enough on the average."""


class NodeWorth:
    """What nodes with cards of one kind are worth to those who ask."""

    def __init__(self, mix: AskedMix) -> None:
        self._mix = mix
        weighed = mix.weights()
        self.weight = sum(weight for _, weight in weighed)
        """What all that is asked for weighs."""
        on_cards = [
            ((want.amount.memory_mib, want.amount.compute_milli, want.gpus), want.takes, weight)
            for want, weight in weighed
            if want.amount is not None and want.gpus
        ]
        self._demands = sorted({demand for demand, _, _ in on_cards})
        places = {demand: place for place, demand in enumerate(self._demands)}
        self._askers = [
            (takes.cpu_milli, takes.memory_mib, weight, places[demand])
            for demand, takes, weight in on_cards
        ]
        self._cpu_steps = sorted({cpu for cpu, _, _, _ in self._askers})
        self._memory_steps = sorted({memory for _, memory, _, _ in self._askers})
        cards = sum(
            weight * gpus * mix.part_of_card(memory_mib, compute_milli)
            for (memory_mib, compute_milli, gpus), _, weight in on_cards
        )
        self._enough_for = cards * 100 // PERCENT_OF_NEED
        self._cpu = sum(cpu * weight for cpu, _, weight, _ in self._askers)
        self._memory = sum(memory * weight for _, memory, weight, _ in self._askers)
        self._short_weight = WEIGHT_OF_SHORT * self.weight
        self._besides: dict[tuple[int, int], Beside] = {}
        self._fitting: dict[int, tuple[int, ...]] = {}
        """What those weigh, of each demand, for whom a node has enough, by its rank."""
        self._known: dict[tuple[Room, ...], FreeCards] = {}
        self.each_alone = all(gpus == 1 for _, _, gpus in self._demands)
        """Whether all ask for one card: then what is lost of cards is added up card by card."""
        self._parts: dict[Room, int] = {}
        self._wasted: dict[tuple[Room, int], int] = {}
        """What nobody can use of a card with so much room, by the rank of its node."""

    def cards(self, rooms: tuple[Room, ...]) -> FreeCards:
        """Return free cards with these rooms, in any order; none is below zero."""
        rooms = tuple(sorted(rooms))
        known = self._known.get(rooms)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._forget()
            known = self._known[rooms] = self._found(rooms)
        return known

    def beside(self, cpu_milli: int, memory_mib: int) -> Beside:
        """Return what a node has where so much is left of it, less than nothing among it."""
        known = self._besides.get((cpu_milli, memory_mib))
        if known is None:
            if len(self._besides) >= _MOST_KNOWN:
                self._besides.clear()
            known = self._besides[cpu_milli, memory_mib] = self._found_beside(cpu_milli, memory_mib)
        return known

    def lost(self, cards: FreeCards, beside: Beside) -> int:
        """Return how much is lost of free cards on a node that has so much beside them."""
        lost = cards.unusable.get(beside.rank)
        if lost is None:
            lost = cards.unusable[beside.rank] = self._unusable(cards, beside.rank)
        total = cards.total
        for enough in beside.for_cards:
            if enough < total:
                lost += self._short_weight * (total - enough)
        return lost

    def lost_by_one(
        self, amount: GpuAmount, cards: FreeCards, beside: Beside
    ) -> Iterator[tuple[int, Room]]:
        """Yield what is lost once a request has one card, and its room, as ``choices`` has them.

        Where all ask for one card (``each_alone``); ``beside`` is what is left of the node then.
        """
        memory_mib, compute_milli = amount.memory_mib, amount.compute_milli
        rank, total = beside.rank, cards.total
        unusable = cards.unusable.get(rank)
        if unusable is None:
            unusable = cards.unusable[rank] = self._unusable(cards, rank)
        for room in dict.fromkeys(cards.rooms):
            if room[0] < memory_mib or room[1] < compute_milli:
                continue
            after = room[0] - memory_mib, room[1] - compute_milli
            lost = unusable - self._wasted_of(room, rank) + self._wasted_of(after, rank)
            left = total - self._part(room) + self._part(after)
            for enough in beside.for_cards:
                if enough < left:
                    lost += self._short_weight * (left - enough)
            yield lost, room

    def choices(self, amount: GpuAmount | None, gpus: int, cards: FreeCards) -> tuple[Choice, ...]:
        """Return the ways in which a request may have cards of a node; none: it does not fit.

        One card: each that differs. Several: the tightest. No card: one way, that takes none.
        """
        if not gpus:
            return (Choice((), cards, 0, 0),)
        if amount is None:
            return ()
        key = amount.memory_mib, amount.compute_milli, gpus
        known = cards.choices.get(key)
        if known is None:
            known = tuple(self._ways(*key, cards))
            # People's own amounts are thousands.
            if len(cards.choices) >= MOST_CHOICES:
                cards.choices.clear()
            cards.choices[key] = known
        return known

    def _forget(self) -> None:
        """Forget all free cards, also what those that a node still has lead to."""
        for cards in self._known.values():
            cards.choices.clear()
        self._known.clear()

    def _ways(
        self, memory_mib: int, compute_milli: int, gpus: int, cards: FreeCards
    ) -> Iterator[Choice]:
        rooms = cards.rooms
        fitting = [
            n for n, room in enumerate(rooms) if room[0] >= memory_mib and room[1] >= compute_milli
        ]
        if len(fitting) < gpus:
            return
        if gpus > 1:
            ways = [fitting[:gpus]]
        else:
            ways = [[n] for n in {rooms[n]: n for n in fitting}.values()]
        for places in ways:
            taken, after = tuple(rooms[n] for n in places), list(rooms)
            for n in places:
                after[n] = rooms[n][0] - memory_mib, rooms[n][1] - compute_milli
            sums = sum(room[0] for room in taken), sum(room[1] for room in taken)
            yield Choice(taken, self.cards(tuple(after)), *sums)

    def _found(self, rooms: tuple[Room, ...]) -> FreeCards:
        parts = [self._part(room) for room in rooms]
        if self.each_alone:
            return FreeCards(rooms, sum(parts), ())
        usable = []
        for memory_mib, compute_milli, gpus in self._demands:
            serving = [
                part
                for room, part in zip(rooms, parts, strict=True)
                if room[0] >= memory_mib and room[1] >= compute_milli
            ]
            usable.append(sum(serving) if len(serving) >= gpus else 0)
        return FreeCards(rooms, sum(parts), tuple(usable))

    def _found_beside(self, cpu_milli: int, memory_mib: int) -> Beside:
        rank = bisect_right(self._cpu_steps, cpu_milli) * (len(self._memory_steps) + 1)
        rank += bisect_right(self._memory_steps, memory_mib)
        for_cards = []
        if self._cpu:
            for_cards.append(max(0, cpu_milli) * self._enough_for // self._cpu)
        if self._memory:
            for_cards.append(max(0, memory_mib) * self._enough_for // self._memory)
        return Beside(rank, tuple(for_cards))

    def _part(self, room: Room) -> int:
        known = self._parts.get(room)
        if known is None:
            if len(self._parts) >= _MOST_KNOWN:
                self._parts.clear()
            known = self._parts[room] = self._mix.part_of_card(*room)
        return known

    def _wasted_of(self, room: Room, rank: int) -> int:
        """Return what nobody can use of one card, where each asks for one."""
        known = self._wasted.get((room, rank))
        if known is None:
            if len(self._wasted) >= _MOST_KNOWN:
                self._wasted.clear()
            of_use = sum(
                weight
                for weight, (memory_mib, compute_milli, _) in zip(
                    self._fitting_on(rank), self._demands, strict=True
                )
                if room[0] >= memory_mib and room[1] >= compute_milli
            )
            known = self._wasted[room, rank] = self._part(room) * (self.weight - of_use)
        return known

    def _unusable(self, cards: FreeCards, rank: int) -> int:
        if self.each_alone:
            return sum(self._wasted_of(room, rank) for room in cards.rooms)
        of_use: int = sum(map(mul, self._fitting_on(rank), cards.usable))
        return cards.total * self.weight - of_use

    def _fitting_on(self, rank: int) -> tuple[int, ...]:
        fitting = self._fitting.get(rank)
        if fitting is None:
            fitting = self._fitting[rank] = self._who_fits(rank)
        return fitting

    def _who_fits(self, rank: int) -> tuple[int, ...]:
        cpu_rank, memory_rank = divmod(rank, len(self._memory_steps) + 1)
        cpu = self._cpu_steps[cpu_rank - 1] if cpu_rank else -1
        memory = self._memory_steps[memory_rank - 1] if memory_rank else -1
        sums = [0] * len(self._demands)
        for cpu_milli, memory_mib, weight, place in self._askers:
            if cpu_milli <= cpu and memory_mib <= memory:
                sums[place] += weight
        return tuple(sums)
