"""Budgets in a quota document: hours on cards that may be spent in a period.

A key that is left out says nothing; ``lookups.group_budgets`` has what holds then.
"""

from pydantic import Field

from sublet_quota.document.section import Section
from sublet_quota.document.value_kinds.budget_values import EndOfBudget, HoursLimit, Period
from sublet_quota.document.value_kinds.cards import Part
from sublet_quota.document.value_kinds.reserved_time import Zone


class EachBudget(Section):
    """What each member of a group may spend."""

    hours: HoursLimit | None = Field(
        default=None,
        description="Hours on cards, times their `rate`, that each member may spend in a period "
        "of what the group pays; 'unlimited' lifts it.",
    )


class GroupBudget(Section):
    """The hours on cards that a group may spend in a period; what runs is never ended for it."""

    hours: HoursLimit | None = Field(
        default=None,
        description="Hours on cards, times their `rate`, that all members together may spend in a "
        "period; 'unlimited' lifts it.",
    )
    per: Period | None = Field(
        default=None,
        description="The period: day, week, month, quarter or year of the calendar, or a time span "
        "such as '30d', which is always the last so many days. When nobody says: 30d.",
    )
    zone: Zone | None = Field(
        default=None,
        description="Whose wall clock begins a period of the calendar, such as Europe/Berlin. When "
        "nobody says: UTC.",
    )
    lent_rate: Part | None = Field(
        default=None,
        description="Which part of its time counts while a slice is borrowed, or is lent. When "
        "nobody says: 1/4.",
    )
    warn: Part | None = Field(
        default=None,
        description="At which part of the hours it is told that they end. When nobody says: 80%.",
    )
    at_end: EndOfBudget | None = Field(
        default=None,
        description="What holds for new slices and jobs when the hours are spent: soft-landing, "
        "they count as borrowed with weight 0 as does what runs, or no-new, they are refused. "
        "When nobody says: soft-landing.",
    )
    each: EachBudget = Field(
        default=EachBudget(), description="What each member may spend in the same period."
    )


class SetBudget(Section):
    """Other hours, for a time."""

    hours: HoursLimit | None = Field(
        default=None,
        description="The hours of a group's budget, or of one person in each budget of theirs.",
    )
    each: EachBudget = Field(
        default=EachBudget(), description="For a group alone: what each member may spend."
    )
