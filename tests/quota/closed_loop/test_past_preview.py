"""Past days under the document in force, and under another: as an open console is told them."""

from datetime import UTC, datetime, timedelta

import pytest
from sublet_quota.closed_loop.asks.card_text import read_cards
from sublet_quota.closed_loop.asks.trace_table import read_trace
from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.history.history_table import written_history
from sublet_quota.closed_loop.history.past_days import NothingAskedError, read_past_days
from sublet_quota.closed_loop.outcome.as_happened import as_happened
from sublet_quota.closed_loop.outcome.past_preview import preview_past, progress_of
from sublet_quota.closed_loop.outcome.past_question import IN_FORCE, past_question
from sublet_quota.closed_loop.outcome.question import NamedDocument, Question, answer
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.past_preview import PastGroup, PastPreviewInfo

QUOTA = """\
gpu_types: {H100: {match: '*H100*'}}
everyone: {own_amounts: true}
groups: {science: {}, teaching: {}}
"""
NO_ROOM = QUOTA.replace("science: {}", "science: {limit: {cards: 1/4}}")
TOO_MUCH = QUOTA.replace("teaching: {}", "teaching: {guaranteed: {H100: 9}}")
TABLE = """\
arrival,owner,group,duration,size,kind,cells
0,ada,science,,1,notebook,600+1200 3600+60
600,bob,teaching,,1/2,notebook,60+600 5400+600
900,bob,teaching,900,1/2,job,
"""
BEGINS = datetime(2026, 11, 23, tzinfo=UTC)
ENDS = BEGINS + timedelta(days=1)


@pytest.fixture(scope="module")
def lines() -> tuple[str, ...]:
    asked = read_trace(TABLE.splitlines(), BEGINS)
    scenario = Scenario(read_quota_document(QUOTA), read_cards("2xH100:80"), asked, BEGINS, ENDS)
    return tuple(written_history(as_happened(scenario, Cluster(scenario).run())))


def question(lines: tuple[str, ...], other: str) -> Question:
    first = NamedDocument(IN_FORCE, read_quota_document(QUOTA))
    second = NamedDocument("the draft", read_quota_document(other))
    return past_question(read_past_days(lines), first, second, "what happened")


def told(lines: tuple[str, ...], other: str) -> PastPreviewInfo:
    return preview_past(question(lines, other), 7)


def of_group(found: PastPreviewInfo, name: str) -> PastGroup:
    return next(each for each in found.groups if each.group == name)


def test_who_would_have_been_refused_loses_and_who_would_not_does_not(
    lines: tuple[str, ...],
) -> None:
    found = told(lines, NO_ROOM)
    science, teaching = of_group(found, "science"), of_group(found, "teaching")
    assert science.before.refusals == ()
    assert [(each.what, each.never) for each in science.after.refusals] == [("server", 1)]
    assert (science.before.used_h > 0, science.after.used_h) == (True, 0)
    assert (science.gain, science.lose, teaching.lose) == (0, 1, 0)
    assert [each.owner for each in found.lose_most] == ["ada"]
    assert (found.in_all.lose, found.in_all.after.servers.never) == (1, 1)


def test_all_together_are_the_sums_of_the_groups_and_have_their_own_quantiles(
    lines: tuple[str, ...],
) -> None:
    found = told(lines, QUOTA)
    for which in ("before", "after"):
        whole = getattr(found.in_all, which)
        parts = [getattr(each, which) for each in found.groups]
        for hours in ("held_h", "used_h", "lent_h", "idle_h", "jobs_h"):
            assert getattr(whole, hours) == pytest.approx(sum(getattr(e, hours) for e in parts))
        for what in ("servers", "cells", "jobs"):
            assert getattr(whole, what).count == sum(getattr(e, what).count for e in parts)
    assert found.in_all.before == found.in_all.after
    assert found.in_all.before.jobs.count == 1
    assert (found.gain_most, found.lose_most) == ((), ())


def test_the_first_guarantee_that_breaks_is_told_of_each_document(lines: tuple[str, ...]) -> None:
    found = told(lines, TOO_MUCH)
    assert (found.unmet_before.times, found.unmet_before.first) == (0, None)
    first = found.unmet_after.first
    assert first is not None
    assert (first.what, "H100" in first.why, found.unmet_after.times >= 1) == ("cards", True, True)


def test_how_true_it_is_is_told_of_the_document_in_force(lines: tuple[str, ...]) -> None:
    found = told(lines, NO_ROOM)
    # What is replayed here was simulated: so it is wholly true, and of few waits.
    assert (found.truth.worst_wait, found.truth.hours) == (None, pytest.approx(0, abs=1e-6))
    assert {each.what for each in found.truth.lines} >= {"servers, half", "hours used"}


def test_it_says_the_same_as_the_command_line(lines: tuple[str, ...]) -> None:
    asked = question(lines, NO_ROOM)
    report, found = answer(asked), preview_past(asked, 7)
    for outcome, which in zip(report.outcomes, ("before", "after"), strict=True):
        figures = getattr(found.in_all, which)
        assert figures.used_h == outcome.hours.used_h
        assert {(e.reason, e.asked) for e in figures.refusals} == {
            (e.reason, e.asked) for e in outcome.refusals
        }
        for of_group in outcome.by_group:
            group = next(each for each in found.groups if each.group == of_group.group)
            assert getattr(group, which).lent_h == of_group.lent_h


def test_progress_goes_from_nothing_to_all_over_both_runs(lines: tuple[str, ...]) -> None:
    asked = question(lines, NO_ROOM)
    part = progress_of(asked)
    first, second = asked.runs
    assert [part(first, BEGINS), part(first, ENDS), part(second, ENDS)] == [0, 0.5, 1]


def test_of_days_in_which_nothing_was_asked_for_nothing_is_told(lines: tuple[str, ...]) -> None:
    without = tuple(each for each in lines if "notebook" not in each and ",job," not in each)
    with pytest.raises(NothingAskedError, match="nothing was asked for"):
        read_past_days(without)
