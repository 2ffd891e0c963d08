"""What is not as it should be with a slice: codes with their words, as agent and service tell."""

from datetime import datetime
from enum import StrEnum

from sublet_quota.reasons.caps import (
    NEAR_CAP_ADVICE,
    CapUse,
    near_cap_clause,
    over_cap_advice,
    over_cap_clause,
)
from sublet_quota.reasons.obstacles import Obstacle, advice_on, unsuspendable_clause
from sublet_quota.wire.schema import AnswerModel, LongWords, Name, Words


class SliceWarning(StrEnum):
    """What a slice's owner should know, and may be able to change."""

    NEAR_CAP = "near-cap"
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


def cap_warning(use: CapUse, ends_at: datetime | None = None) -> ToldWarning | None:
    """Return the warning about a slice's cap; ``None``: it is well within.

    ``ends_at``: when a slice that is over its cap is ended.
    """
    if use.is_over:
        clause, advice = over_cap_clause(use), over_cap_advice(ends_at)
        return ToldWarning(code=SliceWarning.OVER_CAP, clause=clause, advice=advice)
    if use.is_near:
        clause = near_cap_clause(use)
        return ToldWarning(code=SliceWarning.NEAR_CAP, clause=clause, advice=NEAR_CAP_ADVICE)
    return None


def tell_warnings(
    of_cap: ToldWarning | None, unsuspendable: str | None, obstacle: Obstacle | None
) -> tuple[ToldWarning, ...]:
    """Return the warnings about a slice with their words; ``None`` for what is as it should be.

    ``unsuspendable`` tells in words what keeps the slice from being suspended, ``obstacle`` is the
    code of that: without it, no advice is given.
    """
    told = [] if of_cap is None else [of_cap]
    if unsuspendable is not None:
        told.append(
            ToldWarning(
                code=SliceWarning.UNSUSPENDABLE,
                clause=unsuspendable_clause(unsuspendable),
                advice="" if obstacle is None else advice_on(obstacle),
            )
        )
    return tuple(told)
