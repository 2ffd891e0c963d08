"""The part of a document that some groups are, as a document of its own, and the rest without it.

The part is the groups with all below them, and the exceptions and reservations of what is below:
what their admins are sent (``parts``), as values.
"""

from collections.abc import Iterable, Mapping

from sublet_quota.document.administered.changes import is_of_groups, own_parts
from sublet_quota.document.administered.groups import below
from sublet_quota.document.lookups.moments import InForce
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import GroupQuota


def part_alone(document: QuotaDocument, groups: Iterable[str]) -> QuotaDocument:
    """Return what a document says of these groups, none below another, as if it said no more."""
    tops = [name for name in groups if name in document.all_groups]
    own = own_parts(document, tops)
    return QuotaDocument().with_parts(
        InForce(
            reservations=own.reservations,
            exceptions=own.exceptions,
            closed=(),
            groups={name: each for name, each in document.all_groups.items() if name in tops},
            sizes={},
            origins={},
        )
    )


def rest_alone(document: QuotaDocument, groups: Iterable[str]) -> QuotaDocument:
    """Return a document without what it says of these groups."""
    tops = frozenset(groups)
    theirs = below(document, tops)
    return document.with_parts(
        InForce(
            reservations=tuple(e for e in document.reservations if e.for_ not in theirs),
            exceptions=tuple(e for e in document.exceptions if not is_of_groups(e, theirs)),
            closed=document.closed,
            groups=_without(document.groups, tops),
            sizes=document.sizes,
            origins={},
        )
    )


def _without(groups: Mapping[str, GroupQuota], names: frozenset[str]) -> dict[str, GroupQuota]:
    return {
        name: group.model_copy(update={"groups": _without(group.groups, names)})
        for name, group in groups.items()
        if name not in names
    }
