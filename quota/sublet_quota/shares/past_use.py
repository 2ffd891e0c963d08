"""Past use of cards, worn off by age: what decides whose turn it is.

A second on a card counts by the part of the card and by the type's rate, and half after each
half-life. What was lent, paused or suspended of it does not count; a failed attempt does, unless
its card or node failed. At admission an estimate is charged, so that many requests at once gain
nothing; then what the use was takes its place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import exp2, inf, log

from sublet_quota.shares.group_tree import GroupTree, NodeName

NO_TIME = timedelta()


@dataclass(frozen=True, slots=True)
class Span:
    """A time; ``ended`` is ``None`` while it lasts."""

    began: datetime
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class CardUse:
    """A slice, or one attempt of a job, on a card."""

    cards: Fraction
    rate: Fraction
    """What a card of the type counts, beside other types."""
    span: Span
    off: tuple[Span, ...] = ()
    """The times in which it was lent, paused or suspended; none overlaps another."""
    estimate: timedelta = NO_TIME
    """How long it was thought to last when it was admitted; counts until it has ended."""
    hardware_failed: bool = False
    """Whether the attempt came to nothing because its card or node failed: nothing counts."""


@dataclass(frozen=True, slots=True)
class WrittenOff:
    """Use that counts no longer, as it was more than its siblings may lag behind."""

    node: NodeName
    amount: float
    at: datetime


def worn_off_s(began_ago: timedelta, ended_ago: timedelta, half_life: timedelta) -> float:
    """Return the seconds between two ages, each at its worth: the integral in closed form."""
    if began_ago <= ended_ago:
        return 0.0
    worth = exp2(-(ended_ago / half_life)) - exp2(-(began_ago / half_life))
    return worth * half_life.total_seconds() / log(2)


def use_of(use: CardUse, now: datetime, half_life: timedelta) -> float:
    """Return what a use counts now, in seconds of a card of rate 1."""
    if use.hardware_failed:
        return 0.0

    def counted(span: Span) -> float:
        ended = now if span.ended is None else min(span.ended, now)
        return worn_off_s(now - span.began, now - ended, half_life)

    seconds = counted(use.span) - sum(counted(span) for span in use.off)
    if use.span.ended is None:
        seconds = max(seconds, worn_off_s(use.estimate, NO_TIME, half_life))
    (cards, of), (rate, of_rate) = use.cards.as_integer_ratio(), use.rate.as_integer_ratio()
    # As the product of fractions is rounded, without one for each use.
    return cards * rate / (of * of_rate) * seconds


def past_use(
    tree: GroupTree,
    uses: Iterable[tuple[NodeName, CardUse]],
    now: datetime,
    half_life: timedelta,
    written_off: Iterable[WrittenOff] = (),
) -> dict[NodeName, float]:
    """Return what each node used: the uses of leaves, for all above them, too.

    What was written off is less for the node itself alone: only its siblings are concerned.
    """
    used = dict.fromkeys(tree.nodes, 0.0)
    for leaf, use in uses:
        counted = use_of(use, now, half_life)
        for name in tree.paths[leaf]:
            used[name] += counted
    for each in written_off:
        used[each.node] -= each.amount * exp2(-((now - each.at) / half_life))
    return used


def per_weight(used: float, weight: int) -> float:
    """Return a use as siblings compare it; weight 0 has always used more than any other."""
    return used / weight if weight else inf


def lag_written_off(
    siblings: Mapping[NodeName, int],
    used: Mapping[NodeName, float],
    full_use: float,
    now: datetime,
) -> tuple[WrittenOff, ...]:
    """Return what of each sibling's use is written off, so that nobody waits longer than allowed.

    ``siblings`` are those who ask for room now, with their weights. ``full_use`` is what all cards
    that they share count in ``most_lag``: with so much all others have caught up with whoever used
    most. What is written off is gone for good, and wears off like use: keep it for ``past_use``.
    """
    rising = sorted(
        (per_weight(used[name], weight), weight, used[name])
        for name, weight in siblings.items()
        if weight
    )
    most, below, weights = inf, 0.0, 0
    for level, weight, amount in rising:
        if level * weights - below >= full_use:
            break
        below += amount
        weights += weight
        most = (full_use + below) / weights
    return tuple(
        WrittenOff(name, used[name] - most * weight, now)
        for name, weight in siblings.items()
        if weight and used[name] > most * weight
    )
