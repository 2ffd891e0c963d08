"""One user's share: their slices, what their group and they may have, and the week's use."""

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import as_number, rights_of
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.placement.offers import offers_for
from sublet_quota.wire.api import Share
from sublet_quota.wire.share import QuotaShare

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import JobRecord, SliceRecord
from sublet_hub.slices.keep_and_wake import KeepAndWake
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.fleet import Fleet
from sublet_hub.usage.job_stops import stop_in
from sublet_hub.usage.meter import UseMeter
from sublet_hub.web.views.slices import Viewer, Views, offers_body


class Shares:
    """Puts users' shares together."""

    def __init__(
        self, ledger: Ledger, fleet: Fleet, capacity: Capacity, views: Views, meter: UseMeter
    ) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._capacity = capacity
        self._views = views
        self._meter = meter

    def share(
        self, owner: UserName, groups: tuple[str, ...], viewer: Viewer, keep_and_wake: KeepAndWake
    ) -> Share:
        """Return one owner's share: slices, quotas, jobs and the week's use."""
        holdings = self._capacity.holdings
        own = self._ledger.slices_of_owner(owner)
        jobs = self._ledger.live_jobs_of_owner(owner)
        running = [job for job in jobs if job.state is JobState.RUNNING]
        silent = {r.gpu.node for r in own if self._fleet.is_silent(r.gpu.node)}
        keep_left = keep_and_wake.keep_left(owner, groups)
        quota = _quota(holdings, owner, groups, own)
        quota = quota.model_copy(update={"keep_left_minutes": int(keep_left.total_seconds() // 60)})
        return Share(
            owner=owner,
            slices=self._views.slices(own, viewer),
            jobs_waiting=len(jobs) - len(running),
            jobs_running=len(running),
            jobs_stopped=sum(self._stands_still(job) for job in running),
            used_mib=quota.used_mib,
            guaranteed_mib=quota.guaranteed_mib,
            limit_mib=quota.limit_mib,
            lending=self._ledger.lending,
            agents_silent=tuple(sorted(silent)),
            quota=quota,
            offers=offers_body(offers_for(holdings, owner, groups)).offers,
            week=self._meter.week(owner),
        )

    def _stands_still(self, job: JobRecord) -> bool:
        record = None if job.slice_id is None else self._ledger.slices.get(job.slice_id)
        if record is None or self._fleet.is_silent(record.gpu.node):
            return False
        report = self._fleet.report(record.slice_id)
        return report is not None and stop_in(report) is not None


def _quota(
    holdings: Holdings, owner: UserName, groups: tuple[str, ...], own: tuple[SliceRecord, ...]
) -> QuotaShare:
    document = holdings.document
    rights = rights_of(document, owner, groups)
    use = holdings.totals.of_user(owner, None)
    user = document.users.get(owner)
    guaranteed = None if user is None else user.guaranteed
    group = _group_of(own, rights.groups, document)
    group_quota = None if group is None else document.groups[group]
    return QuotaShare(
        groups=rights.groups,
        guaranteed_mib=0 if guaranteed is None else guaranteed.memory,
        used_mib=use.amount.memory_mib,
        limit_mib=rights.limit_mib,
        slices=use.slices,
        most_slices=rights.most_slices,
        group=group,
        group_used_mib=(
            None if group is None else holdings.totals.of_group(group, None).amount.memory_mib
        ),
        group_guaranteed_mib=(
            None
            if group_quota is None
            else 0
            if group_quota.guaranteed is None
            else group_quota.guaranteed.memory
        ),
        group_limit_mib=(
            None if group_quota is None else as_number(group_quota.limit.memory, None)
        ),
    )


def _group_of(
    own: tuple[SliceRecord, ...], known: tuple[GroupName, ...], document: QuotaDocument
) -> GroupName | None:
    """Return the group on whose account the owner's slices are; else the first of theirs."""
    charged = (GroupName(g) for r in own if not r.is_job for g in r.groups if g in document.groups)
    return next(charged, known[0] if known else None)
