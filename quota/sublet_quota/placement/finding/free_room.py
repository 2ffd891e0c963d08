"""Room that nobody has: the best fit for a slice that is borrowed.

The slice's own pool first, then all others that lend, whatever their names; there first a card on
which all fit together, before one where they take turns; of those a card that is laid out for no
guarantee; of those the one that leaves clearly least room unusable for the sizes that people ask
for, as far as that is known; and of those the tightest, so that large slices still find room. Where
it is told what nodes have beside their cards, that is asked of the whole node (``packing``). What
can never be suspended borrows only where all fit together, outside of every layout.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from sublet_quota.admission.slice_admission import Option
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts, GpuRoom
from sublet_quota.holdings.room_index import Entry, RoomIndex
from sublet_quota.names.ids import GpuId, PoolName
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.packing.known_nodes import cards_best_first

_Fit = tuple[bool, int, int, int, int, str, int, GpuId]
"""Laid out, how much more room is unusable, memory that is left, memory room, compute room, node,
index, id: the least is best.
"""
MOST_ROOMS: Final = 256
"""So many different rooms are judged, the tightest: amounts of people's own leave thousands."""


@dataclass(frozen=True, slots=True)
class FreePlace:
    """A card with room for an option."""

    option: Option
    gpu_id: GpuId


def find_free(question: Question, options: tuple[Option, ...]) -> FreePlace | None:
    """Return the best free place of the first payer that finds one, or ``None``."""
    for of_payer in by_payer(options):
        found = _find_for_payer(question, of_payer)
        if found is not None:
            return found
    return None


def by_payer(options: tuple[Option, ...]) -> Iterator[tuple[Option, ...]]:
    """Yield the options of one payer after another, in the order in which they are tried."""
    groups = dict.fromkeys(option.group for option in options)
    for group in groups:
        yield tuple(option for option in options if option.group == group)


def _find_for_payer(question: Question, options: tuple[Option, ...]) -> FreePlace | None:
    reach = {option: question.pools(option) for option in options}
    own = {option: pools[:1] for option, pools in reach.items()}
    others = {option: pools[1:] for option, pools in reach.items()}
    for near in (own, others):
        for shared in (False,) if question.wish.never_suspended else (False, True):
            found = [
                (fit, option)
                for option, pools in near.items()
                for pool in pools
                if (fit := _best(question, option, pool, shared=shared)) is not None
            ]
            if found:
                fit, option = min(found, key=lambda each: each[0])
                return FreePlace(option, fit[-1])
    return None


def _best(question: Question, option: Option, pool: PoolName, *, shared: bool) -> _Fit | None:
    """Return the best card of one pool for an option, or ``None``."""
    holdings, asked = question.holdings, option.asked
    index = question.index(pool, option)
    if index is None or question.is_short_everywhere(option):
        return None
    layout = holdings.layout(asked.gpu_type)
    laid_out: _Fit | None = None
    for more, entry in _best_first(question, option, pool, index, shared=shared):
        is_free = layout.is_free(entry[4])
        if laid_out is not None and not is_free:
            continue
        facts = holdings.gpu(entry[4])
        if facts is None or not question.may_have(facts, option):
            continue
        fit = (not is_free, more, entry[0] - asked.amount.memory_mib, *entry)
        if is_free:
            return fit
        laid_out = fit
    return None if question.wish.never_suspended else laid_out


def _best_first(
    question: Question, option: Option, pool: PoolName, index: RoomIndex, *, shared: bool
) -> Iterator[tuple[int, Entry]]:
    """Yield the cards on which an option fits, with how much more room it leaves unusable."""
    asked, short = option.asked, question.nodes_short_for(option)
    takes = question.takes(asked.amount)
    by_node = cards_best_first(question.holdings, option, pool, takes, shared=shared)
    if by_node is not None:
        yield from (
            (more, entry)
            for more, entry in by_node
            if entry[4] in index.rooms and entry[2] not in short
        )
        return
    unusable = question.unusable_room(asked.kind, asked.gpu_type)
    if unusable is None:
        fitting = index.fitting(asked.amount, shared=shared, not_on=short)
        yield from ((0, entry) for entry in fitting)
        return
    rooms = index.sizes_of_room(asked.amount, shared=shared)
    judged = sorted(
        (unusable.more_by(*room, asked.amount), *room) for room in islice(rooms, MOST_ROOMS)
    )
    # Of further ones the tightest are next: the slice may be on none of those that were judged.
    further = ((unusable.more_by(*room, asked.amount), *room) for room in rooms)
    for more, memory_mib, compute_milli in chain(judged, further):
        room = memory_mib, compute_milli
        there = index.with_room(room, asked.amount, shared=shared, not_on=short)
        yield from ((more, entry) for entry in there)


def _rooms(
    question: Question, option: Option, index: RoomIndex
) -> Iterator[tuple[GpuFacts, GpuRoom]]:
    for gpu_id, room in index.rooms.items():
        facts = question.holdings.gpu(gpu_id)
        if facts is not None and question.may_have(facts, option):
            yield facts, room


def most_free(question: Question, options: tuple[Option, ...], *, alone: bool) -> GpuAmount | None:
    """Return what is free on the card with the most free memory; ``None`` where none is open.

    What is kept for others is not free. ``alone``: where all slices fit together, outside of every
    layout.
    """
    holdings = question.holdings
    # One for each kind, pool, and right to what is kept.
    told = {(one.asked, one.wanted.pool, one.rank, one.group): one for one in options}.values()
    indices = [
        (option, index)
        for option in told
        if (index := holdings.kinds_in(option.wanted.pool).get(option.asked.kind)) is not None
    ]
    if alone or question.looks_at_some_cards(options):
        rooms = [
            room.free(shared=not alone)
            for option, index in indices
            for facts, room in _rooms(question, option, index)
            if not alone or holdings.layout(option.asked.gpu_type).is_free(facts.gpu_id)
        ]
    else:
        rooms = [room for _, index in indices if (room := index.most_room()) is not None]
    return max(rooms, key=lambda free: (free.memory_mib, free.compute_milli), default=None)
