"""Lists of jobs: the newest first, or as the queue has them.

In the queue's order those come first that have a GPU, then those that wait, the next one first, and
then those that are over, the newest first. So whatever is cut off, the head of the queue is there.
Where a page begins is a job then, and a rank in case it has moved away meanwhile.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sublet_quota.life_cycles.job_states import ENDED, JobState
from sublet_quota.names.ids import GroupName, JobId, UserName
from sublet_quota.wire.jobs import JobInfo

from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.job_order import Place
from sublet_hub.ledger.records import JobRecord
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.pages import Listing
from sublet_hub.web.routes.route import Call, Nature, Parameter
from sublet_hub.web.views.slices import Viewer

STATE: Final = Parameter(
    "state", Nature.TEXTS, "Only jobs in this state; may be repeated: " + ", ".join(JobState) + "."
)
ORDER: Final = Parameter(
    "order",
    Nature.TEXT,
    "newest (when left out), or queue: those that have a GPU, those that wait, the next one first, "
    "and then those that are over. A job that moves meanwhile may be missed, or come twice.",
)
_ORDERS: Final = ("newest", "queue")
_RANKS: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_RANK: Final = _RANKS + timedelta(days=1)
"""Places before this are ranks in the queue's order; no job is as old."""


class JobList:
    """One request's list of jobs."""

    def __init__(
        self,
        service: ServiceParts,
        owner: UserName | None,
        call: Call,
        viewer: Viewer,
        groups: frozenset[GroupName] | None = None,
    ) -> None:
        """Raise ``BadRequestError`` for states and orders that there are not.

        ``groups``: only the jobs that they pay for and that are not over, in the queue's order,
        without what their owners gave them.
        """
        self._service = service
        self._groups = groups
        self._owner = owner
        self._viewer = viewer
        self._states = _states(call)
        in_order = _order(call) == "queue" or groups is not None
        self._live = self._queue() if in_order else None
        live = () if self._live is None else self._live
        self._ranks = {job.job_id: rank for rank, job in enumerate(live)}

    @property
    def total(self) -> int:
        """How many jobs all pages have together, as it is now."""
        ledger, owner, states = self._service.ledger, self._owner, self._states
        if self._groups is not None:
            return len(self._live or ())
        if owner is None:
            facts = ledger.all_job_facts()
            if states is None:
                return ledger.count_of_jobs
        else:
            facts = iter((*ledger.live_jobs_of_owner(owner), *ledger.ended_jobs_of_owner(owner)))
        return sum(states is None or job.state in states for job in facts)

    @property
    def owner_has_some(self) -> bool:
        """Whether there is any job of whose jobs are listed, in whatever state."""
        ledger, owner = self._service.ledger, self._owner
        if owner is None:
            return ledger.count_of_jobs > 0
        return bool(ledger.live_jobs_of_owner(owner) or ledger.ended_jobs_of_owner(owner))

    @property
    def listing(self) -> Listing[JobRecord]:
        """The list, to be read page by page."""
        views, viewer = self._service.job_views, self._viewer

        def shown(job: JobRecord) -> JobInfo:
            told = views.job(job, viewer)
            return told if self._groups is None else without_owners_own(told)

        return Listing(self._older, self._place, shown, "jobs")

    def _older(self, before: Place | None, most: int) -> Sequence[JobRecord]:
        states, ledger = self._states, self._service.ledger
        if self._live is None:
            return ledger.newest_jobs(self._owner, before, most, states)
        if before is None or before[0] < _NO_RANK:
            rank = 0 if before is None else self._rank_behind(before)
            found = self._live[rank : rank + most]
            if found:
                return found
            before = None
        if self._groups is not None:
            return ()
        over = ENDED if states is None else ENDED & states
        return ledger.newest_jobs(self._owner, before, most, over) if over else ()

    def _rank_behind(self, before: Place) -> int:
        at, job_id = before
        told = (at - _RANKS) // timedelta(microseconds=1)
        known = self._ranks.get(JobId(job_id))
        # Where it is gone, the one behind it has its rank.
        return told if known is None else known + 1

    def _place(self, job: JobRecord) -> Place:
        rank = self._ranks.get(job.job_id)
        if rank is None:
            return job.submitted_at, job.job_id
        return _RANKS + timedelta(microseconds=rank), job.job_id

    def _queue(self) -> list[JobRecord]:
        ledger, states = self._service.ledger, self._states
        all_live = ledger.live_jobs.values()
        live = all_live if self._owner is None else ledger.live_jobs_of_owner(self._owner)
        place_of = self._service.job_views.place

        def key(job: JobRecord) -> tuple[bool, bool, int, datetime, str]:
            waits = job.state is JobState.WAITING
            place = place_of(job.job_id) if waits else None
            return waits, place is None, place or 0, job.submitted_at, job.job_id

        listed = (job for job in live if self._groups is None or job.group in self._groups)
        return sorted((job for job in listed if states is None or job.state in states), key=key)


def without_owners_own(job: JobInfo) -> JobInfo:
    """Return a job as an admin of its group is shown it: without what is its owner's alone.

    Parameters and what programs print may hold secrets.
    """
    return job.model_copy(
        update={
            "parameters": {},
            "failure": None,
            "output_notebook": None,
            "output_path": None,
            "take_along": (),
        }
    )


def _states(call: Call) -> frozenset[JobState] | None:
    asked = call.texts(STATE.name)
    unknown = set(asked) - set(JobState)
    if unknown:
        message = f"?{STATE.name}={min(unknown)} is none: there are {', '.join(JobState)}"
        raise BadRequestError(message)
    return frozenset(map(JobState, asked)) or None


def _order(call: Call) -> str:
    asked = call.text(ORDER.name)
    if asked is not None and asked not in _ORDERS:
        message = f"?{ORDER.name}={asked} is none: there are {' and '.join(_ORDERS)}"
        raise BadRequestError(message)
    return asked or _ORDERS[0]
