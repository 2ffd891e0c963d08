"""Who has less of a card than its share by what belongs to no slice, and what is told of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sublet_quota.compute.card_use import CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.foreign import told_beside_foreign_use, who_has_less_by_foreign_use
from sublet_quota.compute.policy import PastCompute, decide_turns
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept

from tests.support.compute_race import LARGE_PRODUCTS, ComputeRace, Racer

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
