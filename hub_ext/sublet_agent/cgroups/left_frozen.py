"""The groups that an agent before this one left frozen, found without its record of them.

Its own groups have its name. Any other that it freezes (a session's, a unit's, a pod's) has its
mark for as long as it is frozen, kept by the kernel with the group, where the kernel lets it. Name
and mark are made from where the agent's files are, so the next one there has the same; whatever
anybody else froze has neither.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sublet_agent.cgroups.trees import FreezerTree

_DIGITS: Final = 8


def mark_of(whose: str | Path) -> str:
    """Return the mark of an agent: of the one whose file of groups this is."""
    path = whose if isinstance(whose, str) else str(whose.resolve())
    return hashlib.sha256(path.encode()).hexdigest()[:_DIGITS]


def left_frozen(tree: FreezerTree, name: str, mark: str) -> Iterator[str]:
    """Yield the places in a tree that an agent of this name and mark froze, and nobody thawed."""
    for place in tree.places():
        is_its = name in place.split("/") or tree.held_by(place) == mark
        if is_its and tree.is_told_to_freeze(place):
            yield place
