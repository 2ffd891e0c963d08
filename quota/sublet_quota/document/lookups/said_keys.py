"""What a section says, key by key; what it does not say is not there.

Rights and exceptions go key by key: a limit of H100 and a limit of memory are two keys. Of two
values for one key the more generous is the larger number, the longer time, both lists together; no
limit is more than any.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from sublet_quota.document.problems import KeyPath
from sublet_quota.document.section import Section
from sublet_quota.document.value_kinds.amount_limit import AmountLimit
from sublet_quota.document.values import UNLIMITED

Said = Mapping[KeyPath, Any]
S = TypeVar("S", bound=Section)
_NOT_LAID_OVER: Final = frozenset({"admins", "members", "groups"})


def said_by(section: Section) -> dict[KeyPath, Any]:
    """Return the keys that a section says, as paths below it."""
    said: dict[KeyPath, Any] = {}
    for name, field in type(section).model_fields.items():
        key = field.alias or name
        value = getattr(section, name)
        if value is None or key in _NOT_LAID_OVER:
            continue
        if isinstance(value, Section):
            said.update({(key, *path): each for path, each in said_by(value).items()})
        elif isinstance(value, Mapping):
            said.update({(key, each): amount for each, amount in value.items()})
        else:
            said[key,] = value
    if isinstance(section, AmountLimit):
        said.update({(each,): cards for each, cards in section.types.items()})
    return said


def more_generous(one: Any, other: Any) -> Any:
    """Return the more generous of two values of one key."""
    if one is UNLIMITED or other is UNLIMITED:
        return UNLIMITED
    if isinstance(one, tuple):
        return tuple(sorted({*one, *other}))
    return max(one, other)


def laid_over(section: S, said: Said) -> S:
    """Return a section that says these keys as they are given, and the others as before."""
    updates: dict[str, Any] = {}
    below: dict[str, dict[KeyPath, Any]] = {}
    names = {field.alias or name: name for name, field in type(section).model_fields.items()}
    for path, value in said.items():
        name = names.get(str(path[0]), str(path[0]))
        if len(path) == 1:
            updates[name] = value
        else:
            below.setdefault(name, {})[path[1:]] = value
    for name, inner in below.items():
        before = getattr(section, name)
        if before is None:
            # Jobs have no limit of their own where nobody says one.
            before = AmountLimit()
        if isinstance(before, Section):
            updates[name] = laid_over(before, inner)
        else:
            updates[name] = {**before, **{path[0]: value for path, value in inner.items()}}
    return section.model_copy(update=updates)
