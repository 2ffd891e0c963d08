"""What will be taken from one owner: what, when, why, and how it may be put off.

Nothing is decided here: it is put together from what the parts say that take it.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_memory, format_number
from sublet_quota.budgets.expected_end import expected_end
from sublet_quota.document.value_kinds.budget_values import AtEnd
from sublet_quota.names.ids import UserName
from sublet_quota.reasons.ahead import AheadFacts, AheadKind, ahead_words
from sublet_quota.reasons.moments import length_words, moment_words
from sublet_quota.wire.ahead import AheadInfo, Deed
from sublet_quota.wire.api import Share, SliceInfo
from sublet_quota.wire.budget import BudgetInfo

from sublet_hub.ledger.records import Closing, SliceRecord
from sublet_hub.slices.idle_servers import idle_notice_id
from sublet_hub.slices.over_caps import over_cap_notice_id
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.told import budget_notice_id
from sublet_hub.web.views.ranks import as_before_until

_NEAR: Final = timedelta(hours=1)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def ahead_of(
    service: ServiceParts, owner: UserName, share: Share, budgets: Iterable[BudgetInfo]
) -> tuple[AheadInfo, ...]:
    """Return what will be taken from an owner, the next first; what has no time stands last.

    ``share`` is theirs, and ``budgets`` are those that what is paid for them counts in.
    """
    now = service.now()
    records = service.ledger.slices_of_owner(owner)
    found = (
        *_evictions(service, owner, now),
        *_over_caps(service, owner),
        *_idle_ends(share.slices, now),
        *_closed_places(service, records, now),
        *less_guaranteed(service, records, now),
        *_budget_ends(budgets, now),
        *_keep_ends(share, now),
    )
    return tuple(sorted(found, key=lambda each: (not each.is_near, each.at or _LAST)))


def _evictions(service: ServiceParts, owner: UserName, now: datetime) -> Iterator[AheadInfo]:
    for each, _ in service.evictions.told_to(owner):
        if each.job_id is None and each.due_at > now:
            facts = AheadFacts(
                AheadKind.SERVER_EVICTED, each.server, why=each.reason, by=each.evicted_by
            )
            yield _told(facts, each.eviction_id, each.due_at, near=True, slice_id=each.slice_id)


def _over_caps(service: ServiceParts, owner: UserName) -> Iterator[AheadInfo]:
    for slice_id, notice in service.over_caps.warned(owner):
        kind = AheadKind.SERVER_OVER_CAP if notice.job is None else AheadKind.JOB_OVER_CAP
        facts = AheadFacts(
            kind,
            notice.server if notice.job is None else notice.job,
            has=format_memory(notice.use.held_mib),
            may_have=format_memory(notice.use.cap_mib),
        )
        yield _told(
            facts, over_cap_notice_id(slice_id), notice.ends_at, near=True, slice_id=slice_id
        )


def _idle_ends(slices: Iterable[SliceInfo], now: datetime) -> Iterator[AheadInfo]:
    for each in slices:
        end = each.idle_end
        if end is None:
            continue
        max_idle = timedelta(seconds=end.max_idle_s)
        facts = AheadFacts(
            AheadKind.SERVER_IDLE,
            end.server,
            since=moment_words(end.idle_since),
            length=length_words(max_idle),
        )
        yield _told(
            facts,
            idle_notice_id(each.lease.slice_id),
            end.ends_at,
            near=end.warned_at is not None,
            slice_id=each.lease.slice_id,
            deed=None if end.ends_at <= now else (Deed.EXTEND, max_idle),
        )


def _closed_places(
    service: ServiceParts, records: Iterable[SliceRecord], now: datetime
) -> Iterator[AheadInfo]:
    for record in records:
        for closing in closings_of(service, record):
            told = closed_place(service, record, closing, now)
            if told is not None:
                yield told


def closings_of(service: ServiceParts, record: SliceRecord) -> Iterator[Closing]:
    """Go through how a slice's card is closed, and how it will be next."""
    found = service.fleet.closing_of(record.gpu), service.ledger.planned_closing_of(record.gpu)
    yield from filter(None, found)


def closed_place(
    service: ServiceParts, record: SliceRecord, closing: Closing, now: datetime
) -> AheadInfo | None:
    """Return what a closing takes from who has a slice there; ``None``: a job that goes on."""
    if record.is_job and not closing.drains:
        return None
    name, kind = record.server, AheadKind.PLACE_CLOSED
    if record.job_id is not None:
        job = service.ledger.live_jobs.get(record.job_id)
        name, kind = job.name if job is not None else record.job_id, AheadKind.JOB_DRAINED
    facts = AheadFacts(kind, name, why=closing.words(record.gpu))
    at = closing.begins_at
    notice_id = f"{'closed' if at is None else 'to-close'}-{record.slice_id}"
    near = record.is_job and (at is None or at - now <= _NEAR)
    return _told(facts, notice_id, at, near=near, slice_id=record.slice_id)


def less_guaranteed(
    service: ServiceParts, records: Iterable[SliceRecord], now: datetime
) -> Iterator[AheadInfo]:
    """Go through the slices that count as guaranteed for a while yet, of which less is now."""
    holdings = service.capacity.holdings
    for record in records:
        until = None if record.is_job else as_before_until(holdings, record.slice_id)
        if until is not None:
            facts = AheadFacts(AheadKind.LESS_GUARANTEED, record.server)
            notice_id, near = f"less-{record.slice_id}", until - now <= _NEAR
            yield _told(facts, notice_id, until, near=near, slice_id=record.slice_id)


def _budget_ends(budgets: Iterable[BudgetInfo], now: datetime) -> Iterator[AheadInfo]:
    for each in budgets:
        ends_at = expected_end(
            spent=each.spent,
            hours=each.hours,
            begins_at=each.begins_at,
            renews_at=each.renews_at,
            now=now,
        )
        near = each.spent >= each.warn and not each.is_over
        if not near and ends_at is None:
            continue
        of_one = each.owner is not None
        no_new = each.at_end == AtEnd.NO_NEW
        facts = AheadFacts(
            AheadKind.BUDGET_ENDS_NO_NEW if no_new else AheadKind.BUDGET_ENDS,
            f"your budget in {each.group}" if of_one else f"the budget of {each.group}",
            has=format_number(each.left, 2),
            may_have=format_number(each.hours, 2),
            again="" if each.renews_at is None else moment_words(each.renews_at),
        )
        yield _told(facts, budget_notice_id((each.group, each.owner)), ends_at, near=near)


def _keep_ends(share: Share, now: datetime) -> Iterator[AheadInfo]:
    left_min = 0 if share.quota is None else share.quota.keep_left_minutes
    for each in share.slices:
        if each.kept_until is None or each.kept_until <= now:
            continue
        facts = AheadFacts(AheadKind.KEEP_ENDS, each.lease.server)
        yield _told(
            facts,
            f"keep-{each.lease.slice_id}",
            each.kept_until,
            near=False,
            slice_id=each.lease.slice_id,
            deed=(Deed.KEEP, timedelta(minutes=left_min)) if left_min else None,
        )


def _told(  # noqa: PLR0913 - the fields of one row
    facts: AheadFacts,
    notice_id: str,
    at: datetime | None,
    *,
    near: bool,
    slice_id: str | None = None,
    deed: tuple[Deed, timedelta] | None = None,
) -> AheadInfo:
    words = ahead_words(facts)
    return AheadInfo(
        notice_id=notice_id,
        kind=facts.kind.value,
        what=words.what,
        why=words.why,
        advice=words.advice,
        at=at,
        is_near=near,
        slice_id=slice_id,
        deed=None if deed is None else deed[0].value,
        deed_s=None if deed is None else deed[1].total_seconds(),
        why_no_deed=words.why_no_deed if deed is None else "",
    )
