"""What is not as it should be with a slice: codes with their words, as agent and service tell."""

from enum import StrEnum

from sublet_quota.reasons.caps import OVER_CAP_ADVICE, OverCap, over_cap_clause
from sublet_quota.reasons.obstacles import Obstacle, advice_on, unsuspendable_clause
from sublet_quota.wire.schema import AnswerModel, LongWords, Name, Words


class SliceWarning(StrEnum):
    """What a slice's owner should know, and may be able to change."""

    OVER_CAP = "over-cap"
    UNSUSPENDABLE = "unsuspendable"


class ToldWarning(AnswerModel):
    """A warning, to be shown by these very words."""

    code: Name
    """A value of ``SliceWarning``; a newer part may tell others."""
    clause: LongWords
    """What is so. Its subject is the slice, and it ends without a full stop."""
    advice: Words = ""
    """What its owner can do about that, as sentences."""

    @property
    def line(self) -> str:
        """What is so and what can be done about it, for a list that is about the slice."""
        return f"{self.clause}. {self.advice}" if self.advice else self.clause


def tell_warnings(
    over: OverCap | None, unsuspendable: str | None, obstacle: Obstacle | None
) -> tuple[ToldWarning, ...]:
    """Return the warnings about a slice with their words; ``None`` for what is as it should be.

    ``unsuspendable`` tells in words what keeps the slice from being suspended, ``obstacle`` is the
    code of that: without it, no advice is given.
    """
    told = []
    if over is not None:
        told.append(
            ToldWarning(
                code=SliceWarning.OVER_CAP, clause=over_cap_clause(over), advice=OVER_CAP_ADVICE
            )
        )
    if unsuspendable is not None:
        told.append(
            ToldWarning(
                code=SliceWarning.UNSUSPENDABLE,
                clause=unsuspendable_clause(unsuspendable),
                advice="" if obstacle is None else advice_on(obstacle),
            )
        )
    return tuple(told)
