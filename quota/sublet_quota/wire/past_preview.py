"""Bodies about what past days would have been under another quota document.

The answer is a stream of events: ``place`` while others are in front, ``progress``, and at the end
``report`` or ``problem``. Hours are hours on a card, a slice counted as its part of one.
"""

from typing import Annotated, Final

from pydantic import Field

from sublet_quota.wire.quota import DocumentText
from sublet_quota.wire.schema import (
    AnswerModel,
    AwareDatetime,
    Count,
    Hours,
    Name,
    PositiveCount,
    Seconds,
    WireModel,
    Words,
)

MOST_DAYS: Final = 30
USUAL_DAYS: Final = 7
MOST_GROUPS: Final = 1000
"""The groups with the most hours; all count in what is told of all."""
MOST_LINES: Final = 5000
_MOST_REASONS: Final = 100
_MOST_PERSONS: Final = 100
_MOST_NOTES: Final = 100

_Part = Annotated[float, Field(ge=0, le=1)]
_Error = Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False)]
_Figure = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]


class PastPreviewRequest(WireModel):
    """A quota document that might have been in force, and in how many past days."""

    text: DocumentText
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = USUAL_DAYS


class PastPlace(AnswerModel):
    """The event ``place``: how many are in front."""

    ahead: Count


class PastProgress(AnswerModel):
    """The event ``progress``."""

    stage: Name
    """``reading`` what happened, or ``simulating`` it."""
    part: _Part
    """Of all that is to be done."""


class PastProblem(AnswerModel):
    """The event ``problem``: why there is no report."""

    message: Words


class PastWaits(AnswerModel):
    """How long some waited that had what they waited for."""

    count: Count
    never: Count
    """Those that never had it: refused, gone, or waiting at the end."""
    half_s: Seconds
    of_95_s: Seconds
    """95 of a hundred waited no longer."""
    of_99_s: Seconds


class PastRefusal(AnswerModel):
    """How many were refused for one reason."""

    what: Name
    """``server`` or ``job``."""
    reason: Name
    """Its code; ``left-line``: without a slice from the line, or in it at the end."""
    asked: Count
    never: Count
    """Those of them that had nothing in the end, and this last."""


class PastFigures(AnswerModel):
    """What one payer's members would have had under one document."""

    held_h: Hours
    """By notebooks, of which the next four are parts."""
    used_h: Hours
    lent_h: Hours
    idle_h: Hours
    suspended_h: Hours
    jobs_h: Hours
    """Computed by jobs."""
    servers: PastWaits
    cells: PastWaits
    jobs: PastWaits
    refusals: tuple[PastRefusal, ...] = Field(max_length=_MOST_REASONS)
    """Of a group those of servers alone: of a refused job it is not known whose."""


class PastGroup(AnswerModel):
    """One payer's members under the document in force, and under the other one."""

    group: Name | None
    """``None``: who is in no group of the document; or all together."""
    before: PastFigures
    after: PastFigures
    gain: Count
    """How many people are better off under the other one."""
    lose: Count


class PastPerson(AnswerModel):
    """What one person has under each of the documents."""

    owner: Name
    computed_before_h: Hours
    computed_after_h: Hours
    waited_before_h: Hours
    waited_after_h: Hours


class PastUnmet(AnswerModel):
    """The first guarantee that is not met."""

    at: AwareDatetime
    group: Name | None
    owner: Name | None
    what: Name
    """``refused`` or ``waited``, within it; ``cards``: there are too few for it."""
    why: Words
    """The code of the refusal, how long the wait was, or the warning."""


class PastUnmets(AnswerModel):
    """How often guarantees are not met under one document, and where first."""

    times: Count
    first: PastUnmet | None


class PastTruthLine(AnswerModel):
    """One figure, as it really was and as it is simulated under the document in force."""

    what: Words
    group: Name | None
    unit: Annotated[str, Field(max_length=8)]
    """``s``, ``h`` or empty for a number."""
    count: Count
    """How many waits it is of; 0: it is of none."""
    real: _Figure
    simulated: _Figure
    error: _Error | None
    """By which part of the real figure the simulated one is larger; ``None``: of nothing."""


class PastTruth(AnswerModel):
    """How true the simulation is of what really happened."""

    worst_wait: _Figure | None
    """The largest error of waits of which there are twenty; ``None``: of none."""
    hours: _Figure | None
    """By which part of all recorded hours the simulated ones differ; ``None``: there are none."""
    lines: tuple[PastTruthLine, ...] = Field(max_length=MOST_LINES)


class PastPreviewInfo(AnswerModel):
    """The event ``report``: past days under the document in force, and under the other one."""

    asked_days: PositiveCount
    begins: AwareDatetime
    """Later than was asked for, where nothing is known of before."""
    ends: AwareDatetime
    people: Count
    cards: Words
    """As ``2xH100:80,4xL4:24``: those of the beginning."""
    in_all: PastGroup
    groups: tuple[PastGroup, ...] = Field(max_length=MOST_GROUPS)
    gain_most: tuple[PastPerson, ...] = Field(max_length=_MOST_PERSONS)
    lose_most: tuple[PastPerson, ...] = Field(max_length=_MOST_PERSONS)
    unmet_before: PastUnmets
    unmet_after: PastUnmets
    truth: PastTruth
    notes: tuple[Words, ...] = Field(default=(), max_length=_MOST_NOTES)
    """What should be known of it, for it may not be meant."""
    left_out: Count = 0
    """How many groups are not told, as there are too many."""
