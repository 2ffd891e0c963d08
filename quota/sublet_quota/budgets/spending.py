"""What is spent of all budgets of a document: hours of held time, added up as they come.

What one owner's time on cards of one type came to in one hour is added up before guests' payments
are set against it: so the sums do not depend on how the hour came in parts. Only what is new is
reckoned, in integers; the answers are those of adding up from scratch. How each holder's hour came
to be is forgotten once six hours came after it: if a part of it comes later still, its payments are
set against itself alone, which never credits more.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from math import lcm
from typing import Final

from sublet_quota.budgets.accounts import BudgetAccount, BudgetScale, CountedHours
from sublet_quota.budgets.charge import HeldKind, HeldTime
from sublet_quota.budgets.period import period_at
from sublet_quota.budgets.standing import BudgetStanding, standing_after
from sublet_quota.document.lookups.group_budgets import (
    Budget,
    all_budgets,
    budgets_above,
    hours_of_person,
)
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import Right
from sublet_quota.names.ids import GroupName, UserName

_ONE: Final = Fraction(1)
_OPEN_HOURS: Final = 6
_NOTHING: Final = BudgetAccount()


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


@dataclass(slots=True)
class _LentHour:
    """What of one holder's hour was lent, and what guests paid for it."""

    card_us: int = 0
    paid_us: int = 0


_Holder = tuple[GroupName | None, UserName, str]


@dataclass(slots=True)
class _Charged:
    """A budget, and what is charged in it."""

    budget: Budget
    scale: BudgetScale
    counted: CountedHours
    together: BudgetAccount = field(default_factory=BudgetAccount)
    persons: dict[UserName, BudgetAccount] = field(default_factory=dict)

    def account_of(self, owner: UserName) -> BudgetAccount:
        found = self.persons.get(owner)
        if found is None:
            found = self.persons[owner] = BudgetAccount()
        return found


class Spending:
    """The charges of all budgets, by hour."""

    def __init__(self, document: QuotaDocument) -> None:
        """``document`` is one in force (``QuotaDocument.at``)."""
        self._document = document
        self._rates = _Rates(document)
        self._of: dict[GroupName, _Charged] = {
            budget.group: _Charged(
                budget, BudgetScale.of(budget, self._rates.parts), CountedHours(budget)
            )
            for budget in all_budgets(document)
        }
        self._above: dict[GroupName | None, tuple[_Charged, ...]] = {}
        self._lent: dict[datetime, dict[_Holder, _LentHour]] = {}

    def under(self, document: QuotaDocument) -> bool:
        """Go on with another document where time costs the same under it; return whether so.

        Hours, and what follows at their end, may be others. Else all is to be added up anew.
        """
        if _costs(document) != _costs(self._document):
            return False
        self._document = document
        for budget in all_budgets(document):
            self._of[budget.group].budget = budget
        return True

    def add(self, part: ChargedHour) -> None:
        """Add what was held in an hour, or in a part of one."""
        above = self._charged_above(part.payer)
        if not above:
            return
        time, rate = part.time, self._rates.of(part.model)
        before, after = (0, 0), (0, 0)
        if time.kind is HeldKind.LENT:
            of_hour = self._lent.setdefault(part.hour, {})
            lent = of_hour.setdefault((part.payer, part.owner, part.model), _LentHour())
            before = lent.card_us, lent.paid_us
            lent.card_us += time.card_us
            lent.paid_us += time.paid_us
            after = lent.card_us, lent.paid_us
        for each in above:
            scale = each.scale
            charged = time.card_us * scale.price(time.kind, entitled=time.entitled) * rate
            credited = (scale.credit(*after) - scale.credit(*before)) * rate
            hour = each.counted(part.hour)
            each.together.add(hour, charged, credited)
            if each.budget.each is not None:
                each.account_of(part.owner).add(hour, charged, credited)

    def first_hour(self, now: datetime) -> datetime | None:
        """Return the begin of the first hour that counts in any budget; ``None``: there is none."""
        budgets = (each.budget for each in self._of.values())
        periods = (period_at(each.per, each.zone, now) for each in budgets)
        return min((period.first_hour for period in periods), default=None)

    def standings(self, now: datetime) -> tuple[BudgetStanding, ...]:
        """Return how each budget stands; of persons those who spent anything in the period."""
        self._forget(now)
        return tuple(self._standings(now))

    def of_person(self, group: GroupName, owner: UserName, now: datetime) -> BudgetStanding | None:
        """Return how a person's budget in a group stands, spent or not; ``None``: they have none.

        That is of what is paid by the group, and by those in it.
        """
        charged = self._of.get(group)
        if charged is None:
            return None
        return self._of_person(charged, owner, now)

    def _of_person(
        self, charged: _Charged, owner: UserName, now: datetime
    ) -> BudgetStanding | None:
        hours = hours_of_person(self._document, charged.budget, owner)
        if hours is None:
            return None
        account = charged.persons.get(owner, _NOTHING)
        return _standing(charged, hours, owner, account, now)

    def _standings(self, now: datetime) -> Iterator[BudgetStanding]:
        for each in self._of.values():
            budget = each.budget
            if budget.hours is not None:
                yield _standing(each, budget.hours, None, each.together, now)
            for owner in sorted(each.persons) if budget.each is not None else ():
                standing = self._of_person(each, owner, now)
                if standing is not None:
                    yield standing

    def _forget(self, now: datetime) -> None:
        """Forget what counts no more, and how hours came to be that are long over."""
        for each in self._of.values():
            budget = each.budget
            first = period_at(budget.per, budget.zone, now).first_hour
            each.together.forget_before(first)
            for account in each.persons.values():
                account.forget_before(first)
            for owner in [one for one, account in each.persons.items() if account.is_empty]:
                del each.persons[owner]
        for hour in sorted(self._lent)[:-_OPEN_HOURS]:
            del self._lent[hour]

    def _charged_above(self, payer: GroupName | None) -> tuple[_Charged, ...]:
        if payer not in self._above:
            budgets = budgets_above(self._document, payer)
            self._above[payer] = tuple(self._of[budget.group] for budget in budgets)
        return self._above[payer]


class _Rates:
    """What types count, in whole numbers."""

    def __init__(self, document: QuotaDocument) -> None:
        self._document = document
        rates = (gpu_type.rate for gpu_type in document.gpu_types.values())
        self.parts = lcm(*(Fraction(rate).denominator for rate in rates))
        self._of: dict[str, int] = {}

    def of(self, model: str) -> int:
        """Return in how many parts of 1 an hour on a card of a model counts."""
        if model not in self._of:
            self._of[model] = int(rate_of_model(self._document, model) * self.parts)
        return self._of[model]


def _standing(
    charged: _Charged,
    hours: Right[Fraction],
    owner: UserName | None,
    account: BudgetAccount,
    now: datetime,
) -> BudgetStanding:
    scale = charged.scale
    total, by_hour = account.total(scale), account.by_hour(scale)
    return standing_after(charged.budget, hours, owner, total, by_hour, now=now)


def _costs(document: QuotaDocument) -> tuple[object, ...]:
    """Return all by which it is known what time costs whom, and in which period it counts."""
    budgets = tuple(
        (each.group, each.per, each.zone, each.lent_rate, each.each is None)
        for each in all_budgets(document)
    )
    paths = tuple(document.path_of(name) for name in document.all_groups)
    return budgets, paths, document.gpu_types


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
