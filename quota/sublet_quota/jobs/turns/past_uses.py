"""What everybody used, added up as it ends: whose turn it is follows from these sums.

What has ended is one number for each payer and person, which wears off; what lasts is counted anew
each time. Of siblings who ask for room, none has used more than the others can catch up with in
``most_lag``: what is beyond is written off, for groups as for the persons of a group.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp2
from typing import Final

from sublet_quota.document.sections import FairShareSettings
from sublet_quota.holdings.standing.group_trees import leaf_of
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.shares.group_tree import GroupTree, NodeName
from sublet_quota.shares.past_use import CardUse, WrittenOff, lag_written_off, use_of

Payer = tuple[GroupName | None, UserName]
"""Who paid, and for whom."""
UsedBy = tuple[NodeName, UserName]
"""A leaf of the tree of groups, and a person whose amounts count there."""
_LAST: Final = 5
"""So many of an owner's last jobs say how long the next will take."""


@dataclass(frozen=True, slots=True)
class LagWrittenOff:
    """What of the use of a group, or of one person in it, counts no longer: all of it so far."""

    node: NodeName
    owner: UserName | None
    """``None``: the group's as a whole."""
    amount: float
    at: datetime
    """When the amount was that; it wears off like use."""

    def worth(self, now: datetime, half_life: timedelta) -> float:
        """Return what is left of the amount."""
        return self.amount * exp2(-((now - self.at) / half_life))


@dataclass(frozen=True, slots=True)
class PastUse:
    """Past use in seconds of a card of rate 1, worn off, less what is written off."""

    used: Mapping[NodeName, float] = field(default_factory=dict)
    used_by: Mapping[UsedBy, float] = field(default_factory=dict)


NO_PAST_USE: Final = PastUse()


class UseSums:
    """What has ended, added up."""

    def __init__(self, half_life: timedelta, at: datetime) -> None:
        self.half_life = half_life
        self._at = at
        self._sums: defaultdict[Payer, float] = defaultdict(float)

    def copy(self) -> "UseSums":
        """Return sums of their own."""
        copied = UseSums(self.half_life, self._at)
        copied._sums.update(self._sums)
        return copied

    def add(self, payer: Payer, use: CardUse, now: datetime) -> None:
        """Count what has ended by now."""
        self._wear_off(now)
        self._sums[payer] += use_of(use, self._at, self.half_life)

    def with_open(
        self, uses: Iterable[tuple[Payer, CardUse]], now: datetime
    ) -> Mapping[Payer, float]:
        """Return the sums with what lasts."""
        self._wear_off(now)
        sums = defaultdict(float, self._sums)
        for payer, use in uses:
            sums[payer] += use_of(use, self._at, self.half_life)
        return sums

    def _wear_off(self, now: datetime) -> None:
        if now <= self._at:
            return
        worth = exp2(-((now - self._at) / self.half_life))
        for payer in self._sums:
            self._sums[payer] *= worth
        self._at = now


def past_use_of(
    tree: GroupTree,
    sums: Mapping[Payer, float],
    written_off: Iterable[LagWrittenOff],
    now: datetime,
    half_life: timedelta,
) -> PastUse:
    """Return what each group and each person used, less what was written off."""
    used = dict.fromkeys(tree.nodes, 0.0)
    used_by: defaultdict[UsedBy, float] = defaultdict(float)
    for (group, owner), amount in sums.items():
        leaf = leaf_of(tree, group)
        used_by[leaf, owner] += amount
        for name in tree.paths[leaf]:
            used[name] += amount
    for each in written_off:
        worth = each.worth(now, half_life)
        if each.owner is not None and (each.node, each.owner) in used_by:
            used_by[each.node, each.owner] -= worth
        elif each.owner is None and each.node in used:
            used[each.node] -= worth
    return PastUse(used, dict(used_by))


def lags_of(
    tree: GroupTree, past: PastUse, asking: Collection[UsedBy], full_use: float, now: datetime
) -> tuple[LagWrittenOff, ...]:
    """Return what is written off now, of those who ask for room and of the groups they are in.

    ``full_use`` is what all cards count in ``most_lag``.
    """
    asks = {name for leaf, _ in asking for name in tree.paths[leaf]}
    found: list[LagWrittenOff] = []
    for node in tree.nodes.values():
        siblings = {child.name: child.weight for child in node.children if child.name in asks}
        lags = lag_written_off(siblings, past.used, full_use, now)
        found += (LagWrittenOff(lag.node, None, lag.amount, now) for lag in lags)
    persons: defaultdict[NodeName, list[UserName]] = defaultdict(list)
    for leaf, owner in asking:
        persons[leaf].append(owner)
    for leaf, owners in persons.items():
        lags = _lags_of_persons(leaf, owners, past, full_use, now)
        found += (LagWrittenOff(leaf, UserName(lag.node), lag.amount, now) for lag in lags)
    return tuple(found)


def _lags_of_persons(
    leaf: NodeName, owners: Iterable[UserName], past: PastUse, full_use: float, now: datetime
) -> tuple[WrittenOff, ...]:
    used = {NodeName(owner): past.used_by.get((leaf, owner), 0.0) for owner in owners}
    return lag_written_off(dict.fromkeys(used, 1), used, full_use, now)


def less_lags(past: PastUse, lags: Iterable[LagWrittenOff]) -> PastUse:
    """Return past use without what is written off now."""
    used, used_by = dict(past.used), dict(past.used_by)
    for lag in lags:
        if lag.owner is None:
            used[lag.node] -= lag.amount
        else:
            used_by[lag.node, lag.owner] -= lag.amount
    return PastUse(used, used_by)


def full_use_of(settings: FairShareSettings, cards_at_rate: float) -> float:
    """Return what cards, each at its type's rate, count in ``most_lag``."""
    return cards_at_rate * settings.most_lag.total_seconds()


def estimate_of(max_run: timedelta, last_runs: Iterable[timedelta]) -> timedelta:
    """Return how long a job is thought to take: what it may, at most what its owner's last took.

    ``last_runs`` are how long the owner's jobs ran, the last one first.
    """
    lately = [run for run, _ in zip(last_runs, range(_LAST), strict=False)]
    return min(max_run, max(lately, default=max_run))
