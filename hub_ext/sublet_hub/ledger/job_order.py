"""The order in which jobs are listed: the newest first, of everybody and of each owner.

A job's place in it never changes, so a page of a list begins where the one before ended, whatever
came or went meanwhile.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice

from sublet_quota.names.ids import JobId, UserName

from sublet_hub.ledger.ended_jobs import JobFacts

Place = tuple[datetime, str]
"""When a thing happened, and its id: of two at the same time, the one with the larger id is newer.
"""


class JobOrder:
    """The ids of all jobs, by when they were submitted."""

    def __init__(self, jobs: Iterable[JobFacts]) -> None:
        self._all: list[Place] = []
        self._by_owner: dict[UserName, list[Place]] = {}
        for job in jobs:
            self._all.append(_place(job))
            self._by_owner.setdefault(job.owner, []).append(_place(job))
        for places in (self._all, *self._by_owner.values()):
            places.sort()

    def add(self, job: JobFacts) -> None:
        """Take a new job in."""
        insort(self._all, _place(job))
        insort(self._by_owner.setdefault(job.owner, []), _place(job))

    def drop(self, job: JobFacts) -> None:
        """Leave a job out that was taken in."""
        place, own = _place(job), self._by_owner[job.owner]
        del self._all[bisect_left(self._all, place)]
        del own[bisect_left(own, place)]
        if not own:
            del self._by_owner[job.owner]

    def older(
        self,
        owner: UserName | None,
        before: Place | None,
        most: int,
        is_wanted: Callable[[JobId], bool] = lambda _: True,
    ) -> tuple[JobId, ...]:
        """Return the newest jobs before a place that are wanted; of all owners if none is named."""
        places = self._all if owner is None else self._by_owner.get(owner, [])
        end = len(places) if before is None else bisect_left(places, before)
        older = (JobId(places[number][1]) for number in range(end - 1, -1, -1))
        return tuple(islice(filter(is_wanted, older), most))


def _place(job: JobFacts) -> Place:
    return job.submitted_at, job.job_id
