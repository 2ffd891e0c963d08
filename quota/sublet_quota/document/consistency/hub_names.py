"""The hub's groups and users that a quota document names, and what the hub does not know of them.

A name that nobody has heard of may be mistyped. It may also be of somebody who has not logged in
yet, or of a group that comes with its first member: so it is a warning, and nothing is refused.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from sublet_quota.document.consistency.contradictions import nearest
from sublet_quota.document.consistency.warnings import DocumentWarning
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import GroupName


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What the hub says of the names in a document."""

    groups: frozenset[str] | None
    """All its groups; ``None``: it does not tell."""
    users: Mapping[str, bool] = field(default_factory=dict)
    """Of users who were asked after: whether it knows them."""
    near_users: frozenset[str] = frozenset()
    """Users of the hub, for what may have been meant: perhaps not all of them."""


_MOST_NEAR: Final = 10
"""Of so many unknown groups, and users, is told what may have been meant: it is looked for long."""
_MOST_TOLD: Final = 100
_ADMINS_OF_HUB: Final = ("admins", "groups")


def names_groups(document: QuotaDocument) -> bool:
    """Whether a document says who its groups' members are."""
    return any(True for _ in _members(document))


def named_users(document: QuotaDocument) -> frozenset[str]:
    """Return the users whom a document names, however often."""
    return frozenset(name for _, name in _named(document))


def hub_name_warnings(document: QuotaDocument, known: KnownNames) -> tuple[DocumentWarning, ...]:
    """Return which groups and users the hub does not know; or that it does not tell of groups."""
    return tuple(
        DocumentWarning(document.origin_of(path), document.line_of(path), words)
        for path, words in (*_groups(document, known.groups), *_users(document, known))
    )


def unknown_group(name: str, known: Collection[str], *, looks_near: bool = True) -> str:
    """Return in words that the hub has no such group, and which may have been meant."""
    return f"JupyterHub has no group '{name}'{nearest(name, sorted(known)) if looks_near else ''}"


def unknown_user(name: str, known: Collection[str], *, looks_near: bool = True) -> str:
    """Return in words that the hub knows nobody of this name yet, and who may have been meant."""
    near = nearest(name, sorted(known)) if looks_near else ""
    return f"JupyterHub has no user '{name}' yet{near}"


def _groups(document: QuotaDocument, known: frozenset[str] | None) -> Iterator[tuple[KeyPath, str]]:
    if known is None:
        if names_groups(document):
            yield (
                ("groups",),
                (
                    "whether JupyterHub has the groups that are named as members is not known: the "
                    "service's role there lacks the scope `list:groups`"
                ),
            )
        return
    unknown = [each for each in _members(document) if each[2] not in known]
    for place, (group, keys, name) in enumerate(unknown[:_MOST_TOLD]):
        path = (*key_path(document.path_of(group)), *keys)
        if path[-1] == "members" or path[-2:] == _ADMINS_OF_HUB:
            yield path, unknown_group(name, known, looks_near=place < _MOST_NEAR)
        else:
            near = nearest(name, sorted(known)) if place < _MOST_NEAR else ""
            yield path, f"JupyterHub has no group of this name, so nobody is a member{near}"
    yield from _more(("groups",), len(unknown), "groups")


def _members(document: QuotaDocument) -> Iterator[tuple[GroupName, KeyPath, str]]:
    """Yield the groups of the hub that are named: in which group, below which keys of it.

    A group that only holds others together needs none of its own name.
    """
    for name, group in document.all_groups.items():
        if group.members is not None:
            yield from ((name, ("members",), each) for each in group.members)
        elif not group.groups:
            yield name, (), name
        yield from ((name, _ADMINS_OF_HUB, each) for each in group.admins.groups or ())


def _users(document: QuotaDocument, known: KnownNames) -> Iterator[tuple[KeyPath, str]]:
    unknown = [each for each in _named(document) if not known.users.get(each[1], True)]
    for told, (path, name) in enumerate(unknown[:_MOST_TOLD]):
        yield path, unknown_user(name, known.near_users, looks_near=told < _MOST_NEAR)
    yield from _more(("exceptions",), len(unknown), "users")


def _named(document: QuotaDocument) -> Iterator[tuple[KeyPath, str]]:
    """Yield the users who are named, with where."""
    for place, exception in enumerate(document.exceptions):
        yield from ((("exceptions", place, "who"), name) for name in exception.who)
    for group, said in document.all_groups.items():
        if said.admins.users:
            path = (*key_path(document.path_of(group)), "admins", "users")
            yield from ((path, name) for name in said.admins.users)


def _more(path: KeyPath, unknown: int, what: str) -> Iterator[tuple[KeyPath, str]]:
    if unknown > _MOST_TOLD:
        yield path, f"JupyterHub has not {unknown - _MOST_TOLD} more of the {what} that are named"
