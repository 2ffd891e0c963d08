"""The limits of groups: each binds, on the group and on all above it."""

from collections.abc import Mapping

from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import Right, Source
from sublet_quota.document.value_kinds.amount_limit import AmountLimit
from sublet_quota.document.values import Unlimited
from sublet_quota.names.ids import GroupName
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Limit, LimitKind


def source_of(document: QuotaDocument, path: KeyPath) -> Source:
    """Return where a document says what it has at a path."""
    return Source(document.origin_of(path), document.line_of(path))


def limit_of(said: AmountLimit) -> Limit:
    """Return a limit of a document as shares count it: what is not said is no limit."""
    return Limit(
        types={name: most for name, most in said.types.items() if not isinstance(most, Unlimited)},
        cards=None if isinstance(said.cards, Unlimited) else said.cards,
        memory_mib=None if isinstance(said.memory, Unlimited) else said.memory,
        slices=None if isinstance(said.slices, Unlimited) else said.slices,
    )


def group_limits(document: QuotaDocument, group: str | None) -> Mapping[NodeName, Limit]:
    """Return the limits of a group and of all above it; none where no group pays."""
    return {
        NodeName(name): limit_of(document.all_groups[name].limit) for name in _path(document, group)
    }


def group_job_limits(document: QuotaDocument, group: str | None) -> Mapping[NodeName, Limit]:
    """Return the limits that running jobs have apart, where a group says `jobs.limit`.

    In a group that is not in it jobs count into ``group_limits``.
    """
    return {
        NodeName(name): limit_of(limit)
        for name in _path(document, group)
        if (limit := document.all_groups[name].jobs.limit) is not None
    }


def group_jobs_most(document: QuotaDocument, group: str | None) -> Mapping[NodeName, Right[int]]:
    """Return how many jobs a group and all above it may have, waiting or running, where said."""
    most: dict[NodeName, Right[int]] = {}
    for name in _path(document, group):
        said = document.all_groups[name].jobs.most
        if said is not None and not isinstance(said, Unlimited):
            path = (*key_path(document.path_of(name)), "jobs", "most")
            most[NodeName(name)] = Right(said, source_of(document, path))
    return most


def limit_source(
    document: QuotaDocument, group: GroupName, kind: LimitKind, gpu_type: str | None
) -> Source:
    """Return what says a limit of a group; ``gpu_type``: of which type, where it is of one."""
    key = kind.value if gpu_type is None else gpu_type
    return source_of(document, (*key_path(document.path_of(group)), "limit", key))


def _path(document: QuotaDocument, group: str | None) -> tuple[GroupName, ...]:
    return () if group is None else document.path_of(group)
