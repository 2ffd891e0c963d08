"""Sections whose order has a meaning are lists, each entry with its name.

A mapping has no order: Helm sorts its keys, and others write them as they like.
"""

from typing import Any, Final

from sublet_quota.document.problems import DocumentProblem
from sublet_quota.document.tree import DocumentTree

LISTED: Final = ("pools", "sizes")
"""The sections that may be lists, too."""
MAPPED_ALONE: Final = frozenset({"pools"})
"""Of these, the sections that are lists where they have several entries: the first one counts."""
NAME: Final = "name"
_WRITE: Final = "write `- name: NAME`, and its keys below"


def listed_sections(value: dict[str, Any]) -> frozenset[str]:
    """Return the sections of a document that are lists."""
    return frozenset(section for section in LISTED if isinstance(value.get(section), list))


def with_named_entries(
    value: dict[str, Any], tree: DocumentTree, problems: list[DocumentProblem]
) -> dict[str, Any]:
    """Return a document with a mapping, in its order, for each list of named entries.

    Paths by name get their lines in ``tree``; what is wrong is added to ``problems``.
    """
    made = dict(value)
    for section in sorted(listed_sections(value)):
        made[section] = _named(section, value[section], tree, problems)
    for section in MAPPED_ALONE:
        entries = value.get(section)
        if isinstance(entries, dict) and len(entries) > 1:
            second = (section, list(entries)[1])
            message = (
                "has several entries, of which the first counts, and a mapping has no order. Make "
                f"it a list: {_WRITE}"
            )
            problems.append(DocumentProblem(tree.line_of(second), (section,), message))
    return made


def _named(
    section: str, entries: list[Any], tree: DocumentTree, problems: list[DocumentProblem]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    places: dict[str, int] = {}
    for place, entry in enumerate(entries):
        name = entry.get(NAME) if isinstance(entry, dict) else None
        line = tree.line_of((section, place))
        if not isinstance(name, str):
            message = f"is no entry with a name: {_WRITE}; put in quotes what is no text"
            problems.append(DocumentProblem(line, (section, place), message))
        elif name in found:
            message = f"is there twice (first in line {places[name]}): keep one"
            problems.append(DocumentProblem(line, (section, name), message))
        else:
            found[name] = {key: value for key, value in entry.items() if key != NAME}
            places[name] = line
            _know_lines(section, place, name, tree)
    return found


def _know_lines(section: str, place: int, name: str, tree: DocumentTree) -> None:
    for path, line in list(tree.lines.items()):
        if path[:2] == (section, place):
            tree.lines[(section, name, *path[2:])] = line
