"""Bodies of the API about budgets: what is spent of each in its period, and what is left."""

from typing import Annotated, Final

from pydantic import Field

from sublet_quota.wire.schema import AnswerModel, AwareDatetime, Count, Name, Words

_MOST_BUDGETS: Final = 100_000
_MOST_HOURS: Final = 1e12
BudgetHours = Annotated[float, Field(ge=0, le=_MOST_HOURS, allow_inf_nan=False)]
"""Hours on cards, times the rate of their type."""


class BudgetInfo(AnswerModel):
    """One budget, of a group together or of one person, in the period that lasts."""

    group: Name
    """The group whose budget it is: all that the group and those in it pay counts in it."""
    owner: Name | None = None
    """Whose it is; ``None``: of all together."""
    hours: BudgetHours
    """What may be spent in a period."""
    charged: BudgetHours
    credited: BudgetHours
    """What of that was paid by guests of idle slices, and is to be had again."""
    left: BudgetHours
    warn: BudgetHours
    """At how many hours spent it is told that they end."""
    is_over: bool
    at_end: Name
    """``soft-landing``: what is new counts as borrowed with weight 0, as what runs; ``no-new``:
    nothing new is let in."""
    begins_at: AwareDatetime
    """When the period began."""
    renews_at: AwareDatetime | None
    """When there are hours again; ``None``: that is not known, or there are."""
    source: Words
    """What says the hours: ``groups.science.budget.hours``."""
    line: Count | None
    """The quota document's line."""

    @property
    def spent(self) -> float:
        """What is spent, less what is credited."""
        return self.charged - self.credited


class BudgetList(AnswerModel):
    """Budgets, by group, of all together before those of persons."""

    budgets: tuple[BudgetInfo, ...] = Field(default=(), max_length=_MOST_BUDGETS)
