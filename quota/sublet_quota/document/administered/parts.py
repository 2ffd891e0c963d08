"""The part of a quota document that the admin of groups is shown, and sends back with changes.

It has the groups with all below them, and the exceptions and reservations for what is below:
nothing of others, no comment either. What is sent back takes the place of what was there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sublet_quota.document.administered.changes import is_of_groups
from sublet_quota.document.administered.groups import below, with_all_below
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import document_of, read_quota_document
from sublet_quota.document.text.tree import DocumentTree, read_tree
from sublet_quota.document.text.written_values import value_at, with_value_of, written
from sublet_quota.names.ids import GroupName

_GROUPS: Final = "groups"
_LISTS: Final = ("exceptions", "reservations")
_FOR_ALL: Final = ("gpu_types", "pools", "sizes", "everyone")
"""Sections that a part is read with: it names what is there."""


class NoPartError(ValueError):
    """What was sent is no part of a document for its author; its arguments are the wrong keys."""


class DoesNotFitError(ValueError):
    """A part does not fit into the whole document, of which its author sees no more."""


def part_of(document: QuotaDocument, text: str, groups: tuple[GroupName, ...]) -> dict[str, Any]:
    """Return the part of a document for these groups, none of which is below another.

    ``text``: the very text of which the document was read.
    """
    return part_of_values(document, read_tree(text).value or {}, groups)


def part_of_values(
    document: QuotaDocument, values: Mapping[str, Any], groups: tuple[GroupName, ...]
) -> dict[str, Any]:
    """Return the same of the values that the document was read of."""
    part: dict[str, Any] = {
        _GROUPS: {name: value_at(values, key_path(document.path_of(name))) for name in groups}
    }
    for section in _LISTS:
        own = [each for each, is_own in _entries(document, values, section, groups) if is_own]
        if own:
            part[section] = own
    return part


def part_text(part: dict[str, Any]) -> str:
    """Return a part as YAML."""
    return written(part) + "\n"


@dataclass(frozen=True, slots=True)
class WithPart:
    """A document with a part that was sent in the place of what was there."""

    document: QuotaDocument
    text: str
    groups: tuple[GroupName, ...]
    """The groups that the part is of."""
    values_before: Mapping[str, Any]
    """What the text of before says."""
    values: Mapping[str, Any]
    """What this text says."""


def groups_sent(
    document: QuotaDocument, administers: tuple[GroupName, ...], sent: str
) -> tuple[GroupName, ...]:
    """Return the groups that a part is of, as it was sent; none where it cannot be read.

    ``NoPartError`` where some are not its author's.
    """
    tree = read_tree(sent)
    return () if tree.problems else _groups_of_part(document, tree.value, administers)


def with_part(
    document: QuotaDocument, text: str, administers: tuple[GroupName, ...], sent: str
) -> WithPart:
    """Return a document, as it was written, with a part that was sent.

    A part is of some of the groups that its author administers, or of some below them. What is
    right alone may still not be theirs to change (``forbidden_changes``). ``NoPartError``,
    ``DoesNotFitError``; ``QuotaDocumentError`` where the part itself is wrong.
    """
    tree = read_tree(sent)
    groups = _groups_of_part(document, tree.value, administers) if not tree.problems else ()
    values = read_tree(text).value or {}
    _read_alone(document, values, groups or administers, tree)
    whole = _with_part(document, values, groups, tree.value)
    try:
        wanted = document_of(DocumentTree(whole))
        made = _written_in_place(document, text, groups, whole)
        after = None if made is None else read_quota_document(made)
        if made is None or after is None or after != wanted:
            made = written(whole) + "\n"
            after = read_quota_document(made)
    except QuotaDocumentError as error:
        message = (
            "it does not fit into the whole document: a name is in it already, or a limit or a "
            "guarantee above your groups has no room for it"
        )
        raise DoesNotFitError(message) from error
    if after != wanted:  # pragma: no cover - what is written is read as it was
        message = "it cannot be written"
        raise DoesNotFitError(message)
    return WithPart(after, made, groups, values, whole)


def _entries(
    document: QuotaDocument, values: Any, section: str, groups: tuple[GroupName, ...]
) -> list[tuple[Any, bool]]:
    """Return the entries of a list as they were written, and whether each is for what is below."""
    theirs = below(document, groups)
    written_ones = values.get(section) or []
    if section == _LISTS[0]:
        own = [is_of_groups(each, theirs) for each in document.exceptions]
    else:
        own = [each.for_ in theirs for each in document.reservations]
    return list(zip(written_ones, own, strict=True))


def _groups_of_part(
    document: QuotaDocument, sent: Any, administers: tuple[GroupName, ...]
) -> tuple[GroupName, ...]:
    """Return the groups that a part is of. ``NoPartError`` where some are not its author's."""
    named = sent.get(_GROUPS) if isinstance(sent, dict) else None
    if not isinstance(named, dict) or not named:
        raise NoPartError(_GROUPS)
    theirs = with_all_below(document, administers)
    within = below(document, named)
    wrong = [
        *(str(key) for key in sent if key not in (_GROUPS, *_LISTS)),
        *(str(name) for name in named if name not in theirs or name in within),
        *(each for each in _LISTS if not isinstance(sent.get(each) or [], list)),
    ]
    if wrong:
        raise NoPartError(*wrong)
    return tuple(sorted(map(GroupName, named)))


def _read_alone(
    document: QuotaDocument, values: Any, groups: tuple[GroupName, ...], tree: DocumentTree
) -> None:
    """Read a part with what all may know, so that what is wrong in it is told without others."""
    known = {section: values[section] for section in _FOR_ALL if section in values}
    own = with_all_below(document, groups)
    sizes = known.get("sizes")
    if isinstance(sizes, list):
        known["sizes"] = [_for_own(each, own) for each in sizes]
    elif isinstance(sizes, dict):
        known["sizes"] = {name: _for_own(each, own) for name, each in sizes.items()}
    sent = tree.value if isinstance(tree.value, dict) else {}
    document_of(replace(tree, value={**known, **sent}))


def _for_own(size: Any, own: frozenset[GroupName]) -> Any:
    if not isinstance(size, dict) or not isinstance(size.get("for"), list):
        return size
    return {**size, "for": [name for name in size["for"] if name in own]}


def _with_part(
    document: QuotaDocument, values: Any, groups: tuple[GroupName, ...], sent: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the values of the whole document with the part's."""
    whole: dict[str, Any] = dict(values)
    for name in groups:
        whole = _with(whole, key_path(document.path_of(name)), sent[_GROUPS][name])
    for section in _LISTS:
        entries = _entries_with(
            _entries(document, values, section, groups), sent.get(section) or []
        )
        if entries:
            whole[section] = entries
        else:
            whole.pop(section, None)
    return whole


def _entries_with(had: Sequence[tuple[Any, bool]], sent: list[Any]) -> list[Any]:
    """Return the entries of others, and those that were sent; all as before where these are."""
    if [each for each, is_own in had if is_own] == sent:
        return [each for each, _ in had]
    return [*(each for each, is_own in had if not is_own), *sent]


def _with(values: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    return {**values, path[0]: _with(values[path[0]], path[1:], value)}


def _written_in_place(
    document: QuotaDocument, text: str, groups: tuple[GroupName, ...], whole: Any
) -> str | None:
    """Return the text with what is below the groups replaced, and the lists that are others."""
    before = read_tree(text).value or {}
    paths = [(*key_path(document.path_of(name)), _GROUPS) for name in groups]
    paths += [(section,) for section in _LISTS]
    made: str | None = text
    for path in paths:
        if made is not None and value_at(before, path) != value_at(whole, path):
            made = with_value_of(made, path, whole)
    return made
