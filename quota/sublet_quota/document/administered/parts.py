"""The part of a quota document that the admin of groups is shown, and sends back with changes.

It has the groups with all below them, and the exceptions and reservations for what is below:
nothing of others, no comment either. What is sent back takes the place of what was there.
"""

from collections.abc import Mapping
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
    """What was sent is no part of a document for these groups; its text says nothing of others."""


class DoesNotFitError(ValueError):
    """A part does not fit into the whole document, of which its author sees no more."""


def part_of(document: QuotaDocument, text: str, groups: tuple[GroupName, ...]) -> dict[str, Any]:
    """Return the part of a document for these groups, none of which is below another.

    ``text``: the document as it was written.
    """
    values = read_tree(text).value or {}
    part: dict[str, Any] = {
        _GROUPS: {name: value_at(values, key_path(document.path_of(name))) for name in groups}
    }
    for section in _LISTS:
        own = [each for each, is_own in _entries(document, values, section, groups) if is_own]
        if own:
            part[section] = own
    return part


def part_text(document: QuotaDocument, text: str, groups: tuple[GroupName, ...]) -> str:
    """Return that part as YAML."""
    return written(part_of(document, text, groups)) + "\n"


def with_part(
    document: QuotaDocument, text: str, groups: tuple[GroupName, ...], sent: str
) -> tuple[QuotaDocument, str]:
    """Return the document, and its text, with a part that was sent in the place of what was there.

    What is right alone may still not be its author's to change (``forbidden_changes``).
    ``NoPartError``, ``DoesNotFitError``; ``QuotaDocumentError`` where the part itself is wrong.
    """
    tree = read_tree(sent)
    if not tree.problems:
        _refuse_other_shape(tree.value, groups)
    values = read_tree(text).value or {}
    _read_alone(document, values, groups, tree)
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
    return after, made


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


def _refuse_other_shape(sent: Any, groups: tuple[GroupName, ...]) -> None:
    if not isinstance(sent, dict) or not isinstance(sent.get(_GROUPS), dict):
        message = "groups"
        raise NoPartError(message)
    others = [str(key) for key in sent if key not in (_GROUPS, *_LISTS)]
    names = set(sent[_GROUPS]) ^ set(groups)
    lists = [each for each in _LISTS if not isinstance(sent.get(each) or [], list)]
    if others or names or lists:
        raise NoPartError(", ".join((*others, *sorted(map(str, names)), *lists)))


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
    document_of(DocumentTree({**known, **sent}, tree.lines, tree.problems))


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
        others = [e for e, is_own in _entries(document, values, section, groups) if not is_own]
        entries = [*others, *(sent.get(section) or [])]
        if entries:
            whole[section] = entries
        else:
            whole.pop(section, None)
    return whole


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
