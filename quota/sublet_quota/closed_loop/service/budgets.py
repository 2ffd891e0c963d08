"""Simulated budgets: what slices and jobs held is charged, and what is over counts as borrowed.

Every moment for which a slice is handed out is one stretch of one kind, cut where something happens
on its card: so held is exactly the sum of used, idle, lent and suspended. How budgets stand is
looked at now and then, as the service does (``Spending``, ``Spent``).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.budgets.charge import Stretch, times_of
from sublet_quota.budgets.guests import Guest, paid_for_room
from sublet_quota.budgets.period import HOUR, hour_of
from sublet_quota.budgets.spending import ChargedHour, Spending
from sublet_quota.budgets.standing import Spent
from sublet_quota.closed_loop.card.held_on_card import HeldOnCard, PlacedSlice
from sublet_quota.closed_loop.clock import Phase
from sublet_quota.closed_loop.record.records import BudgetTurned
from sublet_quota.closed_loop.service.parts import Parts
from sublet_quota.document.lookups.group_budgets import has_budgets
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.residency.snapshot import Rank

_US: Final = timedelta(microseconds=1)
_Key = tuple[object, ...]


class Budgets:
    """The budgets of the document in force."""

    def __init__(self, parts: Parts, changed: Callable[[], None]) -> None:
        """``changed``: slices count otherwise now."""
        self._parts = parts
        self._changed = changed
        self._spending: Spending | None = None
        self._rows: dict[_Key, ChargedHour] = {}
        self._new: dict[_Key, ChargedHour] = {}
        self._look_at: datetime | None = None

    @property
    def are_there(self) -> bool:
        """Whether the document says any."""
        return has_budgets(self._parts.holdings.document)

    def expect(self) -> None:
        """Count from now on what is held, where the document in force says budgets."""
        self._parts.cards.tell_held(self._held if self.are_there else None)
        if self.are_there:
            self._look()
        else:
            self._look_at = None

    def _look(self) -> None:
        """Look how budgets stand, and let be over what is."""
        parts, now = self._parts, self._parts.clock.now
        parts.cards.count_held()
        spending = self._added_up()
        before, spent = parts.holdings.spent, Spent.of(spending.standings(now))
        turning = before.over.keys() ^ spent.over.keys()
        for whose in sorted(turning, key=lambda each: (each[0], each[1] or "")):
            turned = BudgetTurned(*whose, now, is_over=whose in spent.over)
            parts.record.budgets.append(turned)
        self._look_at = at = now + parts.manner.budgets_every
        parts.clock.at(at, Phase.ENDS, "budgets", lambda: self._look_again(at))
        if parts.holdings.spend(spent):
            self._changed()

    def _look_again(self, planned: datetime) -> None:
        if planned == self._look_at:
            self._look()

    def _added_up(self) -> Spending:
        """Add up what is new; where time costs otherwise now, all anew."""
        document, spending = self._parts.holdings.document, self._spending
        parts = tuple(self._new.values())
        for key, part in self._new.items():
            _add_to(self._rows, key, part)
        self._new.clear()
        if spending is None or not spending.under(document):
            spending, parts = Spending(document), tuple(self._rows.values())
        for part in parts:
            spending.add(part)
        self._spending = spending
        return spending

    def _held(self, held: HeldOnCard) -> None:
        """Charge what was held on one card from one moment to another."""
        jobs = [each for each in held.slices if each.who.is_job and each.served.gate_open]
        lenders = {
            each.served.slice_id: each.cards
            for each in held.slices
            if not each.who.is_job and not each.served.active
        }
        guests = (Guest(job.cards, job.who.group, lenders) for job in jobs) if lenders else ()
        paid = paid_for_room(self._parts.holdings.document, guests)
        for each in held.slices:
            served = each.served
            runs = served.runs_since is not None
            for hour, length in _hours(held.began, held.ended):
                length_us = length // _US
                stretch = Stretch(
                    length_us=length_us,
                    busy_us=length_us if runs else 0,
                    cards=each.cards,
                    entitled=served.rank < Rank.BORROWED,
                    suspended=served.state is SliceState.SUSPENDED,
                    lent=bool(jobs) and served.slice_id in lenders,
                    paid=paid.get(served.slice_id, each.cards * 0),
                )
                self._charge(each, held.model, hour, stretch)

    def _charge(self, each: PlacedSlice, model: str, hour: datetime, stretch: Stretch) -> None:
        who, slice_id = each.who, each.served.slice_id
        for time in times_of(stretch):
            part = ChargedHour(hour, who.group, who.owner, model, time)
            key = (hour, who.group, who.owner, model, time.kind, time.entitled)
            _add_to(self._new, key, part)
            self._parts.record.held[slice_id, time.kind] += time.held_us


def _hours(began: datetime, ended: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """Yield a time as parts of hours of UTC, each with when that hour began."""
    while began < ended:
        hour = hour_of(began)
        end = min(ended, hour + HOUR)
        yield hour, end - began
        began = end


def _add_to(rows: dict[_Key, ChargedHour], key: _Key, part: ChargedHour) -> None:
    before = rows.get(key)
    rows[key] = part if before is None else replace(before, time=before.time.plus(part.time))
