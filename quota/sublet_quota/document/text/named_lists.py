"""Sections whose order has a meaning are lists, each entry with its name.

A mapping has no order: Helm sorts its keys, and others write them as they like. One entry alone has
no order, and may be a mapping.
"""

from typing import Any, Final

from sublet_quota.document.problems import DocumentProblem, KeyPath
from sublet_quota.document.text.tree import DocumentTree

LISTED: Final = ("pools", "sizes")
"""The sections that are lists of entries with names."""
NAME: Final = "name"
_WRITE: Final = "write `- name: NAME`, and its keys below"


def with_named_entries(
    value: dict[str, Any], tree: DocumentTree, problems: list[DocumentProblem]
) -> dict[str, Any]:
    """Return a document with a mapping, in its order, for each list of named entries.

    Paths by name get their places in ``tree``; what is wrong is added to ``problems``.
    """
    made = dict(value)
    for section in LISTED:
        entries = value.get(section)
        if isinstance(entries, list):
            made[section] = _named(section, entries, tree, problems)
        elif isinstance(entries, dict) and len(entries) > 1:
            second = (section, list(entries)[1])
            message = f"has several entries, and a mapping has no order. Make it a list: {_WRITE}"
            problems.append(DocumentProblem(tree.line_of(second), (section,), message))
    return made


def _named(
    section: str, entries: list[Any], tree: DocumentTree, problems: list[DocumentProblem]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    places: dict[int, str] = {}
    for place, entry in enumerate(entries):
        name = entry.get(NAME) if isinstance(entry, dict) else None
        line = tree.line_of((section, place))
        if not isinstance(name, str):
            message = f"is no entry with a name: {_WRITE}; put in quotes what is no text"
            problems.append(DocumentProblem(line, (section, place), message))
        elif name in found:
            first = next(each for each, known in places.items() if known == name)
            message = f"is there twice (first in line {tree.line_of((section, first))}): keep one"
            problems.append(DocumentProblem(line, (section, name), message))
        else:
            found[name] = {key: value for key, value in entry.items() if key != NAME}
            places[place] = name
    _know_places(section, places, tree)
    return found


def _know_places(section: str, places: dict[int, str], tree: DocumentTree) -> None:
    for known in (tree.lines, tree.columns):
        by_name: dict[KeyPath, int] = {}
        for path, where in known.items():
            if len(path) > 1 and path[0] == section and path[1] in places:
                by_name[(section, places[int(path[1])], *path[2:])] = where
        known.update(by_name)
