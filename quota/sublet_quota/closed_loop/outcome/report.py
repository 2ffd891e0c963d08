"""A simulation's report, as ``sublet simulate --json`` prints it: its keys stay as they are.

Times are in seconds where a name ends in ``_s``, in hours where it ends in ``_h``; hours on cards
(``Hours``) are hours of one card, a slice counted as its part of one.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of a report."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WaitsInfo(Part):
    """How long some waited that had what they waited for."""

    count: int = 0
    half_s: float = Field(default=0.0, description="Half of them waited no longer.")
    of_95_s: float = Field(default=0.0, description="95 of a hundred waited no longer.")
    of_99_s: float = Field(default=0.0, description="99 of a hundred waited no longer.")
    most_s: float = 0.0
    never: int = Field(
        default=0, description="Those that never had it: refused, gone, or waiting at the end."
    )


class GroupWaits(Part):
    """The waits of one payer's members."""

    group: str | None = Field(description="`null`: who is in no group of the document.")
    servers: WaitsInfo = Field(description="From the first asking to the slice.")
    cells: WaitsInfo = Field(description="From the start of a cell until it ran.")
    jobs: WaitsInfo = Field(description="From the submission to the start.")


class RefusalInfo(Part):
    """How many were refused for one reason."""

    reason: str = Field(
        description="The code, as `sublet refusals` has it; `left-line`: without a slice from the "
        "line, or in it at the end."
    )
    what: str = Field(description="`server` or `job`.")
    asked: int = Field(description="Those that were refused so at least once.")
    never: int = Field(description="Those of them that had nothing in the end, and this last.")


class Hours(Part):
    """What became of the hours that notebooks' slices were held."""

    held_h: float = 0.0
    used_h: float = 0.0
    lent_h: float = 0.0
    idle_h: float = 0.0
    suspended_h: float = 0.0
    borrowed_h: float = Field(
        default=0.0, description="Those of the held hours that no guarantee covered."
    )
    jobs_h: float = Field(default=0.0, description="Computed by jobs.")


class GroupHours(Hours):
    """The hours that one payer's members held."""

    group: str | None = None


class TypeHours(Part):
    """What the cards of one type did."""

    gpu_type: str
    cards: int
    there_h: float
    computed_h: float = Field(description="By notebooks and jobs; of a shared card once.")
    lent_h: float = Field(description="Held by notebooks that did not compute, and used by jobs.")
    energy_kwh: float | None = Field(
        default=None, description="By the watts that were stated; `null`: none were."
    )


class MovesInfo(Part):
    """Memory that went between cards and hosts."""

    count: int = 0
    memory_gib: float = 0.0
    of_a_card_an_hour: float = 0.0
    card_changes: int = Field(default=0, description="Slices that went on to another card.")
    called_back: int = Field(default=0, description="Slices that lost their place, alive.")


class UnmetGuarantee(Part):
    """A guarantee that was not met."""

    at: datetime
    group: str | None
    owner: str | None = None
    what: str = Field(
        description="`refused`: within it and refused; `waited`: within it and in line; "
        "`cards`: there are too few cards for it."
    )
    why: str = Field(description="The code of the refusal, how long the wait was, or the warning.")


class Lost(Part):
    """The notebooks that were ended, though their owners had not left: their variables are gone."""

    notebooks: int = Field(default=0, description="Those that were ended for being idle.")
    with_cards: int = Field(
        default=0, description="Those that ended as their cards failed, or were taken away."
    )
    in_use_again: int = Field(
        default=0, description="Those whose owners came back, and began anew with nothing."
    )
    run_again_h: float = Field(
        default=0.0, description="How long the cells took that these had run by then."
    )
    replayed_h: float = Field(
        default=0.0, description="For how long such cells were run again indeed: hours used, too."
    )


class DayHours(Part):
    """What became of cards on one day, in hours of a card: the first day is 1."""

    day: int
    used_h: float = Field(description="By servers at work.")
    lent_h: float = Field(description="Held by idle servers, and used by jobs.")
    idle_h: float = Field(description="Held by servers, and neither used nor lent.")
    jobs_h: float = Field(description="By jobs, on lent and on free room.")


class SentBackInfo(Part):
    """Jobs that went back to the queue, as their cards were drained, failed or were taken."""

    jobs: int = 0
    run_again_h: float = Field(
        default=0.0, description="What these had computed on cards, and compute again."
    )


class Outcome(Part):
    """What one document, or one other policy, comes to."""

    name: str
    document: str
    about: str = Field(default="", description="What a policy beside ours is, and gives up.")
    waits: tuple[GroupWaits, ...]
    guaranteed_cells: WaitsInfo = Field(description="The waits of cells of guaranteed slices.")
    servers: int = Field(description="All that were asked for.")
    servers_granted: int
    jobs: int = Field(description="All that were submitted.")
    jobs_done: int
    jobs_not_begun: int
    refusals: tuple[RefusalInfo, ...]
    hours: Hours
    by_group: tuple[GroupHours, ...]
    by_type: tuple[TypeHours, ...]
    by_day: tuple[DayHours, ...] = ()
    lent_h: float = Field(description="Cards' hours, those of all types together.")
    lent_at_most_h: float = Field(
        description="What foresight could have lent at most of what was held and not used."
    )
    moves: MovesInfo
    lost: Lost
    sent_back: SentBackInfo = SentBackInfo()
    first_unmet: UnmetGuarantee | None
    unmet: int = Field(description="How often a guarantee was not met.")


class GroupChange(Part):
    """What one payer's members have under one document, and under the other."""

    group: str | None
    computed_h: tuple[float, float]
    waited_h: tuple[float, float] = Field(
        description="For servers, cells and jobs together; what never began counts until the end."
    )
    gain: int = Field(description="How many people are better off under the second.")
    lose: int


class PersonChange(Part):
    """The same of one person."""

    owner: str
    computed_h: tuple[float, float]
    waited_h: tuple[float, float]


class Comparison(Part):
    """Who gains and who loses from the first document to the second."""

    groups: tuple[GroupChange, ...]
    gain_most: tuple[PersonChange, ...]
    lose_most: tuple[PersonChange, ...]


class TruthLine(Part):
    """One figure, as it really was and as it is simulated of the same days."""

    what: str = Field(description="Such as `cells, 95 %` or `hours used`.")
    group: str | None = Field(default=None, description="Who paid; `null`: no group.")
    unit: str = Field(description="`s`, `h` or `` for a number.")
    count: int = Field(default=0, description="How many waits it is of; 0: it is of none.")
    real: float
    simulated: float
    error: float | None = Field(
        description="By which part of the real figure the simulated one is larger; `null`: of "
        "nothing. What differs by less than a second, or a hundredth of an hour, is 0."
    )


class Truth(Part):
    """How true a simulation is: what was recorded beside the same days simulated."""

    lines: tuple[TruthLine, ...]
    worst_wait: float | None = Field(
        description="The largest error of waits of which there are twenty; `null`: of none."
    )


class TightLimit(Part):
    """The limit that would have refused a hundredth of the hours that were held."""

    group: str | None = Field(description="Who paid; `null`: no group.")
    of_each: bool = Field(description="Whether it is of each member, or of all together.")
    cards: float
    most: float = Field(description="The most cards that were held at once.")
    held_h: float = Field(description="Hours on cards, notebooks' and jobs'.")


class Report(Part):
    """All of a simulation."""

    begins: datetime
    days: float
    seed: int
    cards: str
    workload: str
    people: int
    notes: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...]
    comparison: Comparison | None = None
    truth: Truth | None = None
    limits: tuple[TightLimit, ...] = Field(
        default=(), description="Of what happened, by the first document; else there are none."
    )
