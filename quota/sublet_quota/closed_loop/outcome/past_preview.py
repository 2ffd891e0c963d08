"""What past days would have been under another document: as an open console is told it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from sublet_quota.closed_loop.outcome.question import (
    Passed,
    Question,
    RunAnswer,
    report_of,
    run_answer,
)
from sublet_quota.closed_loop.outcome.report import (
    Comparison,
    GroupChange,
    GroupHours,
    GroupWaits,
    Hours,
    PersonChange,
    RefusalInfo,
    Truth,
    UnmetGuarantee,
    WaitsInfo,
)
from sublet_quota.closed_loop.outcome.waits import by_name
from sublet_quota.names.ids import GroupName
from sublet_quota.wire.past_preview import (
    MOST_GROUPS,
    MOST_LINES,
    PastFigures,
    PastGroup,
    PastPerson,
    PastPreviewInfo,
    PastRefusal,
    PastTruth,
    PastTruthLine,
    PastUnmet,
    PastUnmets,
    PastWaits,
)

_HOURS: Final = "hours "
_NO_WAITS: Final = WaitsInfo()
_Refused = Sequence[RefusalInfo]


def preview_past(
    question: Question, asked_days: int, passed: Passed = lambda *_: None
) -> PastPreviewInfo:
    """Return what the days come to under both documents of a question with a history.

    ``passed`` is told now and then which run goes on, and how far it is.
    """
    before, after = (run_answer(question, place, passed) for place in (0, 1))
    report = report_of(question, (before, after))
    comparison = report.comparison or Comparison(groups=(), gain_most=(), lose_most=())
    groups = tuple(_groups(before, after, comparison))
    return PastPreviewInfo(
        asked_days=asked_days,
        begins=question.begins,
        ends=question.ends,
        people=report.people,
        cards=question.cards_text,
        in_all=_in_all(before, after, comparison),
        groups=groups[:MOST_GROUPS],
        gain_most=tuple(map(_person, comparison.gain_most)),
        lose_most=tuple(map(_person, comparison.lose_most)),
        unmet_before=_unmets(before),
        unmet_after=_unmets(after),
        truth=_truth(report.truth or Truth(lines=(), worst_wait=None)),
        notes=report.notes,
        left_out=max(0, len(groups) - MOST_GROUPS),
    )


def progress_of(question: Question) -> Callable[[str, datetime], float]:
    """Return what tells how far both runs together are (0 to 1), from what ``passed`` is told."""
    names, lasts = question.runs, question.ends - question.begins

    def part(run: str, now: datetime) -> float:
        reached = (now - question.begins) / lasts
        return min(1.0, max(0.0, (names.index(run) + reached) / len(names)))

    return part


def _in_all(before: RunAnswer, after: RunAnswer, comparison: Comparison) -> PastGroup:
    def figures(run: RunAnswer) -> PastFigures:
        return _figures(run.outcome.hours, run.in_all, run.outcome.refusals)

    return PastGroup(
        group=None,
        before=figures(before),
        after=figures(after),
        gain=sum(each.gain for each in comparison.groups),
        lose=sum(each.lose for each in comparison.groups),
    )


def _groups(before: RunAnswer, after: RunAnswer, comparison: Comparison) -> Iterable[PastGroup]:
    """Yield all groups, those that held the most first."""
    first, second = _by_group(before), _by_group(after)
    changes: dict[str | None, GroupChange] = {each.group: each for each in comparison.groups}
    nothing = _figures(Hours(), None, ())

    def held_h(group: GroupName | None) -> float:
        found = (run.get(group, nothing) for run in (first, second))
        return max(each.held_h + each.jobs_h for each in found)

    named = sorted({*first, *second, *changes}, key=lambda each: by_name(_name(each)))
    for group in sorted(named, key=lambda each: -held_h(_name(each))):
        change = changes.get(group)
        yield PastGroup(
            group=group,
            before=first.get(_name(group), nothing),
            after=second.get(_name(group), nothing),
            gain=0 if change is None else change.gain,
            lose=0 if change is None else change.lose,
        )


def _name(group: str | None) -> GroupName | None:
    return None if group is None else GroupName(group)


def _by_group(run: RunAnswer) -> dict[GroupName | None, PastFigures]:
    hours: dict[GroupName | None, GroupHours] = {
        _name(each.group): each for each in run.outcome.by_group
    }
    waits = {_name(each.group): each for each in run.outcome.waits}
    return {
        group: _figures(hours.get(group, Hours()), waits.get(group), run.refused.get(group, ()))
        for group in {*hours, *waits, *run.refused}
    }


def _figures(hours: Hours, waits: GroupWaits | None, refused: _Refused) -> PastFigures:
    return PastFigures(
        held_h=hours.held_h,
        used_h=hours.used_h,
        lent_h=hours.lent_h,
        idle_h=hours.idle_h,
        suspended_h=hours.suspended_h,
        jobs_h=hours.jobs_h,
        servers=_waits(_NO_WAITS if waits is None else waits.servers),
        cells=_waits(_NO_WAITS if waits is None else waits.cells),
        jobs=_waits(_NO_WAITS if waits is None else waits.jobs),
        refusals=tuple(
            PastRefusal(what=each.what, reason=each.reason, asked=each.asked, never=each.never)
            for each in refused
        ),
    )


def _waits(waits: WaitsInfo) -> PastWaits:
    return PastWaits(
        count=waits.count,
        never=waits.never,
        half_s=waits.half_s,
        of_95_s=waits.of_95_s,
        of_99_s=waits.of_99_s,
    )


def _person(change: PersonChange) -> PastPerson:
    computed, waited = change.computed_h, change.waited_h
    return PastPerson(
        owner=change.owner,
        computed_before_h=computed[0],
        computed_after_h=computed[1],
        waited_before_h=waited[0],
        waited_after_h=waited[1],
    )


def _unmets(run: RunAnswer) -> PastUnmets:
    first = run.outcome.first_unmet
    return PastUnmets(times=run.outcome.unmet, first=None if first is None else _unmet(first))


def _unmet(unmet: UnmetGuarantee) -> PastUnmet:
    return PastUnmet(
        at=unmet.at, group=unmet.group, owner=unmet.owner, what=unmet.what, why=unmet.why
    )


def _truth(truth: Truth) -> PastTruth:
    hours = [each for each in truth.lines if each.what.startswith(_HOURS)]
    real_h = sum(each.real for each in hours)
    off_h = sum(abs(each.simulated - each.real) for each in hours)
    return PastTruth(
        worst_wait=truth.worst_wait,
        hours=off_h / real_h if real_h else None,
        lines=tuple(
            PastTruthLine(
                what=each.what,
                group=each.group,
                unit=each.unit,
                count=each.count,
                real=each.real,
                simulated=each.simulated,
                error=each.error,
            )
            for each in truth.lines[:MOST_LINES]
        ),
    )
