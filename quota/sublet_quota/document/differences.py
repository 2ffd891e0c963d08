"""How two quota documents differ: in what is written, key by key, and in the rights that follow.

One key can change the rights of many: what a group does not say it has from those above it, and
from ``everyone``. So rights are compared as they hold, for a member of each group, and for somebody
who is in none.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import rights_of
from sublet_quota.document.told_rights import tell_rights
from sublet_quota.names.ids import GroupName

_NOBODY: Final = ""
_NAME: Final = "name"


@dataclass(frozen=True, slots=True)
class Difference:
    """A key, or a right, with what it is before and after; ``None``: it is not there."""

    what: str
    before: str | None
    after: str | None


def written_differences(before: QuotaDocument, after: QuotaDocument) -> tuple[Difference, ...]:
    """Return the keys that say something else, by name: ``groups.science.guaranteed.H100``."""
    return _differences(dict(_keys(_dumped(before))), dict(_keys(_dumped(after))))


def right_differences(
    before: QuotaDocument, after: QuotaDocument, now: datetime
) -> tuple[Difference, ...]:
    """Return the rights that are others: ``member of nlp: limit of H100``.

    Of groups that both documents have: what comes and goes is told by what is written.
    """
    known = before.all_groups.keys() & after.all_groups.keys()
    one, other = (_rights(document.at(now), known, now) for document in (before, after))
    return _differences(one, other)


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Difference, ...]:
    return tuple(
        Difference(what, before.get(what), after.get(what))
        for what in dict.fromkeys((*before, *after))
        if before.get(what) != after.get(what)
    )


def _dumped(document: QuotaDocument) -> dict[str, Any]:
    return document.model_dump(mode="json", by_alias=True, exclude_none=True)


def _keys(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Go through all that is said, with its key; entries of a list have their names in it."""
    if isinstance(value, dict):
        for key, content in value.items():
            yield from _keys(content, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        for position, entry in enumerate(value):
            if _NAME in entry:
                rest = {key: content for key, content in entry.items() if key != _NAME}
                yield from _keys(rest, f"{path}.{entry[_NAME]}")
            else:
                yield from _keys(entry, f"{path}[{position}]")
    elif isinstance(value, list) and (value or "." in path):
        # A section without entries says nothing; a list of names that is empty does.
        yield path, ", ".join(map(str, value)) or "none"
    elif isinstance(value, list):
        return
    else:
        yield path, str(value).lower() if isinstance(value, bool) else str(value)


def _rights(document: QuotaDocument, known: Collection[GroupName], now: datetime) -> dict[str, str]:
    told: dict[str, str] = {}
    for group, member in _members(document):
        if group is not None and group not in known:
            continue
        who = "in no group" if group is None else f"member of {group}"
        for line in tell_rights(document, rights_of(document, _NOBODY, member), now):
            told.setdefault(f"{who}: {line.right}", line.value)
    return told


def _members(document: QuotaDocument) -> Iterator[tuple[GroupName | None, tuple[str, ...]]]:
    """Go through the groups with direct members, and with a hub's group that makes one of them.

    Who is in that group of the hub may be in others of the document, too: one is sought whose
    members are in this group alone.
    """
    yield None, ()
    for name, group in document.all_groups.items():
        named = (name,) if group.members is None else group.members
        if named:
            alone = (each for each in named if document.groups_of((each,)) == (name,))
            yield name, (next(alone, named[0]),)
