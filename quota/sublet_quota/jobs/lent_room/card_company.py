"""Who is on a card beside a job: how surely the job goes on there, and how fast.

While an owner of the card is at work a job stands still, and where jobs want more compute together
than the card has, all are slower. So a job goes first where it would do neither; of such cards
where nobody has a slice, then where owners have been away for long, who come back least often.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Final

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI
from sublet_quota.holdings.gpu_load import LONG_AGO

LONG: Final = timedelta(hours=1)
"""An owner who has been away for so long is away for long."""


class Owners(IntEnum):
    """What the owners of slices on a card do: the fewest stop a job first."""

    NONE = 0
    """Nobody has a slice there."""
    LONG_AWAY = 1
    AWAY = 2
    AT_WORK = 3
    """A job would stand still there for now."""


@dataclass(frozen=True, slots=True)
class Company:
    """Who is on a card beside a job."""

    owners: Owners = Owners.NONE
    jobs_milli: int = 0
    """The compute that jobs have there already, of 1000."""

    def with_more(self, milli: int) -> "Company":
        """Return the company with jobs of so much more compute; of less than none: of less."""
        return company_of(self.owners, self.jobs_milli + milli) if milli else self

    def turn_for(self, milli: int) -> tuple[bool, bool, Owners]:
        """Return what the best card for a job of so much compute has the least of."""
        return (self.owners is Owners.AT_WORK, not self.has_compute(milli), self.owners)

    def has_compute(self, milli: int) -> bool:
        """Whether a job of so much compute is as fast there as where no other job is."""
        return self.jobs_milli == 0 or self.jobs_milli + milli <= WHOLE_GPU_MILLI


ALONE: Final = Company()


@lru_cache(maxsize=4096)
def company_of(owners: Owners, jobs_milli: int) -> Company:
    """Return who is on a card beside a job: one value for all cards on which that is the same."""
    return Company(owners, jobs_milli)


def owners_of(slices: int, rests_since: datetime | None, now: datetime | None) -> Owners:
    """Return what the owners of a card's slices do.

    ``rests_since``: since when none is at work. ``now``: ``None`` where how long is not asked.
    """
    if slices == 0:
        return Owners.NONE
    if rests_since is None:
        return Owners.AT_WORK
    is_long = now is not None and rests_since != LONG_AGO and now - rests_since >= LONG
    return Owners.LONG_AWAY if is_long else Owners.AWAY
