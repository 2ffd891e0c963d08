"""The watch over a slice's memory cap: from what it has, and how it stood before, to how it stands.

A slice is near its cap from nine tenths of it on, and over it with more. It is told of that once,
when it comes there, and again only when it has been clearly below meanwhile: a program that frees
and takes a little at a time goes to and fro across a line, and is no news each time. Nor is one
that does so by much: each level is told once in five minutes, and what is still so then.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from sublet_quota.reasons.caps import NEAR_PERCENT

_WITHIN_AGAIN_PERCENT: Final = 85
"""The part below which it is near its cap no more."""
_NEAR_AGAIN_PERCENT: Final = 97
"""The part below which who was over its cap counts as no more than near it."""
TOLD_AGAIN_AFTER: Final = timedelta(minutes=5)
"""A level is told no more often than this."""


class CapLevel(IntEnum):
    """How much of its cap a slice has."""

    WITHIN = 0
    NEAR = 1
    OVER = 2


@dataclass(frozen=True, slots=True)
class CapWatch:
    """How a slice stands to its cap, and what its owner was told of that."""

    level: CapLevel = CapLevel.WITHIN
    since: datetime | None = None
    """Since when it is at this level; ``None``: it was never at another."""
    is_told: bool = True
    """Whether the owner knows of this level, or need not."""
    near_told_at: datetime | None = None
    over_told_at: datetime | None = None

    @property
    def over_since(self) -> datetime | None:
        """Since when the slice is over its cap; ``None``: it is not."""
        return self.since if self.level is CapLevel.OVER else None

    @property
    def notice(self) -> str | None:
        """What tells this crossing from all others of the slice; ``None``: nothing is to be said.

        The same as long as the slice stays at its level, whichever agent says it.
        """
        told_at = self.told_at(self.level)
        if self.level is CapLevel.WITHIN or self.since is None:
            return None
        if told_at is None or told_at < self.since:
            # Not told yet, or no news: it was over its cap before.
            return None
        return f"{self.level.name.lower()} {self.since.isoformat()}"

    def told_at(self, level: CapLevel) -> datetime | None:
        """Return when the owner was last told of a level above ``WITHIN``."""
        return self.over_told_at if level is CapLevel.OVER else self.near_told_at


def watch_cap(
    before: CapWatch, has_mib: int, cap_mib: int, now: datetime
) -> tuple[CapWatch, CapLevel | None]:
    """Return how a slice stands now, and the level that its owner is to be told of.

    ``has_mib``: what all its processes have on the GPU, and away from it. ``WITHIN`` is told where
    it was told to be over its cap before; ``None``: nothing is news.
    """
    level = _level(before.level, has_mib, cap_mib)
    watch = before
    if level is not before.level:
        is_back = before.level is CapLevel.OVER and before.is_told
        falls = level < before.level
        watch = replace(before, level=level, since=now, is_told=falls)
        if falls:
            return watch, CapLevel.WITHIN if is_back else None
    if watch.is_told:
        return watch, None
    last = watch.told_at(level)
    if last is not None and timedelta(0) <= now - last < TOLD_AGAIN_AFTER:
        return watch, None
    told = replace(watch, is_told=True)
    if level is CapLevel.OVER:
        return replace(told, over_told_at=now), level
    return replace(told, near_told_at=now), level


def _level(before: CapLevel, has_mib: int, cap_mib: int) -> CapLevel:
    """Return the level, which is left downwards only where that is clear."""
    if has_mib > cap_mib:
        return CapLevel.OVER
    if before is CapLevel.OVER and _is_at_least(has_mib, cap_mib, _NEAR_AGAIN_PERCENT):
        return CapLevel.OVER
    least = NEAR_PERCENT if before is CapLevel.WITHIN else _WITHIN_AGAIN_PERCENT
    return CapLevel.NEAR if _is_at_least(has_mib, cap_mib, least) else CapLevel.WITHIN


def _is_at_least(has_mib: int, cap_mib: int, percent: int) -> bool:
    return has_mib > 0 and 100 * has_mib >= percent * cap_mib
