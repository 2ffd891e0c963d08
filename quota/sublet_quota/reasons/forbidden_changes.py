"""Why the admin of a group may not change the quota document so: the codes, and the words."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

_MOST_NAMED: Final = 10


class ForbiddenChange(StrEnum):
    """What is wrong with a change."""

    OUTSIDE = "outside"
    MEMBERS_TAKEN_IN = "members-taken-in"
    MEMBERS_LET_GO = "members-let-go"
    MORE_THAN_GROUP = "more-than-group"
    RESERVED = "reserved"
    TOO_MANY_ENDS = "too-many-ends"
    NAME_OF_BEFORE = "name-of-before"
    CHARGED_GOES = "charged-goes"
    NOT_A_PART = "not-a-part"
    PART_TOO_LARGE = "part-too-large"


@dataclass(frozen=True, slots=True)
class Forbidden:
    """One thing in a change that its author may not do, with the names that it is about."""

    code: ForbiddenChange
    names: tuple[str, ...] = ()
    group: str = ""
    """The group within which the change would have to stay."""


_WORDS: Final[Mapping[ForbiddenChange, str]] = MappingProxyType(
    {
        ForbiddenChange.OUTSIDE: (
            "{names}: is not below {group}, and only what is below it is yours to set"
        ),
        ForbiddenChange.MEMBERS_TAKEN_IN: (
            "{names}: no members of {group} so far, and only an admin of the hub's quotas takes "
            "groups of the hub in. A group without direct members says `members: []`; unsaid, "
            "the hub's group of its own name is meant"
        ),
        ForbiddenChange.MEMBERS_LET_GO: (
            "{names}: would belong to nothing in {group} any more, and only an admin of the hub's "
            "quotas lets groups of the hub go. Name it in `members` of another group there"
        ),
        ForbiddenChange.MORE_THAN_GROUP: (
            "{names}: the members would have more than {group} has, or than they had: sizes, "
            "types, jobs, or what each of them may hold"
        ),
        ForbiddenChange.RESERVED: (
            "{names}: a reservation is added to what {group} and the groups above it are "
            "guaranteed: you can take one away, and an admin of the hub's quotas makes or changes "
            "one"
        ),
        ForbiddenChange.TOO_MANY_ENDS: (
            "{names}: exceptions of {group} would end at more different times than are looked at: "
            "let some end together"
        ),
        ForbiddenChange.NAME_OF_BEFORE: (
            "{names}: there was a group of this name already, which may have been others', and "
            "what it used or its admins wrote is known by it: take another name"
        ),
        ForbiddenChange.CHARGED_GOES: (
            "{names}: something was charged to it, which counts in budgets and past use above it: "
            "leave it there, with `members: []` where nobody is to be in it"
        ),
        ForbiddenChange.NOT_A_PART: (
            "{names}: send the document as `sublet quota show` shows it to you: `groups` with "
            "{group} and all below, and `exceptions` and `reservations` of groups below"
        ),
        ForbiddenChange.PART_TOO_LARGE: (
            "{group}: what the document says of it would have {names}. The document is "
            "everybody's, and what its admins write of one group is bounded: leave out what is "
            "over or not needed, or ask an admin of the hub's quotas for more"
        ),
    }
)


def forbidden_words(found: Forbidden) -> str:
    """Return why a change is not made, and what would help, in one sentence."""
    named = found.names[:_MOST_NAMED]
    more = len(found.names) - len(named)
    names = ", ".join(named) + (f" and {more} more" if more > 0 else "")
    return _WORDS[found.code].format(names=names or "it", group=found.group or "your groups")
