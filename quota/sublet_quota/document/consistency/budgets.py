"""Budgets that say how, and not how much; and hours said for the wrong one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sublet_quota.document.lookups.group_paths import key_path, walk
from sublet_quota.document.problems import Contradiction
from sublet_quota.document.value_kinds.budget import EachBudget, GroupBudget, SetBudget
from sublet_quota.names.ids import GroupName

if TYPE_CHECKING:
    from sublet_quota.document.quota_document import QuotaDocument


def budgets_that_do_not_fit(document: "QuotaDocument") -> Iterator[Contradiction]:
    """Yield each budget without hours, and hours of an exception that are nobody's."""
    for path, group in walk(document.groups):
        said = group.budget
        if said != GroupBudget() and said.hours is None and said.each.hours is None:
            yield Contradiction(
                (*key_path(path), "budget"),
                "says no hours: write `hours: 2000` for all together, or `each: {hours: 400}`",
            )
    for place, exception in enumerate(document.exceptions):
        where = ("exceptions", place, "set", "budget")
        said_here = exception.set_.budget
        if exception.who and said_here.each != EachBudget():
            yield Contradiction(
                (*where, "each"), "is for groups alone: write for persons `budget: {hours: 400}`"
            )
        if said_here == SetBudget():
            continue
        for name in exception.groups:
            group_there = document.all_groups.get(GroupName(name))
            if group_there is not None and group_there.budget == GroupBudget():
                yield Contradiction(
                    where, f"sets hours for '{name}', which has no `budget`: write one there"
                )
