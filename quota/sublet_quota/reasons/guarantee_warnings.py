"""That guarantees are not all kept as the quota document has them: codes, numbers and words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_number
from sublet_quota.reasons.counted import Counted, counted
from sublet_quota.reasons.shared_clauses import USERS_WITHOUT_GROUP

_MOST_LEFT_OUT: Final = 3
_NOT_SUSPENDED: Final = "nothing can be suspended there now"


class GuaranteeFault(StrEnum):
    """What of a guarantee is not as it is written."""

    CARDS_SHORT = "cards-short"
    """More is guaranteed of a type than open cards can keep."""
    LESSENED = "lessened"
    """Less of a group's guarantee is in force, as cards are short or others have a grace."""
    NOT_LAID_OUT = "not-laid-out"
    """A part of a guarantee lies on no card, as the parts do not pack."""
    IN_PIECES = "in-pieces"
    """A rest lies in pieces on several cards, as it fits on none."""
    OUTSIDE = "outside"
    """Entitled slices lie on other groups' cards, beside what is entitled there."""
    FEWER_THAN_EXPECTED = "fewer-than-expected"
    """There are fewer open cards of a type than the document expects."""
    MORE_THAN_EXPECTED = "more-than-expected"
    """There are more: these keep no guarantee, as an agent could have made them up."""


@dataclass(frozen=True, slots=True)
class GuaranteeWarning:
    """A warning for those who write the quota document."""

    fault: GuaranteeFault
    gpu_type: str
    told: Fraction
    """The cards that the document says, or that lie nowhere."""
    there: Fraction
    """The cards that there are, or that are in force, or the largest piece,
    or what takes turns.
    """
    group: str | None = None
    left_out: tuple[str, ...] = field(default=(), compare=False)
    """The cards that keep no guarantee, where they are missing, each with the reason, as clauses.
    """

    @property
    def words(self) -> str:
        """The warning as a sentence."""
        sentence = _WORDS[self.fault].format(
            type=self.gpu_type,
            told=_cards(self.told),
            there=_cards(self.there),
            group=self.group or USERS_WITHOUT_GROUP,
        )
        named = "; ".join(self.left_out[:_MOST_LEFT_OUT])
        more = "; ..." if len(self.left_out) > _MOST_LEFT_OUT else ""
        return f"{sentence} ({named}{more})" if named else sentence


_WORDS: Final[Mapping[GuaranteeFault, str]] = MappingProxyType(
    {
        GuaranteeFault.CARDS_SHORT: (
            "{told} of {type} {told:are} guaranteed, and {there} can keep guarantees: whole cards "
            "in proportion are in force"
        ),
        GuaranteeFault.LESSENED: (
            "{group} is guaranteed {told} of {type}, with {there} of it in force until there is "
            "room"
        ),
        GuaranteeFault.NOT_LAID_OUT: (
            "{told} of {type} that {told:are} guaranteed to {group} {told:lie} on no card: parts "
            "of cards do not fit together on the {there} that there {there:are}"
        ),
        GuaranteeFault.IN_PIECES: (
            "{told} of {type} that {told:are} guaranteed to {group} {told:lie} in pieces on "
            "several cards, {there} the largest: a larger slice may wait for others"
        ),
        GuaranteeFault.OUTSIDE: (
            "{told} of {type} that {group} is guaranteed {told:lie} beside what is guaranteed to "
            "others, on their cards: {there} of it by turns behind them"
        ),
        GuaranteeFault.FEWER_THAN_EXPECTED: ("{type}: {told} expected, and {there} open"),
        GuaranteeFault.MORE_THAN_EXPECTED: (
            "{type}: {told} expected, and {there} open: guarantees count on what is expected"
        ),
    }
)


def in_force_clause(there: Fraction, short: tuple[Fraction, Fraction] | None, gpu_type: str) -> str:
    """Return how much of a guarantee is in force where that is not all, to stand behind it.

    ``short``: what is guaranteed of the type in all, and the cards that can keep guarantees, where
    these are too few; ``None``: others have a grace.
    """
    clause = f", {_cards(there)} of it in force"
    if short is None:
        return f"{clause} until what others have as before leaves room"
    told, cards = map(_cards, short)
    return f"{clause}: {told} of {gpu_type} {told:are} guaranteed, and {cards} can keep guarantees"


def left_out_card(node: str, index: int, closed: str | None) -> str:
    """Return which card keeps no guarantee and why, as a clause; ``closed``: why, if it is."""
    return f"not GPU {index} of {node}: {closed or _NOT_SUSPENDED}"


def _cards(cards: Fraction) -> Counted:
    """Return ``1 card``, ``2.5 cards``, ``0.3333 cards`` or ``1/3 cards``."""
    if cards.denominator == 1:
        return counted(int(cards), "card")
    is_short = (cards * 10**6).denominator == 1
    return Counted(f"{format_number(cards, 6) if is_short else cards} cards")
