"""What is spent of all budgets, from scratch: each answer goes through every hour of the period."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sublet_quota.budgets.charge import Charge, HeldKind, HeldTime, charge_of
from sublet_quota.budgets.spending import ChargedHour, rate_of_model
from sublet_quota.budgets.standing import BudgetStanding, Whose, standing_of
from sublet_quota.document.lookups.group_budgets import (
    Budget,
    all_budgets,
    budgets_above,
    hours_of_person,
)
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName, UserName


@dataclass(frozen=True, slots=True)
class _Holder:
    """Whose time is added up."""

    payer: GroupName | None
    owner: UserName
    model: str


_Key = tuple[HeldKind, bool]


class NaiveSpending:
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

    def standings(self, now: datetime) -> tuple[BudgetStanding, ...]:
        """Return how each budget stands; of persons those who spent anything in the period."""
        self._read()
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

    def _budgets_above(self, payer: GroupName | None) -> tuple[Budget, ...]:
        if payer not in self._above:
            self._above[payer] = budgets_above(self._document, payer)
        return self._above[payer]
