"""What is spent of all budgets of a document: hours of held time, added up as they come.

What one owner's time on cards of one type came to in one hour is added up before guests' payments
are set against it: so the sums do not depend on how the hour came in parts. The answers are those
of adding up from scratch; a part costs what its own hour costs.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sublet_quota.budgets.charge import Charge, HeldKind, HeldTime, charge_of
from sublet_quota.budgets.period import period_at
from sublet_quota.budgets.standing import BudgetStanding, Whose, standing_of
from sublet_quota.document.lookups.group_budgets import (
    Budget,
    all_budgets,
    budgets_above,
    hours_of_person,
)
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName, UserName

_ONE: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class ChargedHour:
    """What was held in an hour of UTC, or in a part of it, of one kind."""

    hour: datetime
    """When the hour began."""
    payer: GroupName | None
    """The group that paid; ``None``: none."""
    owner: UserName
    model: str
    """The card's model, as NVML tells it."""
    time: HeldTime


@dataclass(frozen=True, slots=True)
class _Holder:
    """Whose time is added up."""

    payer: GroupName | None
    owner: UserName
    model: str


_Key = tuple[HeldKind, bool]


class Spending:
    """The charges of all budgets, by hour."""

    def __init__(self, document: QuotaDocument) -> None:
        """``document`` is one in force (``QuotaDocument.at``)."""
        self._document = document
        self._budgets = {budget.group: budget for budget in all_budgets(document)}
        self._above: dict[GroupName | None, tuple[Budget, ...]] = {}
        self._times: dict[datetime, dict[_Holder, dict[_Key, HeldTime]]] = {}
        self._charges: defaultdict[Whose, dict[datetime, Charge]] = defaultdict(dict)
        self._unread: set[datetime] = set()

    def add(self, part: ChargedHour) -> None:
        """Add what was held in an hour, or in a part of one."""
        if not self._budgets_above(part.payer):
            return
        of_hour = self._times.setdefault(part.hour, {})
        times = of_hour.setdefault(_Holder(part.payer, part.owner, part.model), {})
        key = part.time.kind, part.time.entitled
        before = times.get(key)
        times[key] = part.time if before is None else before.plus(part.time)
        self._unread.add(part.hour)

    def first_hour(self, now: datetime) -> datetime | None:
        """Return the begin of the first hour that counts in any budget; ``None``: there is none."""
        periods = (period_at(each.per, each.zone, now) for each in self._budgets.values())
        return min((period.first_hour for period in periods), default=None)

    def standings(self, now: datetime) -> tuple[BudgetStanding, ...]:
        """Return how each budget stands; of persons those who spent anything in the period."""
        self._read()
        self._forget_before(self.first_hour(now))
        return tuple(self._standings(now))

    def of_person(self, group: GroupName, owner: UserName, now: datetime) -> BudgetStanding | None:
        """Return how a person's budget in a group stands, spent or not; ``None``: they have none.

        That is of what is paid by the group, and by those in it.
        """
        self._read()
        budget = self._budgets.get(group)
        hours = None if budget is None else hours_of_person(self._document, budget, owner)
        if budget is None or hours is None:
            return None
        charges = self._charges.get((group, owner), {})
        return standing_of(budget, hours, owner, charges, now)

    def _standings(self, now: datetime) -> Iterator[BudgetStanding]:
        persons: defaultdict[GroupName, list[UserName]] = defaultdict(list)
        for group, owner in self._charges:
            if owner is not None:
                persons[group].append(owner)
        for budget in self._budgets.values():
            if budget.hours is not None:
                charges = self._charges.get((budget.group, None), {})
                yield standing_of(budget, budget.hours, None, charges, now)
            for owner in sorted(persons[budget.group]):
                standing = self.of_person(budget.group, owner, now)
                if standing is not None:
                    yield standing

    def _read(self) -> None:
        """Charge the hours anew to which anything was added."""
        for hour in self._unread:
            found: defaultdict[Whose, Charge] = defaultdict(Charge)
            for holder, times in self._times[hour].items():
                rate = rate_of_model(self._document, holder.model)
                for budget in self._budgets_above(holder.payer):
                    charge = charge_of(times.values(), rate, budget.lent_rate)
                    found[budget.group, None] += charge
                    if budget.each is not None:
                        found[budget.group, holder.owner] += charge
            for whose, charge in found.items():
                self._charges[whose][hour] = charge
        self._unread.clear()

    def _forget_before(self, first: datetime | None) -> None:
        for hour in [hour for hour in self._times if first is not None and hour < first]:
            del self._times[hour]
            for charges in self._charges.values():
                charges.pop(hour, None)

    def _budgets_above(self, payer: GroupName | None) -> tuple[Budget, ...]:
        if payer not in self._above:
            self._above[payer] = budgets_above(self._document, payer)
        return self._above[payer]


def paying_rate(document: QuotaDocument, payer: GroupName | None) -> Fraction:
    """Return at which part of its time a guest pays for lent room: by the nearest budget.

    A guest whose group has no budget, nor any above it, pays nothing.
    """
    budgets = budgets_above(document, payer)
    return budgets[0].lent_rate if budgets else Fraction(0)


def rate_of_model(document: QuotaDocument, model: str) -> Fraction:
    """Return what an hour on a card of a model counts; a model of no type counts 1."""
    gpu_type = document.type_of(model)
    said = document.gpu_types.get(gpu_type) if isinstance(gpu_type, str) else None
    return _ONE if said is None else said.rate
