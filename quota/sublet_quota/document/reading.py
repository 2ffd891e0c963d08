"""Reading a quota document: text in, a valid document or the whole list of its problems out."""

import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sublet_quota.document.consistency.contradictions import Written, nearest
from sublet_quota.document.problems import (
    MOST_SHOWN,
    Contradiction,
    DocumentProblem,
    KeyPath,
    QuotaDocumentError,
)
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.section import EMPTY_KEY
from sublet_quota.document.sections import GROUP_NAME
from sublet_quota.document.text.named_lists import LISTED, with_named_entries
from sublet_quota.document.text.old_keys import without_old_keys
from sublet_quota.document.text.tree import DocumentTree, read_tree

_KEY_MARK: Final = "[key]"
_MOST_PROBLEMS: Final = 200
_LISTS_OF_ENTRIES: Final = ("closed", "exceptions", "reservations")
_WORDS: Final = {
    "tuple_type": "is no list: write [a, b], or one '- item' a line",
    "too_short": "is empty: write at least {min_length} in it",
    "string_type": "is no text: put it in quotes",
    "string_pattern_mismatch": "cannot be a name: write at most 63 letters, digits, '.', '_' and "
    "'-', beginning with a letter or a digit",
    "string_too_short": "is empty: write at least one character",
    "string_too_long": "is too long: write at most {max_length} characters",
    "int_type": "is no whole number: write one, such as 1, 2 or 3",
    "int_parsing": "is no whole number: write one, such as 1, 2 or 3",
    "int_from_float": "is no whole number: write one, such as 1, 2 or 3",
    "greater_than_equal": "is too small: write {ge} or more",
    "less_than_equal": "is too large: write {le} or less",
}
"""The words for what is wrong and what is allowed, by pydantic's kind of error."""


def read_quota_document(text: str | bytes) -> QuotaDocument:
    """Return a quota document read from YAML; empty text is a valid one.

    Raises ``QuotaDocumentError`` with all problems at once, in the order of their lines.
    """
    return document_of(read_tree(text))


def document_of(tree: DocumentTree) -> QuotaDocument:
    """Return the document that plain values say, as ``read_quota_document`` does of a text."""
    problems = list(tree.problems)
    value = {} if tree.value is None else tree.value
    if not isinstance(value, dict):
        if not problems:
            message = "is no mapping: write sections such as `pools:` and `sizes:`"
            problems.append(DocumentProblem(1, (), message))
        raise QuotaDocumentError(tuple(problems))
    if any(not problem.path for problem in problems):
        # Only a part of it was read: what is missing there is no problem of its own.
        raise QuotaDocumentError(_in_order(problems, tree))
    named = with_named_entries(value, tree, problems)
    document = _validate(without_old_keys(named, tree, problems), tree, problems)
    if document is None or problems:
        raise QuotaDocumentError(_in_order(problems, tree))
    return document


def _in_order(problems: list[DocumentProblem], tree: DocumentTree) -> tuple[DocumentProblem, ...]:
    """Return the problems by line; of very many the first, and how many more there are."""
    ordered = sorted(map(tree.placed, problems), key=lambda problem: problem.line)
    if len(ordered) <= _MOST_PROBLEMS:
        return tuple(ordered)
    left = len(ordered) - _MOST_PROBLEMS
    line = ordered[_MOST_PROBLEMS].line
    more = DocumentProblem(line, (), f"has {left} more problems from here on")
    return (*ordered[:_MOST_PROBLEMS], more)


def _validate(
    value: dict[str, Any], tree: DocumentTree, problems: list[DocumentProblem]
) -> QuotaDocument | None:
    """Return the document; note the problems of wrong entries, and try again without them.

    ``None`` where that fails, too. The second try finds what does not fit together.
    """
    pruned: set[KeyPath] = set()
    names = _written(value)
    for _ in range(2):
        unsure = frozenset(str(problem.path[0]) for problem in problems)
        context = {"written": replace(names, unsure=unsure), "lines": tree.lines}
        try:
            return QuotaDocument.model_validate(
                value, by_alias=True, by_name=False, context=context
            )
        except ValidationError as error:
            for details in error.errors(include_url=False):
                _translate(details, tree, problems, pruned)
            if not pruned:
                break
            value = _without(value, pruned)
    return None


def _written(value: dict[str, Any]) -> Written:
    """Return the names of entries, whether or not these are right in themselves."""

    def names_in(section: str) -> tuple[str, ...]:
        content = value.get(section)
        return tuple(content) if isinstance(content, dict) else ()

    return Written(
        gpu_types=names_in("gpu_types"),
        pools=names_in("pools"),
        sizes=names_in("sizes"),
        groups=tuple(_groups_in(value.get("groups"))),
    )


def _groups_in(groups: Any) -> Iterator[str]:
    if isinstance(groups, dict):
        for name, group in groups.items():
            yield name
            yield from _groups_in(group.get("groups") if isinstance(group, dict) else None)


def _translate(
    details: ErrorDetails,
    tree: DocumentTree,
    problems: list[DocumentProblem],
    pruned: set[KeyPath],
) -> None:
    if details["type"] == "contradictions":
        found: tuple[Contradiction, ...] = details["ctx"]["contradictions"]
        problems.extend(DocumentProblem(tree.line_of(c.path), c.path, c.message) for c in found)
        return
    if details["type"] == "too_short" and details["input"]:
        return  # its entries are wrong, and told themselves
    path = tuple(step for step in details["loc"] if step != _KEY_MARK)
    pruned.add(path[:2] if path[0] in (*LISTED, "gpu_types", "groups") else path[:1])
    problems.append(DocumentProblem(tree.line_of(path), path, _words_for(details, path)))


def _without(value: dict[str, Any], pruned: set[KeyPath]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for section, content in value.items():
        if (section,) in pruned:
            continue
        if isinstance(content, dict):
            kept[section] = {k: v for k, v in content.items() if (section, k) not in pruned}
        else:
            kept[section] = content
    return kept


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)) and value:
        return "a mapping" if isinstance(value, dict) else "a list"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 3] + "..."


def _words_for(details: ErrorDetails, path: KeyPath) -> str:
    value, kind = details["input"], details["type"]
    if kind == "extra_forbidden":
        known = _keys_at(path[:-1])
        allowed = f": known here are {', '.join(known)}" if known else ""
        return f"is no known key{nearest(str(path[-1]), known)}{allowed}"
    if kind == "missing":
        return f"is missing: every entry of `{path[0]}` needs it"
    if kind == EMPTY_KEY:
        return "is empty: write a value, or leave the key out"
    if kind == "value_error":
        return f"{_shown(value)} {details['ctx']['error']}"
    if kind in ("model_type", "dict_type"):
        known = _keys_at(path)
        keys = f" with the keys {', '.join(known)}" if known else ", `NAME: ...` a line"
        return f"{_shown(value)} is no mapping: write one{keys}"
    if kind == "tuple_type" and path[0] in _LISTS_OF_ENTRIES and len(path) == 1:
        return f"{_shown(value)} is no list: begin each entry with `- `"
    if kind == "string_pattern_mismatch" and details["ctx"]["pattern"] == GROUP_NAME:
        return f"{_shown(value)} cannot be a group's name: write text that does not end with '/'"
    words = _WORDS.get(kind, details["msg"])
    return f"{_shown(value)} {words.format_map(details.get('ctx', {}))}"


def _keys_at(path: KeyPath) -> list[str]:
    """Return the keys that a document knows below ``path``."""
    found: Any = QuotaDocument
    for step in path:
        if isinstance(found, type) and issubclass(found, BaseModel):
            fields = {f.alias or name: f.annotation for name, f in found.model_fields.items()}
            found = _unwrapped(fields.get(str(step)))
        elif get_origin(found) is dict:
            found = _unwrapped(get_args(found)[1])
        else:
            return []
    if isinstance(found, type) and issubclass(found, BaseModel):
        return [field.alias or name for name, field in found.model_fields.items()]
    return []


def _unwrapped(annotation: Any) -> Any:
    """Return the one type that is meant, without ``Annotated`` and ``None``."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            parts = [part for part in get_args(annotation) if part is not type(None)]
            if len(parts) != 1:
                return None
            annotation = parts[0]
        else:
            return annotation
