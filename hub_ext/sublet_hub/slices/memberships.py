"""Memberships that end while somebody's server or job runs: the hub tells everybody's groups.

Whose group it is that pays for a slice, and who is a member no more, goes on as before for the
grace of the quota document; then another of their groups pays, or nobody's, and the slice is
borrowed. So does all that somebody holds who may hold less without the group. Nothing is ended.
A job that waits has no grace (``jobs.order.left_groups``). Of owners whose groups the hub does not
tell nothing is concluded; nor for a slice or job that was asked for after the hub was: its request
tells newer ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from sublet_quota.holdings.grace import PersonLimits, is_over_less
from sublet_quota.names.ids import GroupName, JobId, UserName

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, JobRecord, SliceRecord
from sublet_hub.slices.places import Places
from sublet_hub.state.capacity import Capacity


class Memberships:
    """The groups of those who hold slices, or have jobs, as the hub tells them by now."""

    def __init__(
        self, ledger: Ledger, capacity: Capacity, places: Places, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._capacity = capacity
        self._places = places
        self._now = now

    def take(self, told: Mapping[UserName, tuple[str, ...]], asked_at: datetime) -> None:
        """Take over in which groups of the hub users were at a time. ``LedgerWriteError``."""
        changed: list[SliceRecord] = []
        jobs: list[JobRecord] = []
        known: dict[tuple[str, ...], tuple[GroupName, ...]] = {}

        def groups_of(owner: UserName) -> tuple[GroupName, ...] | None:
            groups = told.get(owner)
            if groups is not None and groups not in known:
                known[groups] = self._capacity.holdings.document.groups_of(groups)
            return None if groups is None else known[groups]

        for record in self._ledger.slices.values():
            groups = groups_of(record.owner)
            if groups is None or record.group is None or self._since(record) >= asked_at:
                continue
            if set(groups) != set(record.member_of):
                changed.append(replace(record, member_of=groups))
        for job in self._ledger.live_jobs.values():
            groups = groups_of(job.owner)
            if groups is None or job.group is None or job.submitted_at >= asked_at:
                continue
            if set(groups) != set(job.member_of):
                jobs.append(replace(job, groups=told[job.owner], member_of=groups))
        if not changed and not jobs:
            return
        may_hold_less = frozenset(self._may_hold_less(changed))
        graced = (
            record.slice_id
            for record in changed
            if record.group not in record.member_of or record.owner in may_hold_less
        )
        slices, events = self._places.in_grace(changed, graced)
        self._ledger.apply(Change(slices=slices, jobs=tuple(jobs), events=events), self._now())

    def _since(self, record: SliceRecord) -> datetime:
        """Return when a slice was asked for: a job's as the job was submitted."""
        job = self._ledger.live_jobs.get(record.job_id or JobId(""))
        return record.created_at if job is None else job.submitted_at

    def _may_hold_less(self, changed: Iterable[SliceRecord]) -> Iterator[UserName]:
        """Yield who holds more than their groups of now let them, and might in those of before."""
        holdings = self._capacity.holdings
        limits = PersonLimits(holdings.document)
        for after in changed:
            before = self._ledger.slices[after.slice_id]
            old, new = (
                limits.of(after.owner, frozenset(map(GroupName, each.member_of)))
                for each in (before, after)
            )
            if is_over_less(holdings.held_by(after.owner), old, new):
                yield after.owner
