"""One user's share: their slices, what their groups and they may have, and the week's use."""

from datetime import datetime

from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import UserName
from sublet_quota.wire.api import Share

from sublet_hub.ledger.records import JobRecord
from sublet_hub.slices.keep_and_wake import KeepAndWake
from sublet_hub.slices.offers import OffersAsked, OffersNow
from sublet_hub.state.stores import Stores
from sublet_hub.usage.job_stops import stop_in
from sublet_hub.usage.meter import UseMeter
from sublet_hub.web.views.offers import told_offers
from sublet_hub.web.views.quota_share import quota_share
from sublet_hub.web.views.slices import Viewer, Views


class Shares:
    """Puts users' shares together."""

    def __init__(self, stores: Stores, views: Views, meter: UseMeter, offers: OffersNow) -> None:
        self._ledger = stores.ledger
        self._fleet = stores.fleet
        self._capacity = stores.capacity
        self._views = views
        self._meter = meter
        self._offers = offers

    def share(
        self,
        owner: UserName,
        groups: tuple[str, ...],
        viewer: Viewer,
        keep_and_wake: KeepAndWake,
        now: datetime,
    ) -> Share:
        """Return one owner's share: slices, quotas, jobs and the week's use."""
        holdings = self._capacity.holdings
        own = self._ledger.slices_of_owner(owner)
        jobs = self._ledger.live_jobs_of_owner(owner)
        running = [job for job in jobs if job.state is JobState.RUNNING]
        silent = {r.gpu.node for r in own if self._fleet.is_silent(r.gpu.node)}
        found = self._offers.of(OffersAsked(owner, groups))
        keep_left = keep_and_wake.keep_left(found.rights)
        left_minutes = int(keep_left.total_seconds() // 60)
        quota = quota_share(holdings, found.rights, own, left_minutes, now)
        return Share(
            owner=owner,
            slices=self._views.slices(own, viewer),
            jobs_waiting=len(jobs) - len(running),
            jobs_running=len(running),
            jobs_stopped=sum(self._stands_still(job) for job in running),
            lending=self._ledger.lending,
            agents_silent=tuple(sorted(silent)),
            quota=quota,
            offers=told_offers(holdings, found),
            week=self._meter.week(owner),
        )

    def _stands_still(self, job: JobRecord) -> bool:
        record = None if job.slice_id is None else self._ledger.slices.get(job.slice_id)
        if record is None or self._fleet.is_silent(record.gpu.node):
            return False
        report = self._fleet.report(record.slice_id)
        return report is not None and stop_in(report) is not None
