"""Jobs that stand still below a limit, and go on as soon as there is room again.

Who is held back is decided, and stored, with the slice that takes a job's place; who goes on is
looked for in each round of the queue, whatever has made the room: a slice or a job that ended, or
another document. Within its group's guarantee a job goes on though what others borrow fills a limit
above: borrowed jobs stand still for it then. Any other that was held back again and again pauses
first: nobody has others' memory move to and fro by a server that they start and stop.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache

from sublet_quota.admission.jobs_going_on import GoingOn, jobs_to_go_on
from sublet_quota.document.right_values import Rights
from sublet_quota.document.rights import rights_of
from sublet_quota.names.ids import JobId, UserName
from sublet_quota.reasons.quota_changes import QuotaChange, quota_change_words
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change
from sublet_hub.slices.places import held_back_by
from sublet_hub.state.capacity import Capacity


class HeldBackJobs:
    """Lets jobs go on that were held back."""

    def __init__(
        self,
        ledger: Ledger,
        capacity: Capacity,
        now: Callable[[], datetime],
        ranks: Callable[[], Mapping[JobId, Rank]],
    ) -> None:
        """``ranks``: finds how the jobs that have their place are entitled."""
        self._ledger = ledger
        self._capacity = capacity
        self._now = now
        self._ranks = ranks

    def let_go_on(self) -> None:
        """Let those go on for whom limits have room again. ``LedgerWriteError``."""
        holdings = self._capacity.holdings
        stand = (each.slice_id for each in holdings.held_back())
        pausing = self._capacity.return_pauses.pausing(stand)
        # Of one person there may be many jobs: their rights are looked up once.
        rights_of = cache(self._rights_of)
        while (going := jobs_to_go_on(holdings, rights_of, self._ranks, pausing)).slices:
            self._apply(going)

    def _apply(self, going: GoingOn) -> None:
        now, words = self._now(), quota_change_words(QuotaChange.GOES_ON)
        going_on = [
            replace(self._ledger.slices[slice_id], held_back_since=None)
            for slice_id in going.slices
        ]
        told = (slice_event(EventKind.JOB_GOES_ON, each, now, words) for each in going_on)
        others, events = held_back_by(self._ledger, going.holds_back, going_on[0], now)
        change = Change(slices=(*going_on, *others), events=(*told, *events))
        self._ledger.apply(change, now)

    def _rights_of(self, owner: UserName) -> Rights:
        """Return the rights of who has jobs, by the groups of the newest of these."""
        jobs = self._ledger.live_jobs_of_owner(owner)
        newest = max(jobs, key=lambda job: job.submitted_at, default=None)
        groups = () if newest is None else newest.groups
        return rights_of(self._capacity.holdings.document, owner, groups)
