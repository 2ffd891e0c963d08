"""An owner's wishes for a slice: do not lend it for a while; bring it back; take it.

The first two cost others something, so they have a budget: the day's hours of keeping come from the
owner's rights, and how often one may keep or wake from a bucket each.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sublet_quota.admission.keep_budget import refuse_keep
from sublet_quota.document.rights import Rights, rights_of
from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.errors import ConflictError
from sublet_hub.ledger.database import EventQuery
from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, EventRecord, SliceRecord
from sublet_hub.security.rate_limits import Rate, RateLimits, take_or_refuse
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.owner_accounts import OwnerAccounts

_DAY = timedelta(days=1)
_MOST_EVENTS = 1000
_ALL_OF_ANY_BUDGET = timedelta(days=36_500)


class KeepAndWake:
    """The wishes of owners: slices kept, woken, and given up."""

    def __init__(
        self,
        ledger: Ledger,
        capacity: Capacity,
        accounts: OwnerAccounts,
        rate: Rate,
        now: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._capacity = capacity
        self._accounts = accounts
        self._keeps = RateLimits(rate)
        self._wakes = RateLimits(rate)
        self._now = now

    def keep(self, record: SliceRecord, length: timedelta) -> SliceRecord | Refusal:
        """Do not lend this slice for so long; return it as it is then, or the refusal.

        A ``length`` of 0 ends a keep. ``TooManyRequestsError``; ``ConflictError`` for a job's.
        """
        _refuse_jobs(record)
        now = self._now()
        if not length and not _is_kept(record, now):
            return record
        take_or_refuse(self._keeps, record.owner, "slices were kept")
        account = self._accounts.find(record.owner)
        groups = () if account is None else account.groups
        rights = rights_of(self._capacity.holdings.document, record.owner, groups)
        refusal = refuse_keep(rights, self._kept(record.owner, record.slice_id, now), length)
        if refusal is not None:
            return refusal
        after = replace(record, kept_until=now + length if length else None)
        told = replace(
            slice_event(EventKind.SLICE_KEPT, after, now, f"{_minutes(length)} minutes"),
            took_s=length.total_seconds(),
        )
        self._ledger.apply(Change(slices=(after,), events=(told,)), now)
        return after

    def wake(self, record: SliceRecord) -> SliceRecord:
        """Bring this slice back, as if a cell had started; return it as it is then.

        ``TooManyRequestsError``; ``ConflictError`` for a job's.
        """
        _refuse_jobs(record)
        take_or_refuse(self._wakes, record.owner, "slices were woken")
        now = self._now()
        after = replace(record, wanted_since=now, given_up_at=None)
        told = slice_event(EventKind.SLICE_WANTED, after, now)
        self._ledger.apply(Change(slices=(after,), events=(told,)), now)
        return after

    def give_up(self, record: SliceRecord, report: SliceReport | None) -> SliceRecord:
        """Count this slice as idle at once, and keep it no longer; return it as it is then.

        ``report`` is what its agent last said. ``ConflictError`` while a cell runs, and for a
        job's.
        """
        _refuse_jobs(record)
        if report is not None and report.running_cell:
            message = (
                "a cell of yours runs, or waits for its GPU: interrupt it, or wait for its end, "
                "and give the slice up then"
            )
            raise ConflictError(message)
        now = self._now()
        events = [slice_event(EventKind.SLICE_GIVEN_UP, record, now)]
        if _is_kept(record, now):
            # What is left of the keep goes back to its budget.
            events.append(slice_event(EventKind.SLICE_KEPT, record, now, "0 minutes"))
        after = replace(record, given_up_at=now, wanted_since=None, kept_until=None)
        self._ledger.apply(Change(slices=(after,), events=tuple(events)), now)
        return after

    def keep_left(self, rights: Rights) -> timedelta:
        """Return for how long an owner may still keep slices today, beyond what is kept already."""
        kept = self._kept(rights.owner, None, self._now())
        return max(timedelta(), rights.keep_a_day.value - kept)

    def _kept(self, owner: UserName, replaced: SliceId | None, now: datetime) -> timedelta:
        """Return how long the owner's slices were kept in the last day, or are for longer than now.

        What ``replaced`` was kept for counts up to now alone: it is about to be replaced. Who kept
        more often than is read has used up any budget.
        """
        query = EventQuery(
            since=now - _DAY,
            owner=owner,
            limit=_MOST_EVENTS,
            kind=EventKind.SLICE_KEPT,
        )
        found = self._ledger.events(query)
        if len(found) == _MOST_EVENTS:
            return _ALL_OF_ANY_BUDGET
        by_slice: defaultdict[str, list[EventRecord]] = defaultdict(list)
        for event in found:
            by_slice[event.slice_id or ""].append(event)
        return sum(
            (
                _total(events, now if slice_id == replaced else None)
                for slice_id, events in by_slice.items()
            ),
            timedelta(),
        )


def _total(events: Iterable[EventRecord], until: datetime | None) -> timedelta:
    """Return the sum of one slice's keeps, each ended by the next."""
    ordered = sorted(events, key=lambda event: event.at)
    ends = [*(event.at for event in ordered[1:]), until]
    total = timedelta()
    for event, end in zip(ordered, ends, strict=True):
        length = timedelta(seconds=event.took_s)
        total += length if end is None else min(length, end - event.at)
    return total


def _refuse_jobs(record: SliceRecord) -> None:
    if record.is_job:
        message = (
            f"slice {record.slice_id} is a training job's: only notebooks' can be kept, woken or "
            "given up"
        )
        raise ConflictError(message)


def _is_kept(record: SliceRecord, now: datetime) -> bool:
    return record.kept_until is not None and record.kept_until > now


def _minutes(length: timedelta) -> int:
    return int(length.total_seconds() // 60)
