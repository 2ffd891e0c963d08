"""A share counts as kept once turns were measured to keep it, and no longer than they do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sublet_quota.compute.card_use import CardUse, ComputingSlice
from sublet_quota.compute.measured import used
from sublet_quota.compute.past import ComputeDecision, PastCompute
from sublet_quota.compute.policy import decide_turns
from sublet_quota.compute.proofs import DOUBTED_AFTER, GIVEN_UP_AFTER, Proofs
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept

from tests.support.compute_race import (
    BOUND_BY_PYTHON,
    LARGE_PRODUCTS,
    SMALL_KERNELS,
    ComputeRace,
    Program,
    Racer,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
A, B, C = SliceId("a"), SliceId("b"), SliceId("c")
LATELY = 20
"""Samples of half a second."""
BOTH = {"a": 750, "b": 250}


def of(name: str, share_milli: int, used: float) -> ComputingSlice:
    return ComputingSlice(SliceId(name), share_milli, used, runs_a_cell=True)


def seen(second: float, busy: float = 1.0, turned: float | None = None, **used: float) -> CardUse:
    now = NOON + second * SECOND
    slices = tuple(of(name, {**BOTH, "c": 500}[name], part) for name, part in used.items())
    return CardUse(now - SECOND, now, busy, slices, turned=turned)


def began() -> ComputeDecision:
    return decide_turns(seen(0, a=0.5, b=0.5), PastCompute())


def test_turns_that_begin_are_being_measured_until_a_whole_second_of_them_was() -> None:
    decided = began()
    assert decided.kept == {A: ShareKept.BEING_MEASURED, B: ShareKept.BEING_MEASURED}
    early = decide_turns(seen(0.5, a=0.75, b=0.25), decided.past)
    assert early.kept == {A: ShareKept.BEING_MEASURED, B: ShareKept.BEING_MEASURED}
    measured = decide_turns(seen(2, a=0.75, b=0.25), early.past)
    assert measured.kept == {A: ShareKept.BY_TURNS, B: ShareKept.BY_TURNS}


def test_a_second_in_which_few_turns_were_taken_proves_nothing() -> None:
    decided = decide_turns(seen(2, a=0.75, b=0.25, turned=0.3), began().past)
    assert set(decided.kept.values()) == {ShareKept.BEING_MEASURED}


def test_what_was_measured_to_be_off_is_not_said_to_be_kept() -> None:
    decided = decide_turns(seen(2, a=0.6, b=0.4), began().past)
    assert set(decided.kept.values()) == {ShareKept.BEING_MEASURED}


DUE = of("a", 750, 0.75), of("b", 250, 0.25)
OFF = of("a", 750, 0.6), of("b", 250, 0.4)


def measured(proofs: Proofs, second: float, *slices: ComputingSlice) -> Proofs:
    now = NOON + second * SECOND
    return proofs.measured(CardUse(now - SECOND, now, 1.0, slices))


def test_a_second_that_is_off_makes_nobody_doubt_and_some_do_until_it_is_seen_anew() -> None:
    proofs = measured(Proofs().begun((A, B), NOON, capped=False), 1, *DUE)
    once = measured(measured(proofs, 2, *OFF), 3, *DUE)
    assert once.kept(A, NOON + 3 * SECOND) is ShareKept.BY_TURNS
    told = []
    for second in range(2, 12):
        proofs = measured(proofs, second, *OFF)
        told.append(proofs.kept(A, NOON + second * SECOND))
    kept = told.count(ShareKept.BY_TURNS)
    assert DOUBTED_AFTER / SECOND <= kept <= DOUBTED_AFTER / SECOND + 2
    assert told[kept:] == [ShareKept.BEING_MEASURED] * (len(told) - kept)
    for second in range(12, 30):
        proofs = measured(proofs, second, *DUE)
    assert proofs.kept(A, NOON + 29 * SECOND) is ShareKept.BY_TURNS


def test_parts_that_swing_by_the_second_are_kept_where_their_average_is_what_is_due() -> None:
    proofs, told = Proofs().begun((A, B), NOON, capped=False), []
    for second in range(1, 60):
        part = 0.9 if second % 2 else 0.6
        proofs = measured(proofs, second, of("a", 750, part), of("b", 250, 1 - part))
        told.append(proofs.kept(A, NOON + second * SECOND))
    assert set(told[20:]) == {ShareKept.BY_TURNS}


def test_what_is_never_seen_to_be_kept_is_told_with_the_reason_after_a_minute() -> None:
    proofs = Proofs().begun((A, B), NOON, capped=False)
    for second in range(1, 61):
        proofs = measured(proofs, second, *OFF)
    assert GIVEN_UP_AFTER == 60 * SECOND
    now = NOON + GIVEN_UP_AFTER
    assert proofs.kept(A, now - SECOND) is ShareKept.BEING_MEASURED
    assert proofs.kept(A, now) is ShareKept.ALONE_PAUSABLE
    assert proofs.kept(B, now) is ShareKept.RUNS_ON


def test_who_joins_is_being_measured_and_who_was_seen_is_not_doubted_for_that() -> None:
    kept = decide_turns(seen(2, a=0.75, b=0.25), began().past)
    joined = decide_turns(seen(4, a=0.4, b=0.3, c=0.3), kept.past)
    assert joined.round is not None
    assert C in joined.round.who
    assert (joined.kept[A], joined.kept[C]) == (ShareKept.BY_TURNS, ShareKept.BEING_MEASURED)


def test_who_is_kept_to_its_share_is_not_known_yet_to_be_kept_from_more_than_it_may_have() -> None:
    shares = measured(Proofs().begun((A,), NOON, capped=False), 1, of("a", 750, 1.0))
    assert shares.kept(A, NOON + SECOND) is ShareKept.BY_TURNS
    caps = shares.begun((A,), NOON + SECOND, capped=True)
    assert caps.kept(A, NOON + SECOND) is ShareKept.BEING_MEASURED
    within = replace(of("a", 250, 0.5), most_milli=500)
    assert measured(caps, 2, within).kept(A, NOON + 2 * SECOND) is ShareKept.CAPPED
    beyond = measured(caps, 2, replace(within, used=0.7))
    assert beyond.kept(A, NOON + 2 * SECOND) is ShareKept.BEING_MEASURED
    assert beyond.kept(A, NOON + SECOND + GIVEN_UP_AFTER) is ShareKept.RUNS_ON


def test_after_turns_nothing_of_them_is_remembered() -> None:
    kept = decide_turns(seen(2, a=0.75, b=0.25), began().past)
    freely = decide_turns(replace(seen(3, a=0.75, b=0.25), moving=True), kept.past)
    assert freely.past.proofs == Proofs()


@pytest.mark.parametrize(
    "several",
    [
        pytest.param([(LARGE_PRODUCTS, 750), (LARGE_PRODUCTS, 250)], id="large-products"),
        pytest.param(
            [(SMALL_KERNELS, 600), (SMALL_KERNELS, 300), (SMALL_KERNELS, 100)], id="6-3-1"
        ),
        pytest.param([(Program(0.03), 250), (SMALL_KERNELS, 750)], id="kernels-of-30-ms"),
        pytest.param([(Program(0.045), 250), (SMALL_KERNELS, 750)], id="longer-than-their-turns"),
        pytest.param([(LARGE_PRODUCTS, 250), (BOUND_BY_PYTHON, 750)], id="waits-for-its-program"),
        pytest.param([(Program(0.3), 500), (SMALL_KERNELS, 500)], id="kernels-of-300-ms"),
    ],
)
def test_nobody_is_told_that_a_share_is_kept_that_was_not_measured_to_be(
    several: list[tuple[Program, int]],
) -> None:
    race = ComputeRace([Racer(program, share) for program, share in several])
    race.run(2.0)
    had: list[list[float]] = [[] for _ in several]
    for _ in range(120):
        race.run(0.5)
        use, decision = race.use(), race.decisions[-1]
        for each, parts in zip(use.slices, had, strict=True):
            parts.append(used(each))
        kept = [decision.kept[each.slice_id] is ShareKept.BY_TURNS for each in use.slices]
        if all(kept) and len(had[0]) >= LATELY:
            lately = [sum(parts[-LATELY:]) / LATELY for parts in had]
            due = [share / sum(share for _, share in several) for _, share in several]
            assert lately == pytest.approx(due, abs=0.06)
