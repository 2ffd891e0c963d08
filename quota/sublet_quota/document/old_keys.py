"""Keys that documents had before, or will have: refused, with the spelling that is read."""

from typing import Any

from sublet_quota.document.problems import DocumentProblem
from sublet_quota.document.tree import DocumentTree


def without_old_keys(
    value: dict[str, Any], tree: DocumentTree, problems: list[DocumentProblem]
) -> dict[str, Any]:
    return value
