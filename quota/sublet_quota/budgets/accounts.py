"""What is charged in one budget, hour by hour, in whole numbers: exact, and quickly added up."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from sublet_quota.budgets.charge import US_PER_HOUR, Charge, HeldKind
from sublet_quota.budgets.period import hour_of, period_at
from sublet_quota.document.lookups.group_budgets import Budget

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BudgetScale:
    """How many of a budget's least parts a card-microsecond costs."""

    whole: int
    """What entitled time costs."""
    lent: int
    """What borrowed and lent time costs."""
    part: Fraction
    """How many hours a least part is."""

    @classmethod
    def of(cls, budget: Budget, parts_of_rates: int) -> "BudgetScale":
        """``parts_of_rates``: in how many parts of 1 all rates of types are whole numbers."""
        lent, whole = budget.lent_rate.numerator, budget.lent_rate.denominator
        return cls(whole, lent, Fraction(1, US_PER_HOUR * whole * parts_of_rates))

    def price(self, kind: HeldKind, *, entitled: bool) -> int:
        """Return what a card-microsecond of a kind costs on a card of rate 1."""
        match kind:
            case HeldKind.SUSPENDED:
                return 0
            case HeldKind.LENT:
                return self.lent
            case HeldKind.USED | HeldKind.IDLE:
                return self.whole if entitled else self.lent

    def credit(self, lent_us: int, paid_us: int) -> int:
        """Return what is credited of lent time for which guests paid: never more than it costs."""
        return min(lent_us * self.lent, paid_us * self.whole)


@dataclass(slots=True)
class BudgetAccount:
    """The charges of one budget, of a group together or of one person."""

    _charged: dict[datetime, int] = field(default_factory=dict)
    _credited: dict[datetime, int] = field(default_factory=dict)
    _total: int = 0
    _total_credited: int = 0
    _first: datetime = _NEVER
    """What is charged before it counts no more."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was charged that counts."""
        return not self._charged

    def add(self, hour: datetime, charged: int, credited: int) -> None:
        """Charge something, and credit something of it, in an hour."""
        if hour < self._first:
            return
        self._charged[hour] = self._charged.get(hour, 0) + charged
        self._total += charged
        if credited:
            self._credited[hour] = self._credited.get(hour, 0) + credited
            self._total_credited += credited

    def forget_before(self, first: datetime) -> None:
        """Let what is charged before an hour not count any more; nothing comes for it later."""
        if first <= self._first:
            return
        self._first = first
        for hour in [one for one in self._charged if one < first]:
            self._total -= self._charged.pop(hour)
            self._total_credited -= self._credited.pop(hour, 0)

    def total(self, scale: BudgetScale) -> Charge:
        """Return all that counts."""
        return Charge(self._total * scale.part, self._total_credited * scale.part)

    def by_hour(self, scale: BudgetScale) -> Iterator[tuple[datetime, Fraction]]:
        """Go through the hours that count, the oldest first, with what was spent in each."""
        for hour in sorted(self._charged):
            yield hour, (self._charged[hour] - self._credited.get(hour, 0)) * scale.part


class CountedHours:
    """By which hour a charge is kept: by its own, or all of a period of the calendar together."""

    def __init__(self, budget: Budget) -> None:
        self._per, self._zone = budget.per, budget.zone
        self._first = self._end = _NEVER

    def __call__(self, hour: datetime) -> datetime:
        """Return by which hour what was held in an hour of UTC is kept."""
        if self._first <= hour < self._end:
            return self._first
        period = period_at(self._per, self._zone, hour)
        if period.end is None:
            return hour
        self._first, self._end = period.first_hour, hour_of(period.end)
        return self._first
