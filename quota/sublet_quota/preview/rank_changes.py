"""Whose slices would be guaranteed no longer, or anew: at once, or when their grace is over."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.placement.called_back import back_to_their_place
from sublet_quota.residency.snapshot import Rank


@dataclass(frozen=True, slots=True)
class RankChange:
    """A slice that would stand otherwise than now."""

    slice_id: SliceId
    owner: UserName
    group: GroupName | None
    """Who pays."""
    before: Rank
    after: Rank
    at: datetime | None
    """When; ``None``: at once."""

    @property
    def is_worse(self) -> bool:
        """Whether the slice loses by it."""
        return self.after > self.before


def rank_changes(before: Holdings, after: Holdings) -> tuple[RankChange, ...]:
    """Return how slices would stand otherwise, at once and later.

    ``after`` are the same slices under the other document; their graces end here.
    """
    now, then = _ranks(before), _ranks(after)
    changes = list(_differences(after, now, then, None))
    for end in sorted(set(_new_ends(before, after))):
        after.end_graces(end)
        later = _ranks(after)
        changes += _differences(after, then, later, end)
        then = later
    return tuple(changes)


def brought_back(before: Holdings, after: Holdings) -> tuple[SliceId, ...]:
    """Return the called-back slices that would have their place again, and have not now."""
    now = frozenset(back_to_their_place(before))
    return tuple(each for each in back_to_their_place(after) if each not in now)


def _ranks(holdings: Holdings) -> Mapping[SliceId, Rank]:
    notebooks = (each.slice_id for each in holdings.slices() if each.is_notebook)
    return {slice_id: holdings.rank(slice_id) for slice_id in sorted(notebooks)}


def _differences(
    holdings: Holdings,
    before: Mapping[SliceId, Rank],
    after: Mapping[SliceId, Rank],
    at: datetime | None,
) -> Iterator[RankChange]:
    for slice_id, rank in after.items():
        holding = holdings.slice(slice_id)
        if holding is not None and before[slice_id] is not rank:
            yield RankChange(slice_id, holding.owner, holding.group, before[slice_id], rank, at)


def _new_ends(before: Holdings, after: Holdings) -> Iterator[datetime]:
    """Yield when graces end that the other document gives; others end as they would anyway."""
    for holding in after.slices():
        was = before.slice(holding.slice_id)
        if holding.before is not None and (was is None or was.before != holding.before):
            yield holding.before.until
