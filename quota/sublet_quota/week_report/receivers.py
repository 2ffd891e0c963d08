"""Who is sent which groups' weeks: the admins of each, or those who are named instead. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sublet_quota.document.administered.groups import with_all_below
from sublet_quota.document.lookups.group_paths import walk
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.wire.week import WeekReport

EVERY_GROUP: Final = "*"
"""In the place of a group's name: the whole report, with what no group paid."""


@dataclass(frozen=True, slots=True)
class Receivers:
    """To whom a week goes."""

    groups_of: Mapping[str, frozenset[str] | None]
    """By user: the groups that they are told of; ``None``: all, and what no group paid."""
    without: tuple[str, ...]
    """The groups of which nobody is told, by name."""


def admin_groups(document: QuotaDocument, named: Collection[str]) -> frozenset[str]:
    """Return the hub's groups whose members are sent something; ``named``: groups that have others.

    It takes the hub, or what was kept of its users, to know who these are.
    """
    return frozenset(
        each
        for path, group in walk(document.groups)
        if path[-1] not in named
        for each in group.admins.groups or ()
    )


def receivers_of(
    document: QuotaDocument,
    members: Mapping[str, Collection[str]],
    named: Mapping[str, Collection[str]],
) -> Receivers:
    """Return who is sent which groups, each with all below it.

    ``members``: the users in each of the hub's ``admin_groups``. ``named``: users by group (or
    ``EVERY_GROUP``) who are sent it in the place of its admins.
    """
    found: dict[str, frozenset[str] | None] = {}
    told: frozenset[str] = frozenset()
    for path, group in walk(document.groups):
        name, admins = path[-1], group.admins
        users = named.get(name)
        if users is None:
            in_groups = (user for each in admins.groups or () for user in members.get(each, ()))
            users = {*(admins.users or ()), *in_groups}
        if not users:
            continue
        theirs = with_all_below(document, (name,))
        told |= theirs
        for user in users:
            found[user] = (found.get(user) or frozenset()) | theirs
    found |= dict.fromkeys(named.get(EVERY_GROUP, ()))
    everything = None in found.values()
    without = () if everything else tuple(sorted(set(document.group_paths.paths) - told))
    return Receivers(found, without)


def part_of(report: WeekReport, groups: frozenset[str] | None) -> WeekReport:
    """Return what a report says of some groups; ``None``: all of it."""
    if groups is None:
        return report
    some = tuple(each for each in report.groups if each.group in groups)
    return report.model_copy(update={"groups": some})
