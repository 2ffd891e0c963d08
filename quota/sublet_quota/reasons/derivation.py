"""What a decision follows from: the rule, who pays, the lines of the quota document, the numbers.

Cards are told to programs in thousandths, as whole numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.names.ids import GroupName


class Rule(StrEnum):
    """By which rule a request was granted or refused."""

    GUARANTEE = "guarantee"
    """The request is within the payer's guarantee."""
    FREE_ROOM = "free-room"
    """The request is borrowed, and there is room that nobody else has."""
    SHARE = "share"
    """The request stays within the payer's share, so those above theirs make way."""
    AS_BEFORE = "as-before"
    """The same server's slice of before a guarantee, a limit or a membership became less."""
    LIMIT = "limit"
    BUDGET = "budget"
    """The hours on cards that may be spent in a period are spent."""
    RIGHT = "right"
    """What may be picked: sizes, types, amounts, groups."""
    CARDS = "cards"
    """Which cards there are, and which of them are open."""
    ROOM = "room"
    """No card has room, and none is made."""


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """Where the quota document says something."""

    path: str
    """The key, such as ``groups.science.limit.H100``."""
    line: int | None
    """Counted from 1; ``None``: the document says nothing, and what is built in holds."""

    def __str__(self) -> str:
        """Return the place as it is told: ``groups.science.limit.H100, line 12``."""
        return self.path if self.line is None else f"{self.path}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Derivation:
    """What a decision follows from."""

    rule: Rule
    group: GroupName | None = None
    """Who pays, or whose limit it is; ``None``: no group."""
    lines: tuple[DocumentLine, ...] = ()
    """Where the document says what decided."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """What was granted, is held and is due; a refusal has its numbers itself."""
    said: frozenset[DocumentLine] = frozenset()
    """Those of the lines that the refusal's own sentence names."""
    says_group: bool = False
    """Whether the refusal's own sentence names the group."""

    def __post_init__(self) -> None:
        """Keep the numbers as they are now, whatever becomes of the mapping they came in."""
        object.__setattr__(self, "numbers", MappingProxyType(dict(self.numbers)))


_WORDS: Final[Mapping[Rule, str]] = MappingProxyType(
    {
        Rule.GUARANTEE: "by the guarantee",
        Rule.FREE_ROOM: "by what is free",
        Rule.SHARE: "by the share of what others leave",
        Rule.AS_BEFORE: "as before something became less",
        Rule.LIMIT: "by a limit",
        Rule.RIGHT: "by what may be picked",
        Rule.BUDGET: "by a budget that is used up",
        Rule.CARDS: "by which GPUs there are, and which of them are open",
        Rule.ROOM: "by the room that there is and that can be made",
    }
)
_MOST_LINES: Final = 3


def derivation_sentence(why: Derivation) -> str:
    """Return by which rule it was decided, for which group, and where the document says so.

    To stand behind the refusal's own sentence: what that says is not said again, and the sentence
    is empty where that says it all.
    """
    further = tuple(line for line in why.lines if line not in why.said)
    names_group = why.group is not None and not why.says_group
    if why.lines and not further and not names_group:
        return ""
    group = (
        f", for group '{why.group}'" if why.group is not None and (further or names_group) else ""
    )
    lines = "; ".join(map(str, further[:_MOST_LINES]))
    more = "; ..." if len(further) > _MOST_LINES else ""
    return f"Decided {_WORDS[why.rule]}{group}{f' ({lines}{more})' if lines else ''}."
