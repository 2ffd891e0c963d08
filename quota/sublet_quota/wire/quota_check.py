"""Bodies of the API about what is wrong with a quota document that somebody is writing."""

from typing import Final

from pydantic import Field

from sublet_quota.wire.quota_preview import MOST_TOLD, PlacedWarning
from sublet_quota.wire.schema import AnswerModel, PositiveCount, Words

_MOST_PROBLEMS: Final = 1000


class PlacedProblem(AnswerModel):
    """A thing for which a document cannot be in force, and where in it."""

    line: PositiveCount
    column: PositiveCount | None
    """From 1, in characters; ``None``: the line as a whole."""
    key: Words
    """``groups.science.guaranteed.H100``; empty: the document as a whole."""
    message: Words


class QuotaCheck(AnswerModel):
    """Whether a document could be in force, and what to look at in it; nothing else is asked."""

    problems: tuple[PlacedProblem, ...] = Field(max_length=_MOST_PROBLEMS)
    """By line; none: it could be in force."""
    warnings: tuple[PlacedWarning, ...] = Field(default=(), max_length=MOST_TOLD)
    """What may not be meant in it, as far as it itself tells."""
    left_out: int = Field(default=0, ge=0)
    """How many warnings are not told, as there are too many."""
