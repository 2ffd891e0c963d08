"""How a budget stands: what is spent of it in the period, and when there will be hours again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from sublet_quota.budgets.charge import Charge
from sublet_quota.budgets.period import HOUR, period_at
from sublet_quota.document.lookups.group_budgets import Budget, budget_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import Right
from sublet_quota.document.value_kinds.budget_values import AtEnd
from sublet_quota.names.ids import GroupName, UserName

Whose = tuple[GroupName, UserName | None]
"""A group's budget, of all together, or of one person."""


@dataclass(frozen=True, slots=True)
class BudgetStanding:
    """One budget in the period that lasts."""

    budget: Budget
    owner: UserName | None
    """Whose it is; ``None``: of all together."""
    hours: Right[Fraction]
    charged: Fraction
    credited: Fraction
    begins_at: datetime
    renews_at: datetime | None
    """When there are hours again, if nothing more is spent: at the next period; of a rolling one
    that is over, as enough has left it. ``None``: that is not known, or never is.
    """

    @property
    def group(self) -> GroupName:
        """The group whose budget it is."""
        return self.budget.group

    @property
    def whose(self) -> Whose:
        """By what it is known among all budgets."""
        return self.group, self.owner

    @property
    def spent(self) -> Fraction:
        """What is spent, less what is credited."""
        return self.charged - self.credited

    @property
    def left(self) -> Fraction:
        """The hours that are left."""
        return max(Fraction(0), self.hours.value - self.spent)

    @property
    def warn_at(self) -> Fraction:
        """The hours at which it is told that they end."""
        return self.hours.value * self.budget.warn

    @property
    def is_over(self) -> bool:
        """Whether the hours are spent."""
        return self.spent >= self.hours.value

    @property
    def warns(self) -> bool:
        """Whether it is to be told that the hours end: they are not over yet."""
        return not self.is_over and self.spent >= self.warn_at


def standing_of(
    budget: Budget,
    hours: Right[Fraction],
    owner: UserName | None,
    charges: Mapping[datetime, Charge],
    now: datetime,
) -> BudgetStanding:
    """Return how a budget stands.

    ``charges``: what was charged in each hour of UTC, by when that began; hours that do not count
    in the period may be among them.
    """
    first = period_at(budget.per, budget.zone, now).first_hour
    counted = [(hour, charges[hour]) for hour in sorted(charges) if hour >= first]
    total = sum((charge for _, charge in counted), Charge())
    by_hour = ((hour, charge.spent) for hour, charge in counted)
    return standing_after(budget, hours, owner, total, by_hour, now=now)


def standing_after(  # noqa: PLR0913 - what a standing is made of
    budget: Budget,
    hours: Right[Fraction],
    owner: UserName | None,
    total: Charge,
    by_hour: Iterable[tuple[datetime, Fraction]],
    *,
    now: datetime,
) -> BudgetStanding:
    """Return how a budget stands after all that counts in its period.

    ``by_hour``: what of that was spent in each hour, the oldest first; read for a rolling one that
    is over alone.
    """
    period = period_at(budget.per, budget.zone, now)
    renews_at = period.end
    if isinstance(budget.per, timedelta):
        renews_at = _rolls_free(by_hour, total.spent, hours.value, budget.per)
    return BudgetStanding(
        budget=budget,
        owner=owner,
        hours=hours,
        charged=total.charged,
        credited=total.credited,
        begins_at=period.begin,
        renews_at=renews_at if hours.value else None,
    )


def _rolls_free(
    by_hour: Iterable[tuple[datetime, Fraction]],
    spent: Fraction,
    hours: Fraction,
    length: timedelta,
) -> datetime | None:
    """Return when so much has left a rolling period that there are hours; ``None``: there are."""
    if spent < hours:
        return None
    free_at = None
    for hour, of_hour in by_hour:
        if spent < hours:
            break
        spent -= of_hour
        free_at = hour + HOUR + length
    return free_at


@dataclass(frozen=True, slots=True)
class Spent:
    """The budgets that are over: what these pay for counts as borrowed with weight 0."""

    over: Mapping[Whose, BudgetStanding] = field(default_factory=dict)

    def is_over(self, document: QuotaDocument, group: str | None, owner: UserName) -> bool:
        """Whether a budget is over of what a group pays for somebody."""
        return bool(self.over) and bool(self.on(document.path_of_payer(group), owner))

    def under(self, document: QuotaDocument) -> "Spent":
        """Return those of them that another document has, too; how they stand is told anew."""
        left = {
            whose: each
            for whose, each in self.over.items()
            if whose[0] in document.all_groups and budget_of(document, whose[0]) is not None
        }
        return Spent(left)

    def towards(self, spent: "Spent", most: int) -> Iterator["Spent"]:
        """Yield how these become others, in steps of so many budgets; the last are the others."""
        over, then = dict(self.over), spent.over
        changed = [whose for whose in over if whose not in then]
        changed += [whose for whose in then if whose not in over]
        for start in range(0, len(changed) - most, most):
            for whose in changed[start : start + most]:
                if whose in then:
                    over[whose] = then[whose]
                else:
                    del over[whose]
            yield Spent(dict(over))
        yield spent

    @classmethod
    def of(cls, standings: Iterable[BudgetStanding]) -> "Spent":
        """Return those of these budgets that are over."""
        return cls(MappingProxyType({each.whose: each for each in standings if each.is_over}))

    def on(self, path: Sequence[GroupName], owner: UserName) -> tuple[BudgetStanding, ...]:
        """Return the budgets that are over of what the last group of a path pays for somebody.

        The group's own come first, then those above.
        """
        if not self.over:
            return ()
        asked: list[Whose] = []
        for group in reversed(path):
            asked += [(group, owner), (group, None)]
        return tuple(self.over[each] for each in asked if each in self.over)

    def is_own_over(self, path: Sequence[GroupName], owner: UserName) -> bool:
        """Whether a budget of the person's own is over, of what the last of a path pays."""
        return bool(self.over) and any((group, owner) in self.over for group in path)

    def refuses(self, path: Sequence[GroupName], owner: UserName) -> BudgetStanding | None:
        """Return the budget that lets in nothing new; ``None``: there is none.

        Of several the one with hours again last: before then none of them helps.
        """
        found = [each for each in self.on(path, owner) if each.budget.at_end is AtEnd.NO_NEW]
        never = [each for each in found if each.renews_at is None]
        if never or not found:
            return never[0] if never else None
        return max(found, key=lambda each: each.renews_at or each.begins_at)


NOTHING_SPENT: Final = Spent()
