"""Which groups of a document somebody administers, and what is below these.

A scope of the hub names a group of the hub. It gives the groups of the document whose members are
this one and no other: so nobody who is in several groups of the hub together is given away by the
scope of one of them. Any other group has its admins in the document.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sublet_quota.document.lookups.group_paths import walk
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import GroupQuota
from sublet_quota.names.ids import GroupName


@dataclass(frozen=True, slots=True)
class GroupClaims:
    """By what somebody may be an admin of groups."""

    hub_groups: frozenset[str] = frozenset()
    """The hub's groups that their scope names."""
    every_group: bool = False
    """Whether their scope names none, and so means all."""
    user: str | None = None
    """The user whom the document may name; ``None``: their token does not act for one in this."""
    member_of: frozenset[str] = frozenset()
    """The hub's groups that this user is in."""

    @property
    def are_none(self) -> bool:
        """Whether no document can give them anything."""
        return not (self.hub_groups or self.every_group) and self.user is None


def administered(document: QuotaDocument, claims: GroupClaims) -> tuple[GroupName, ...]:
    """Return the groups that somebody administers, by name; of one below another only this other.

    ``document`` is one as it was written, or in force: exceptions name no admins.
    """
    if claims.are_none:
        return ()
    found = {
        path for path, group in walk(document.groups) if _is_given(path[-1], group, path, claims)
    }
    return tuple(
        sorted(
            path[-1]
            for path in found
            if not any(path[:length] in found for length in range(1, len(path)))
        )
    )


def are_administered(
    document: QuotaDocument, claims: GroupClaims, groups: Iterable[GroupName]
) -> bool:
    """Whether somebody administers each of these groups, or one above it."""
    return with_all_below(document, administered(document, claims)).issuperset(groups)


def _is_given(
    name: GroupName, group: GroupQuota, path: tuple[GroupName, ...], claims: GroupClaims
) -> bool:
    if claims.every_group and len(path) == 1:
        return True
    only = hub_group_of(name, group)
    return (only is not None and only in claims.hub_groups) or group.admins.has(
        claims.user, claims.member_of
    )


def hub_group_of(name: GroupName, group: GroupQuota) -> str | None:
    """Return the hub's group that a group of the document is; ``None``: it is not one alone."""
    if group.members is None:
        return name
    members = tuple(dict.fromkeys(group.members))
    return members[0] if len(members) == 1 else None


def below(document: QuotaDocument, groups: Iterable[str]) -> frozenset[GroupName]:
    """Return the groups that are below these, without them."""
    tops = frozenset(groups)
    return frozenset(
        name for name, path in document.group_paths.paths.items() if not tops.isdisjoint(path[:-1])
    )


def with_all_below(document: QuotaDocument, groups: Iterable[str]) -> frozenset[GroupName]:
    """Return these groups, as far as there are such, and those below them."""
    tops = frozenset(groups)
    return frozenset(
        name for name, path in document.group_paths.paths.items() if not tops.isdisjoint(path)
    )


def gone_from(
    before: QuotaDocument, after: QuotaDocument, groups: Iterable[str]
) -> frozenset[GroupName]:
    """Return what was below each of these groups and is not below the same one any more."""
    return frozenset(
        name
        for group in groups
        for name in with_all_below(before, (group,)) - with_all_below(after, (group,))
    )


def members_below(document: QuotaDocument, groups: Iterable[str]) -> frozenset[str]:
    """Return the hub's groups whose members belong to these groups, or to some below them."""
    found = with_all_below(document, groups)
    return frozenset(
        member for name in found for member in direct_members(name, document.all_groups[name])
    )


def direct_members(name: GroupName, group: GroupQuota) -> tuple[str, ...]:
    """Return the hub's groups whose members belong to a group directly."""
    return (name,) if group.members is None else group.members
