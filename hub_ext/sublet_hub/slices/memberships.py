"""Memberships that end while somebody's server runs: the hub tells everybody's groups.

Whose group it is that pays for a slice, and who is a member no more, goes on as before for the
grace of the quota document; then another of their groups pays, or nobody's, and the slice is
borrowed. Nothing is ended. Of owners whose groups the hub does not tell nothing is concluded; nor
for a slice that was asked for after the hub was: its request tells newer ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from sublet_quota.names.ids import GroupName, UserName

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, SliceRecord
from sublet_hub.slices.places import Places
from sublet_hub.state.capacity import Capacity


class Memberships:
    """The groups of those who hold slices, as the hub tells them by now."""

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
        known: dict[tuple[str, ...], tuple[GroupName, ...]] = {}
        for record in self._ledger.slices.values():
            groups = told.get(record.owner)
            if groups is None or record.is_job or record.group is None:
                continue
            if record.created_at >= asked_at:
                continue
            if groups not in known:
                known[groups] = self._capacity.holdings.document.groups_of(groups)
            if set(known[groups]) != set(record.member_of):
                changed.append(replace(record, member_of=known[groups]))
        if not changed:
            return
        self._ledger.apply(Change(slices=tuple(changed)), self._now())
        self._places.give_grace(
            record.slice_id for record in changed if record.group not in record.member_of
        )
