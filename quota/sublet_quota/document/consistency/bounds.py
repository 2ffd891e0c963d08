"""How many entries a document may have: what follows from it is reckoned while others wait."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sublet_quota.amounts.gpu_kind import is_pattern
from sublet_quota.document.consistency.guarantees import ends_of_groups
from sublet_quota.document.problems import Contradiction
from sublet_quota.reasons.refusal import quoted

if TYPE_CHECKING:
    from sublet_quota.document.quota_document import QuotaDocument

MOST_ENTRIES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "gpu_types": 200,
        "pools": 200,
        "sizes": 200,
        "exceptions": 5000,
        "reservations": 300,
        "closed": 1000,
    }
)
MOST_GROUPS: Final = 5000
"""In the whole tree."""
MOST_OF_A_MEMBER: Final = 200
"""Of so many groups a group of the hub may be a member: each could pay for whoever is in it."""
MOST_PATTERNS: Final = 500
"""Of types, nodes and cards, in all: each card is looked at by all of them."""
MOST_ENDS: Final = 200
"""Of groups' exceptions: the document is looked at as it is after each."""


def too_many(document: "QuotaDocument") -> Iterator[Contradiction]:
    """Yield the sections that have more entries than can be looked at."""
    for section, most in MOST_ENTRIES.items():
        count = len(getattr(document, section))
        if count > most:
            yield Contradiction((section,), f"has {count} entries: at most {most} are read")
    count = len(document.all_groups)
    if count > MOST_GROUPS:
        yield Contradiction(
            ("groups",), f"has {count} groups in all: at most {MOST_GROUPS} are read"
        )
    count = sum(map(is_pattern, _patterns(document)))
    if count > MOST_PATTERNS:
        yield Contradiction(
            ("gpu_types",),
            f"and `pools` have {count} patterns in all: at most {MOST_PATTERNS} are read, beside "
            "any number of exact names",
        )
    member, count = document.group_paths.in_most()
    if count > MOST_OF_A_MEMBER:
        yield Contradiction(
            ("groups",),
            f"have the hub's group {quoted(member)} in `members` of {count}: it may be in those of "
            f"{MOST_OF_A_MEMBER} at most",
        )
    count = len(ends_of_groups(document)) - 1
    if count > MOST_ENDS:
        yield Contradiction(
            ("exceptions",),
            f"for groups end at {count} times: at most {MOST_ENDS} are read, so let some end "
            "together",
        )


def _patterns(document: "QuotaDocument") -> Iterator[str]:
    for gpu_type in document.gpu_types.values():
        yield from gpu_type.match
    for pool in document.pools.values():
        yield from (*pool.nodes, *pool.ids)
