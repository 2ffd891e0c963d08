"""Jobs that stand still below a limit or on their card, and go on as soon as there is room again.

Who is held back is decided, and stored, with the slice that takes a job's place; who goes on is
looked for in each round of the queue, whatever has made the room: a slice or a job that ended, or
another document. Who passed it on its card stands still for it then. Within its group's guarantee a
job goes on though what others borrow fills a limit above: borrowed jobs stand still for it then.
Any other that was held back again and again pauses first: nobody has others' memory move to and fro
by a server that they start and stop.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from sublet_quota.admission.jobs_going_on import GoingOn, jobs_to_go_on
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import Rights
from sublet_quota.document.rights import rights_of
from sublet_quota.jobs.backfill.going_on import room_to_go_on, who_goes_on
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId, UserName
from sublet_quota.reasons.quota_changes import QuotaChange, quota_change_words
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.jobs.order.placed_jobs import jobs_there
from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.records import Change
from sublet_hub.slices.places import held_back_by
from sublet_hub.state.stores import Stores


class HeldBackJobs:
    """Lets jobs go on that were held back."""

    def __init__(
        self,
        stores: Stores,
        ranks: Callable[[], Mapping[JobId, Rank]],
        kept: Callable[[], Mapping[GpuId, WaitingJob]],
    ) -> None:
        """``ranks``: finds how the jobs that have their place are entitled.

        ``kept``: finds for which jobs that wait cards are kept.
        """
        self._kept = kept
        self._stores = stores
        self._ledger = stores.ledger
        self._capacity = stores.capacity
        self._ranks = ranks
        self._rights_under: QuotaDocument | None = None
        self._rights: dict[tuple[UserName, tuple[str, ...]], Rights] = {}
        """Rights under one document, each looked up once."""

    def let_go_on(self) -> None:
        """Let those go on for whom limits have room again. ``LedgerWriteError``."""
        while (going := self._going()).slices:
            self._apply(going)

    def _going(self) -> GoingOn:
        holdings = self._capacity.holdings
        stand = tuple(each.slice_id for each in holdings.held_back())
        if not stand:
            return GoingOn()
        pausing = frozenset(self._capacity.return_pauses.pausing(stand))
        there = jobs_there(self._stores)
        kept = self._kept()
        return who_goes_on(
            holdings,
            lambda stay: room_to_go_on(holdings, there, kept, stay),
            lambda stay, way: jobs_to_go_on(holdings, self._rights_of, self._ranks, stay, way),
            pausing,
        )

    def _apply(self, going: GoingOn) -> None:
        now, words = self._stores.now(), quota_change_words(QuotaChange.GOES_ON)
        going_on = [
            replace(self._ledger.slices[slice_id], held_back_since=None)
            for slice_id in going.slices
        ]
        told = (slice_event(EventKind.JOB_GOES_ON, each, now, words) for each in going_on)
        made, on_card = going_on[0], going.holds_back_on_card
        beside = held_back_by(self._ledger, on_card, made, now, on_card=True)
        others, events = held_back_by(self._ledger, going.holds_back, made, now, beside)
        change = Change(slices=(*going_on, *others), events=(*told, *events))
        self._ledger.apply(change, now)

    def _rights_of(self, owner: UserName) -> Rights:
        """Return the rights of who has jobs, by the groups of the newest of these."""
        jobs = self._ledger.live_jobs_of_owner(owner)
        newest = max(jobs, key=lambda job: job.submitted_at, default=None)
        groups = () if newest is None else newest.groups
        document = self._capacity.holdings.document
        if self._rights_under is not document:
            self._rights_under, self._rights = document, {}
        if (owner, groups) not in self._rights:
            self._rights[owner, groups] = rights_of(document, owner, groups)
        return self._rights[owner, groups]
