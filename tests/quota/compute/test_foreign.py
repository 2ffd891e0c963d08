"""Who has less of a card than its share by what belongs to no slice, and what is told of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sublet_quota.compute.card_use import CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.foreign import (
    Wants,
    told_beside_foreign_use,
    who_has_less_by_foreign_use,
)
from sublet_quota.compute.policy import PastCompute, decide_turns
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept

from tests.support.compute_race import LARGE_PRODUCTS, ComputeRace, Program, Racer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def of(
    name: str, share_milli: int, used: float | None, not_pausable: NotPausable | None = None
) -> ComputingSlice:
    return ComputingSlice(
        SliceId(name), share_milli, used, runs_a_cell=True, not_pausable=not_pausable
    )


def use(*slices: ComputingSlice, foreign: float = 0.5, busy: float | None = 1.0) -> CardUse:
    return CardUse(NOON - SECOND, NOON, busy, slices, foreign=foreign)


@pytest.mark.parametrize(
    ("seen", "less"),
    [
        pytest.param(use(of("a", 1000, 0.5)), "a", id="half-of-its-card"),
        pytest.param(use(of("a", 750, 0.38), of("b", 250, 0.12)), "ab", id="half-of-each-share"),
        pytest.param(
            use(of("a", 500, 0.33), of("b", 500, 0.33), foreign=0.33),
            "ab",
            id="as-the-driver-slices",
        ),
        pytest.param(use(of("a", 500, 0.5)), "", id="all-of-its-share-and-not-of-what-is-nobodys"),
        pytest.param(use(of("a", 500, 0.47)), "", id="nearly-its-share"),
        pytest.param(use(of("a", 1000, 0.5), busy=0.9), "", id="the-card-has-time-to-spare"),
        pytest.param(use(of("a", 1000, 0.5), busy=None), "", id="the-card-does-not-tell"),
        pytest.param(use(of("a", 1000, None)), "", id="not-of-it"),
        pytest.param(use(of("a", 1000, 0.0)), "", id="it-does-not-compute"),
        pytest.param(use(of("a", 1000, 0.5), foreign=0.0), "", id="nobody-else-uses-the-card"),
        pytest.param(
            use(of("a", 750, 0.33), of("b", 250, 0.33), foreign=0.33), "", id="others-take-more"
        ),
        pytest.param(use(of("a", 1000, 0.5), foreign=0.2), "", id="they-use-less-than-it-lacks"),
        pytest.param(
            use(of("a", 1000, 0.5, NotPausable.STANDS_STILL)), "", id="it-stands-still-by-now"
        ),
        pytest.param(
            use(of("a", 1000, 0.5, NotPausable.KEPT_BY_ENGINE)), "", id="an-engine-keeps-it"
        ),
        pytest.param(
            use(of("a", 1000, 0.5, NotPausable.CANNOT_BE_PAUSED)), "a", id="it-cannot-be-paused"
        ),
        pytest.param(use(), "", id="no-slices"),
    ],
)
def test_who_lacks_of_its_share_what_foreign_use_takes(seen: CardUse, less: str) -> None:
    assert who_has_less_by_foreign_use(seen) == set(less)


@pytest.mark.parametrize("kept", ShareKept)
def test_only_what_slices_alone_would_be_told_is_told_otherwise_beside_foreign_use(
    kept: ShareKept,
) -> None:
    by_slices = {ShareKept.NOT_NEEDED, ShareKept.BY_TURNS, ShareKept.CAPPED}
    told = told_beside_foreign_use(kept, has_less=True)
    assert told is (ShareKept.FOREIGN if kept in by_slices else kept)
    assert told_beside_foreign_use(kept, has_less=False) is kept


def test_who_fills_what_foreign_use_leaves_of_its_turns_goes_on_with_them() -> None:
    begun = decide_turns(use(of("a", 750, 0.25), of("b", 250, 0.25)), PastCompute())
    assert begun.round is not None
    past, seen = begun.past, use(of("a", 750, 0.38), of("b", 250, 0.12))
    for second in range(2, 6):
        now = NOON + second * SECOND
        decided = decide_turns(replace(seen, measured_from=now - SECOND, now=now), past)
        past = decided.past
        assert decided.round is not None
        assert set(decided.kept.values()) == {ShareKept.BY_TURNS}


def test_slices_beside_a_foreign_process_have_the_rest_by_their_shares_and_are_told() -> None:
    shares = [Racer(LARGE_PRODUCTS, 750), Racer(LARGE_PRODUCTS, 250)]
    race = ComputeRace([*shares, Racer(LARGE_PRODUCTS, foreign=True)])
    race.run(10)
    *done, _ = race.run(10)
    assert done[0] / sum(done) == pytest.approx(0.75, rel=0.05)
    assert race.decisions[-1].round is not None
    assert who_has_less_by_foreign_use(race.use()) == {"s0", "s1"}


def of_second(ends_s: float, *slices: ComputingSlice, **card: float) -> CardUse:
    """A second of a card that has time to spare, unless it is said otherwise."""
    now = NOON + ends_s * SECOND
    seen = use(*slices, **{"foreign": 0.0, "busy": 0.1, **card})
    return replace(seen, measured_from=now - SECOND, now=now)


def wants_after(*seconds: CardUse) -> Wants:
    wants = Wants()
    for each in seconds:
        wants = wants.measured(each)
    return wants


SPARE = of_second(1, of("a", 500, 0.1)), of_second(2, of("a", 500, 0.1))


@pytest.mark.parametrize(
    ("used", "less"),
    [
        pytest.param(0.1, "", id="as-much-as-before"),
        pytest.param(0.09, "", id="nearly-as-much"),
        pytest.param(0.06, "a", id="less-than-before"),
        pytest.param(0.2, "a", id="more-so-that-it-wants-more-than-before"),
    ],
)
def test_who_has_what_it_took_while_there_was_time_to_spare_lacks_nothing(
    used: float, less: str
) -> None:
    full = of_second(3, of("a", 500, used), foreign=1 - used, busy=1.0)
    wants = wants_after(*SPARE, full)
    assert who_has_less_by_foreign_use(full, wants.known) == set(less)


@pytest.mark.parametrize(
    ("seconds", "known"),
    [
        pytest.param(SPARE, {"a": 0.1}, id="two-with-time-to-spare"),
        pytest.param(SPARE[:1], {}, id="the-card-may-have-filled-in-the-last-one"),
        pytest.param(
            (SPARE[0], of_second(1.5, of("a", 500, 0.1))), {}, id="of-the-same-second-for-the-most"
        ),
        pytest.param(
            (*SPARE, of_second(3, of("a", 500, 0.05)), of_second(4, of("a", 500, 0.05))),
            {"a": 0.05},
            id="what-it-took-last",
        ),
        pytest.param(
            (*SPARE, of_second(3, of("a", 500, 0.1), busy=1.0)), {"a": 0.1}, id="the-card-is-full"
        ),
        pytest.param((*SPARE, of_second(3, of("a", 500, 0.0))), {}, id="it-computes-no-longer"),
        pytest.param((*SPARE, of_second(3)), {}, id="it-is-gone"),
        pytest.param(
            (of_second(1, of("a", 500, 1.0), busy=1.0), of_second(2, of("a", 500, 1.0), busy=1.0)),
            {},
            id="it-fills-the-card",
        ),
        pytest.param(
            (of_second(1, of("a", 500, 0.1), busy=1.0), of_second(1.5, of("a", 500, 0.1))),
            {},
            id="half-of-the-second-was-full",
        ),
        pytest.param(tuple(replace(each, turned=0.5) for each in SPARE), {}, id="turns-are-taken"),
        pytest.param(tuple(replace(each, moving=True) for each in SPARE), {}, id="memory-moves"),
        pytest.param(tuple(replace(each, busy=None) for each in SPARE), {}, id="not-told"),
        pytest.param(
            (
                of_second(1, of("a", 500, 0.1, NotPausable.STANDS_STILL)),
                of_second(2, of("a", 500, 0.1)),
            ),
            {},
            id="it-stood-still",
        ),
    ],
)
def test_how_much_somebody_takes_is_known_of_a_whole_second_with_time_to_spare(
    seconds: tuple[CardUse, ...], known: dict[str, float]
) -> None:
    assert wants_after(*seconds).known == known


def test_a_program_that_computes_mostly_elsewhere_lacks_nothing_beside_a_foreign_one() -> None:
    mostly_elsewhere = Racer(Program(0.0003, part=0.1), 500)
    alone = ComputeRace([mostly_elsewhere])
    alone.run(3)
    before = alone.use()
    beside = ComputeRace([mostly_elsewhere, Racer(LARGE_PRODUCTS, foreign=True)])
    beside.run(3)
    seen = beside.use()
    wants = wants_after(before, replace(before, measured_from=before.now, now=before.now + SECOND))
    assert who_has_less_by_foreign_use(seen) == {"s0"}
    assert who_has_less_by_foreign_use(seen, wants.measured(seen).known) == frozenset()
