"""How two quota documents differ: in what is written, key by key, and in the rights that follow.

One key can change the rights of many: what a group does not say it has from those above it, and
from ``everyone``. So rights are compared as they hold, for a member of each group, and for somebody
who is in none.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import rights_of
from sublet_quota.document.section import Section
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
    """Return the keys that say something else, by name: ``groups.science.guaranteed.H100``.

    Of keys that one of both writes; where the other does not, it has what holds when nobody says.
    """
    one, other = _written(before), _written(after)
    keys = dict.fromkeys((*one, *other))
    return _differences(_held(before, one, keys), _held(after, other, keys))


def written_keys(section: Section) -> tuple[tuple[str, str], ...]:
    """Return the keys that a section writes, with their values: ``limit.cards`` and ``4``."""
    return tuple(_keys(_dumped(section)))


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


def _written(document: QuotaDocument) -> dict[str, str]:
    """Return all that is written, by its key; of an entry without keys, that it is there."""
    return {**dict(_keys(_dumped(document))), **dict(_bare(document))}


def _held(document: QuotaDocument, said: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """Return what holds of these keys: what is said, else what holds when nobody says."""
    unsaid = dict(_keys(_dumped(document, unset=True)))
    held = {key: said.get(key, unsaid.get(key)) for key in keys}
    return {key: value for key, value in held.items() if value is not None}


def _bare(document: QuotaDocument) -> Iterator[tuple[str, str]]:
    listed: Mapping[str, Mapping[str, Section]] = {
        "gpu_types": document.gpu_types,
        "pools": document.pools,
        "sizes": document.sizes,
    }
    entries: list[tuple[KeyPath, Section]] = [
        ((section, name), entry)
        for section, named in listed.items()
        if section in document.model_fields_set
        for name, entry in named.items()
    ]
    entries += [
        (key_path(document.path_of(name)), group) for name, group in document.all_groups.items()
    ]
    for path, entry in entries:
        if not _dumped(entry):
            yield ".".join(map(str, path)), "is there"


def _dumped(section: Section, *, unset: bool = False) -> dict[str, Any]:
    """Return what a section says; ``unset``: with what holds where it says nothing."""
    return section.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_unset=not unset
    )


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
