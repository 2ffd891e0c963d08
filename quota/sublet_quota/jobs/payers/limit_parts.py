"""The parts of a limit (cards of a type, all cards, memory, slices) as so much more meets them.

What is held back counts where it waits for room, and only there.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import floor
from typing import Final, NamedTuple

from sublet_quota.jobs.payers.kept_limits import KeptLimits, Part
from sublet_quota.jobs.payers.known_limits import Level
from sublet_quota.jobs.payers.limit_rooms import LimitRoom, ratio
from sublet_quota.shares.cards import NO_CARD, total
from sublet_quota.shares.limits import Amounts, Bound, LimitKind, bounds

NOTHING: Final = Amounts()


class Held(NamedTuple):
    """What counts in one limit."""

    runs: Amounts
    """What slices have, and jobs that are not held back."""
    held_back: Amounts


NOTHING_HELD: Final = Held(NOTHING, NOTHING)


def room_of(level: Level, held: Held, kept: KeptLimits) -> LimitRoom:
    """Return what a limit leaves beside what counts in it, less what is kept for others.

    A job that is held back counts where it waits for room.
    """
    limit, runs, away = level.limit, held.runs, held.held_back
    is_exact = True

    def left(kind: LimitKind, gpu_type: str | None, room: Fraction, away: Fraction) -> Fraction:
        nonlocal is_exact
        if away and room < away:
            is_exact, room = False, room - away
        return kept.leaves((level.node, kind, gpu_type), room, by_right=level.by_right)

    types = {}
    for name, most in limit.types.items():
        has, waits = runs.cards.get(name, NO_CARD), away.cards.get(name, NO_CARD)
        types[name] = ratio(left(LimitKind.TYPE, name, most - has, waits))
    cards = memory_mib = slices = None
    if limit.cards is not None:
        room = limit.cards - total(runs.cards.values())
        cards = ratio(left(LimitKind.CARDS, None, room, total(away.cards.values())))
    if limit.memory_mib is not None:
        room = Fraction(limit.memory_mib - runs.memory_mib)
        memory_mib = floor(left(LimitKind.MEMORY, None, room, Fraction(away.memory_mib)))
    if limit.slices is not None:
        room = Fraction(limit.slices - runs.slices)
        slices = floor(left(LimitKind.SLICES, None, room, Fraction(away.slices)))
    return LimitRoom(types, cards, memory_mib, slices, is_exact=is_exact)


def bounds_of(level: Level, held: Held, asked: Amounts) -> Iterator[Bound]:
    """Yield the parts of a limit; a job that is held back counts where it waits for room."""
    node = level.node
    met = bounds({node: level.limit}, {node: held.runs}, (node,), asked)
    if not held.held_back.slices:
        yield from met
        return
    every = bounds({node: level.limit}, {node: held.runs + held.held_back}, (node,), asked)
    with_all = {(bound.kind, bound.gpu_type): bound for bound in every}
    for bound in met:
        waits = with_all[bound.kind, bound.gpu_type]
        yield waits if waits.room < 0 else bound


def passed_bounds(level: Level, held: Held, asked: Amounts) -> Iterator[Bound]:
    """Yield those of these parts that so much more passes, by what they count."""
    limit, runs, away = level.limit, held.runs, held.held_back
    for gpu_type in asked.cards.keys() & limit.types.keys():
        has, waits = runs.cards.get(gpu_type, NO_CARD), away.cards.get(gpu_type, NO_CARD)
        told = limit.types[gpu_type], has, waits, asked.cards[gpu_type]
        yield from _bound_if_passed(level, LimitKind.TYPE, gpu_type, told)
    if limit.cards is not None:
        cards = (total(each.cards.values()) for each in (runs, away, asked))
        yield from _bound_if_passed(level, LimitKind.CARDS, None, (limit.cards, *cards))
    if limit.memory_mib is not None:
        memory_mib = (each.memory_mib for each in (runs, away, asked))
        yield from _bound_if_passed(level, LimitKind.MEMORY, None, (limit.memory_mib, *memory_mib))
    if limit.slices is not None:
        slices = (each.slices for each in (runs, away, asked))
        yield from _bound_if_passed(level, LimitKind.SLICES, None, (limit.slices, *slices))


def _bound_if_passed(
    level: Level, kind: LimitKind, gpu_type: str | None, told: tuple[Fraction | int, ...]
) -> Iterator[Bound]:
    """Yield one part: ``told`` are the most, what runs, what is held back, and what is asked."""
    most, has, waits, asked = told
    if most - has < waits:
        has += waits
    if asked and asked > most - has:
        counted = Fraction(most), Fraction(has), Fraction(asked)
        yield Bound(level.node, kind, gpu_type, *counted)


def asked_parts(level: Level, asked: Amounts) -> Iterator[tuple[Part, Fraction]]:
    """Yield the parts of a limit in which so much counts, each with how much, in no order."""
    limit, node = level.limit, level.node
    for gpu_type in asked.cards.keys() & limit.types.keys():
        if asked.cards[gpu_type]:
            yield (node, LimitKind.TYPE, gpu_type), asked.cards[gpu_type]
    if limit.cards is not None and (cards := total(asked.cards.values())):
        yield (node, LimitKind.CARDS, None), cards
    if limit.memory_mib is not None and asked.memory_mib:
        yield (node, LimitKind.MEMORY, None), Fraction(asked.memory_mib)
    if limit.slices is not None and asked.slices:
        yield (node, LimitKind.SLICES, None), Fraction(asked.slices)


def part_of(level: Level, bound: Bound) -> Part:
    """Return which part of whose limit a bound is, as what is kept is counted."""
    return level.node, bound.kind, bound.gpu_type
