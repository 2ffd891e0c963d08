"""When slices take turns of computing, who does, and how it stands with everybody's share."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.compute.card_use import CardUse, ComputingSlice, NotPausable
from sublet_quota.compute.past import ComputeDecision, PastCompute
from sublet_quota.compute.policy import PERIOD, decide_turns, judge_without_turns
from sublet_quota.compute.rests import FIRST_REST, Rest
from sublet_quota.errors import SubletQuotaError
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.residency.snapshot import Rank

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def of(
    name: str, share_milli: int, used: float | None, not_pausable: NotPausable | None = None
) -> ComputingSlice:
    return ComputingSlice(
        SliceId(name), share_milli, used, runs_a_cell=True, not_pausable=not_pausable
    )


def use(*slices: ComputingSlice, at: datetime = NOON, busy: float | None = 1.0) -> CardUse:
    return CardUse(at - SECOND, at, busy, slices)


def turning(*slices: ComputingSlice) -> ComputeDecision:
    decided = decide_turns(use(*slices), PastCompute())
    assert decided.round is not None
    return decided


UNEQUAL = of("a", 750, 0.5), of("b", 250, 0.5)
IDLE = ComputingSlice(SliceId("b"), 900, 0.01)
CANNOT = NotPausable.CANNOT_BE_PAUSED


def test_who_gets_less_than_its_share_of_a_full_card_has_it_by_turns() -> None:
    decided = turning(*UNEQUAL)
    assert decided.round.parts == {SliceId("a"): 0.75, SliceId("b"): 0.25}


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(use(*UNEQUAL, busy=0.94), id="the-card-has-time-to-spare"),
        pytest.param(use(of("a", 500, 0.5), of("b", 500, 0.5)), id="each-has-its-share"),
        pytest.param(use(of("a", 510, 0.5), of("b", 490, 0.5)), id="nearly"),
        pytest.param(use(of("a", 100, 1.0)), id="alone"),
        pytest.param(use(of("a", 100, 0.99), IDLE), id="the-other-does-not-compute"),
        pytest.param(use(of("a", 100, 0.99), of("b", 900, 0.0)), id="the-other's-cell-does-not"),
        pytest.param(use(), id="nobody"),
    ],
)
def test_all_run_freely_where_nobody_needs_turns(seen: CardUse) -> None:
    decided = decide_turns(seen, PastCompute())
    assert decided.round is None
    assert set(decided.kept.values()) <= {ShareKept.NOT_NEEDED}


@pytest.mark.parametrize(
    ("seen", "kept"),
    [
        pytest.param(replace(use(*UNEQUAL), moving=True), ShareKept.MOVING, id="memory-moves"),
        pytest.param(replace(use(*UNEQUAL), closed=True), ShareKept.CLOSED, id="closed"),
        pytest.param(use(*UNEQUAL, busy=None), ShareKept.NOT_TOLD, id="the-card-does-not-tell"),
        pytest.param(
            use(of("a", 750, None), of("b", 250, 0.5)), ShareKept.NOT_TOLD, id="not-of-all"
        ),
    ],
)
def test_no_turns_are_begun_or_go_on_where_they_cannot_be_judged(
    seen: CardUse, kept: ShareKept
) -> None:
    for past in (PastCompute(), turning(*UNEQUAL).past):
        decided = decide_turns(seen, past)
        assert decided.round is None
        assert set(decided.kept.values()) == {kept}


def test_there_are_no_turns_for_more_than_a_period_has_room_for() -> None:
    many = [of(f"s{i}", i + 1, 0.04) for i in range(25)]
    decided = decide_turns(use(*many), PastCompute())
    assert decided.round is None
    assert ShareKept.TOO_MANY in decided.kept.values()


def test_what_cannot_be_paused_is_left_out_and_said() -> None:
    decided = turning(*UNEQUAL, of("u", 100, 0.1, CANNOT))
    assert decided.round.who == {"a", "b"}
    assert decided.kept[SliceId("u")] is ShareKept.NOT_PAUSABLE


def test_who_gets_less_beside_one_that_cannot_be_paused_is_told() -> None:
    decided = decide_turns(use(of("a", 750, 0.5), of("u", 250, 0.5, CANNOT)), PastCompute())
    assert decided.round is None
    assert decided.kept == {
        SliceId("a"): ShareKept.ALONE_PAUSABLE,
        SliceId("u"): ShareKept.NOT_PAUSABLE,
    }


RESTING = {SliceId("b"): Rest(NOON + 60 * SECOND, FIRST_REST)}


def test_who_did_not_fill_its_turns_and_has_more_than_its_due_has_an_open_turn() -> None:
    decided = decide_turns(use(*UNEQUAL), PastCompute(rests=RESTING))
    assert decided.round is not None
    assert decided.round.parts == {SliceId("a"): 1.0}
    # Freely it had half of the card in all of the time, and is due a quarter.
    assert decided.round.open_parts == {SliceId("b"): 0.5}
    assert set(decided.kept.values()) == {ShareKept.BEING_MEASURED}


def test_whoever_did_not_fill_its_turns_and_has_its_due_runs_freely() -> None:
    seen = use(of("a", 500, 0.5), of("b", 500, 0.5))
    rests = {who: Rest(NOON + 60 * SECOND, FIRST_REST) for who in (SliceId("a"), SliceId("b"))}
    assert decide_turns(seen, PastCompute(rests=RESTING)).round is None
    # Where nobody fills the card, the one that has more is not paused for the other's sake.
    assert decide_turns(use(*UNEQUAL), PastCompute(rests=rests)).round is None


def test_who_cannot_be_paused_has_no_open_turn() -> None:
    seen = use(of("a", 750, 0.5), of("b", 250, 0.5, CANNOT))
    assert decide_turns(seen, PastCompute(rests=RESTING)).round is None


def opened(*slices: ComputingSlice) -> PastCompute:
    past = decide_turns(use(*UNEQUAL), PastCompute(rests=RESTING)).past
    return decide_turns(use(*slices, at=NOON + 2 * SECOND), past).past


def test_an_open_turn_is_longer_where_its_slice_has_less_than_its_due_and_shorter_for_more() -> (
    None
):
    less = opened(of("a", 750, 0.8), of("b", 250, 0.2)).round
    more = opened(of("a", 750, 0.7), of("b", 250, 0.3)).round
    assert less.open_parts[SliceId("b")] > 0.5 > more.open_parts[SliceId("b")]


def test_whoever_needs_nearly_all_of_the_time_to_have_its_due_runs_freely_again() -> None:
    past = decide_turns(use(*UNEQUAL), PastCompute(rests=RESTING)).past
    for second in range(2, 40):
        seen = use(of("a", 750, 0.85), of("b", 250, 0.15), at=NOON + second * SECOND)
        past = decide_turns(seen, past).past
        if past.round is None:
            break
    assert past.round is None
    assert past.rests.keys() == {"b"}


def test_whose_rest_is_over_takes_turns_like_the_others() -> None:
    past = opened(of("a", 750, 0.75), of("b", 250, 0.25))
    seen = use(of("a", 750, 0.75), of("b", 250, 0.25), at=NOON + 61 * SECOND)
    decided = decide_turns(seen, past)
    assert decided.round.closed_ones == {"a", "b"}
    assert not decided.round.opened


def test_who_computes_no_longer_keeps_its_open_turn_for_some_seconds() -> None:
    past, had_it = opened(of("a", 750, 0.75), of("b", 250, 0.25)), []
    for second in range(3, 20):
        seen = use(of("a", 750, 1.0), of("b", 250, 0.0), at=NOON + second * SECOND)
        past = decide_turns(seen, past).past
        had_it.append(past.round is not None)
    assert had_it == [True] * 10 + [False] * 7


def test_no_share_is_needed_by_who_keeps_an_open_turn_and_computes_no_longer() -> None:
    past = opened(of("a", 750, 0.75), of("b", 250, 0.25))
    idle = of("a", 750, 1.0), replace(of("b", 250, 0.0), runs_a_cell=False)
    for second in range(4, 12):
        decided = decide_turns(use(*idle, at=NOON + second * SECOND), past)
        assert decided.round.opened_ones == {"b"}
        assert decided.kept[SliceId("b")] is ShareKept.NOT_NEEDED
        past = decided.past


def test_who_has_no_room_for_an_open_turn_runs_freely_and_ends_nobody_elses() -> None:
    closed = [of(f"c{i:02}", 10 + i, 0.03) for i in range(19)]
    beside = [of(name, 10, 0.2) for name in ("x", "y")]
    rests = {each.slice_id: Rest(NOON + 60 * SECOND, FIRST_REST) for each in beside}
    past = decide_turns(use(*closed, *beside), PastCompute(rests=rests)).past
    for second in (2, 4, 6):
        assert len(past.round.closed_ones) == 19
        assert past.round.opened_ones == {"x"}
        past = decide_turns(use(*closed, *beside, at=NOON + second * SECOND), past).past


def test_without_anybody_who_fills_turns_nobody_has_an_open_one() -> None:
    past = opened(of("a", 750, 0.75), of("b", 250, 0.25))
    for second in (3, 4, 5, 6):
        seen = use(of("a", 750, 0.3), of("b", 250, 0.25), at=NOON + second * SECOND, busy=0.55)
        past = decide_turns(seen, past).past
    assert past.round is None
    assert past.rests.keys() == {"a", "b"}


def test_whoever_stops_for_the_second_time_has_an_open_turn_when_it_is_back() -> None:
    stopped = of("a", 750, 1.0), replace(of("b", 250, 0.0), runs_a_cell=False)
    past = PastCompute()
    for second in (0, 10):
        begun = decide_turns(use(*UNEQUAL, at=NOON + second * SECOND), past)
        assert begun.round.closed_ones == {"a", "b"}
        past = decide_turns(use(*stopped, at=NOON + (second + 2) * SECOND), begun.past).past
        assert (past.round is None) == (second == 0)
    assert past.round.opened_ones == {"b"}


def test_whoever_is_due_nothing_beside_one_with_an_open_turn_has_what_that_one_leaves() -> None:
    owner, job = of("a", 1000, 0.5), ComputingSlice(SliceId("j"), 1, 0.5, is_job=True)
    stopped = replace(owner, used=0.0, runs_a_cell=False)
    past = PastCompute()
    for second in (0, 10):
        past = decide_turns(use(owner, job, at=NOON + second * SECOND), past).past
        alone = use(stopped, replace(job, used=1.0), at=NOON + (second + 2) * SECOND)
        past = decide_turns(alone, past).past
    assert past.round.opened_ones == {"a"}
    assert past.round.parts == {SliceId("j"): 1.0}


@pytest.mark.parametrize("beside", [0.0, 0.5], ids=["an unpausable one", "a foreign one"])
def test_a_cell_that_computes_no_longer_holds_nobody_up_where_others_fill_the_card(
    beside: float,
) -> None:
    unpausable = () if beside else (of("u", 1, 0.5, CANNOT),)
    past = turning(*UNEQUAL, *unpausable).past
    for second in range(2, 5):
        seen = use(of("a", 750, 0.0), of("b", 250, 0.13), at=NOON + second * SECOND)
        rest = [replace(each, used=0.87) for each in unpausable]
        seen = replace(seen, slices=(*seen.slices, *rest), foreign=0.87 if beside else 0.0)
        past = decide_turns(seen, past).past
    assert past.round is None
    assert past.rests.keys() == {"a"}


def test_of_those_beside_who_gets_less_the_one_that_cannot_be_paused_is_told_of() -> None:
    seen = use(of("a", 500, 0.4), of("b", 250, 0.1), of("u", 250, 0.5, CANNOT))
    decided = decide_turns(seen, PastCompute(rests=RESTING))
    assert decided.kept[SliceId("a")] is ShareKept.ALONE_PAUSABLE


def test_who_gets_less_by_turns_beside_one_that_cannot_be_paused_is_not_told_it_is_kept() -> None:
    three = of("a", 500, 0.25), of("b", 250, 0.25), of("u", 250, 0.5, CANNOT)
    past, told = turning(*three).past, set()
    beside = of("a", 500, 0.33), of("b", 250, 0.17), of("u", 250, 0.5, CANNOT)
    for second in range(2, 10):
        decided = decide_turns(use(*beside, at=NOON + second * SECOND), past)
        told.add(decided.kept[SliceId("a")])
        past = decided.past
    assert told == {ShareKept.BEING_MEASURED, ShareKept.ALONE_PAUSABLE}
    assert decided.kept[SliceId("a")] is ShareKept.ALONE_PAUSABLE


def test_a_share_is_not_needed_beside_one_that_stands_still_by_now() -> None:
    gone = of("b", 250, 0.5, NotPausable.STANDS_STILL)
    decided = decide_turns(use(of("a", 750, 0.5), gone), PastCompute())
    assert set(decided.kept.values()) == {ShareKept.NOT_NEEDED}


@pytest.mark.parametrize(
    ("not_pausable", "kept"),
    [
        (NotPausable.CANNOT_BE_PAUSED, ShareKept.NOT_PAUSABLE),
        (NotPausable.ON_SEVERAL_CARDS, ShareKept.ON_SEVERAL_CARDS),
        (NotPausable.STANDS_STILL, ShareKept.NOT_NEEDED),
        (NotPausable.KEPT_BY_ENGINE, ShareKept.NOT_NEEDED),
    ],
)
def test_why_a_slice_takes_no_turns_is_why_its_share_cannot_be_kept(
    not_pausable: NotPausable, kept: ShareKept
) -> None:
    alone = decide_turns(use(of("a", 750, 0.5), of("u", 250, 0.5, not_pausable)), PastCompute())
    beside = turning(*UNEQUAL, of("u", 100, 0.1, not_pausable))
    assert [each.kept[SliceId("u")] for each in (alone, beside)] == [kept, kept]


@pytest.mark.parametrize(
    "seen",
    [
        replace(use(*UNEQUAL, busy=0.5), moving=True),
        use(of("a", 750, None), of("b", 250, None), busy=0.5),
        replace(use(of("a", 750, 0.0), IDLE), moving=True),
    ],
    ids=["memory-moves", "not-told-of-each", "nobody-computes"],
)
def test_no_share_is_needed_on_a_card_with_time_to_spare_whatever_else_is(seen: CardUse) -> None:
    for kept in (decide_turns(seen, PastCompute()).kept, judge_without_turns(seen)):
        assert set(kept.values()) == {ShareKept.NOT_NEEDED}


def test_without_turns_only_who_gets_less_is_told_that_its_share_is_not_kept() -> None:
    kept = judge_without_turns(use(*UNEQUAL, of("c", 100, 0.0)))
    assert kept == {
        SliceId("a"): ShareKept.TURNS_OFF,
        SliceId("b"): ShareKept.NOT_NEEDED,
        SliceId("c"): ShareKept.NOT_NEEDED,
    }


@pytest.mark.parametrize(
    "awaited", [{"runs_a_cell": True}, {"is_job": True}], ids=["a cell", "a job"]
)
def test_who_is_awaited_and_has_next_to_nothing_of_a_full_card_needs_its_share(
    awaited: dict[str, bool],
) -> None:
    seen = use(of("a", 500, 0.99), ComputingSlice(SliceId("b"), 500, 0.01, **awaited))
    assert judge_without_turns(seen)[SliceId("b")] is ShareKept.TURNS_OFF
    decided = decide_turns(seen, PastCompute())
    assert decided.round is not None
    assert decided.round.parts == {SliceId("a"): 0.5, SliceId("b"): 0.5}
    unhelped = use(of("a", 500, 0.99, CANNOT), of("b", 500, 0.01))
    assert decide_turns(unhelped, PastCompute()).kept[SliceId("b")] is ShareKept.ALONE_PAUSABLE


@pytest.mark.parametrize("told", [0.01, 0.02], ids=["cut off", "rounded"])
def test_one_of_sixty_that_have_the_same_of_a_card_needs_its_greater_share(told: float) -> None:
    first, *others = [of(f"s{i}", 8 if i else 500, told) for i in range(60)]
    seen = use(first, *others)
    for kept, why in (
        (decide_turns(seen, PastCompute()).kept, ShareKept.TOO_MANY),
        (judge_without_turns(seen), ShareKept.TURNS_OFF),
    ):
        assert kept[first.slice_id] is why
    assert {judge_without_turns(seen)[s.slice_id] for s in others} == {ShareKept.NOT_NEEDED}


def test_without_turns_and_figures_nothing_is_known() -> None:
    assert set(judge_without_turns(use(*UNEQUAL, busy=None)).values()) == {ShareKept.NOT_TOLD}


def test_turns_are_judged_only_by_what_was_measured_while_they_were_taken() -> None:
    begun = turning(*UNEQUAL)
    early = use(*UNEQUAL, at=NOON + SECOND / 2)
    assert decide_turns(early, begun.past).past == begun.past


def test_who_does_not_fill_its_turns_runs_freely_and_is_let_alone_for_a_while() -> None:
    begun = turning(*UNEQUAL, of("c", 250, 0.0)).past
    short = of("a", 750, 0.3), of("b", 250, 0.25)
    seen = decide_turns(use(*short, at=NOON + 2 * SECOND), begun)
    assert seen.round == begun.round
    later = use(*short, at=NOON + 3 * SECOND)
    decided = decide_turns(later, seen.past)
    assert decided.round is None
    assert decided.kept[SliceId("a")] is ShareKept.WAITS_FOR_PROGRAM
    unequal_again = use(*UNEQUAL, at=NOON + 10 * SECOND)
    assert decide_turns(unequal_again, decided.past).round is None
    rested = use(*UNEQUAL, at=later.now + FIRST_REST)
    assert decide_turns(rested, decided.past).round is not None


def had(slices: tuple[ComputingSlice, ...], *turns: float) -> tuple[ComputingSlice, ...]:
    return tuple(replace(each, turns=part) for each, part in zip(slices, turns, strict=True))


@pytest.mark.parametrize(
    "turns",
    [
        pytest.param((0.45, 0.05), id="late"),
        pytest.param((0.0, 0.0), id="none"),
        pytest.param((0.5, 0.4), id="the-other-had-more"),
    ],
)
def test_who_filled_the_turns_it_had_has_no_rest_though_it_was_to_have_more(
    turns: tuple[float, float],
) -> None:
    past = turning(*UNEQUAL).past
    for seconds in range(2, 9):
        seen = use(*had(UNEQUAL, *turns), at=NOON + seconds * SECOND)
        decided = decide_turns(seen, past)
        assert decided.round is not None
        assert not decided.past.rests
        past = decided.past


def test_who_leaves_the_turns_it_had_unused_is_let_alone_also_where_they_were_late() -> None:
    past = turning(*UNEQUAL).past
    short = had((of("a", 750, 0.3), of("b", 250, 0.1)), 0.5, 0.1)
    past = decide_turns(use(*short, at=NOON + 2 * SECOND), past).past
    decided = decide_turns(use(*short, at=NOON + 3 * SECOND), past)
    assert decided.past.rests.keys() == {"a"}


LONG = of("a", 250, 0.4), of("b", 750, 0.6)


def runs_on(*slices: ComputingSlice, seconds: int = 60) -> ComputeDecision:
    """The last decision where turns give these what was measured, however long each is."""
    decided = turning(*LONG)
    for second in range(2, seconds):
        decided = decide_turns(use(*slices, at=NOON + second * SECOND), decided.past)
        if decided.round is None:
            break
    return decided


def test_who_has_more_by_ever_shorter_turns_has_an_open_one_and_all_are_told_why() -> None:
    decided = runs_on(*had(LONG, 0.05, 0.55))
    assert decided.round is None
    assert decided.past.rests.keys() == {"a"}
    past = decided.past
    for second in range(62, 130):
        decided = decide_turns(use(*LONG, at=NOON + second * SECOND), past)
        assert decided.round.opened_ones == {"a"}
        past = decided.past
    told = {SliceId("a"): ShareKept.RUNS_ON, SliceId("b"): ShareKept.ALONE_PAUSABLE}
    assert decided.kept == told


def test_a_busy_machine_of_some_seconds_is_taken_for_no_long_kernels() -> None:
    assert runs_on(*had(LONG, 0.05, 0.55), seconds=20).round is not None


def test_who_has_more_as_its_turns_were_longer_than_meant_does_not_run_on() -> None:
    assert runs_on(*had(LONG, 0.4, 0.6)).round is not None


def test_the_others_go_on_taking_turns_beside_who_runs_on() -> None:
    three = had((of("a", 250, 0.5), of("b", 500, 0.3), of("c", 250, 0.2)), 0.05, 0.28, 0.18)
    decided = turning(*three)
    for second in range(2, 60):
        decided = decide_turns(use(*three, at=NOON + second * SECOND), decided.past)
        if decided.past.rests:
            break
    assert decided.round is not None
    assert decided.round.who == {"b", "c"}


def test_no_turn_is_corrected_by_a_time_in_which_few_were_taken() -> None:
    begun = turning(*UNEQUAL)
    free = replace(use(*had(UNEQUAL, 0.3, 0.1), at=NOON + 2 * SECOND), turned=0.5)
    assert decide_turns(free, begun.past).round == begun.round
    # On a busy machine, where switches take half of the time.
    taken = use(*had((of("a", 750, 0.7), of("b", 250, 0.3)), 0.4, 0.1), at=NOON + 2 * SECOND)
    corrected = decide_turns(replace(taken, turned=0.95), begun.past).round
    assert corrected.parts[SliceId("a")] > begun.round.parts[SliceId("a")]


def test_one_short_second_does_not_count() -> None:
    past = turning(*UNEQUAL).past
    for tenths, used in ((20, 0.5), (25, 0.75), (30, 0.5), (35, 0.75)):
        seen = use(of("a", 750, used), of("b", 250, 0.25), at=NOON + tenths * SECOND / 10)
        decided = decide_turns(seen, past)
        assert decided.round is not None
        past = decided.past


def test_each_rest_is_twice_as_long_as_the_last() -> None:
    past, now, lasted = turning(*UNEQUAL).past, NOON, []
    for _ in range(6):
        short = of("a", 750, 0.3), of("b", 250, 0.1)
        past = decide_turns(use(*short, at=now + 2 * SECOND), past).past
        now += 3 * SECOND
        decided = decide_turns(use(*short, at=now), past)
        rest = decided.past.rests[SliceId("a")]
        lasted.append(rest.lasts / FIRST_REST)
        now = rest.until
        past = decide_turns(use(*UNEQUAL, at=now), decided.past).past
    assert lasted == [1, 2, 4, 8, 16, 16]


def test_the_others_go_on_taking_turns_beside_who_waits_for_its_program() -> None:
    three = of("a", 500, 0.33), of("b", 250, 0.33), of("p", 250, 0.33)
    begun = turning(*three).past
    seen = of("a", 500, 0.5), of("b", 250, 0.25), of("p", 250, 0.1)
    begun = decide_turns(use(*seen, at=NOON + 2 * SECOND), begun).past
    decided = decide_turns(use(*seen, at=NOON + 3 * SECOND), begun)
    assert decided.round.who == {"a", "b"}
    beside = of("a", 500, 0.5), of("b", 250, 0.25), of("p", 250, 0.25)
    again = decide_turns(use(*beside, at=NOON + 5 * SECOND), decided.past)
    assert again.round.who == {"a", "b"}
    assert again.kept[SliceId("p")] is ShareKept.WAITS_FOR_PROGRAM


def test_who_computes_no_longer_leaves_without_a_rest() -> None:
    begun = turning(*UNEQUAL).past
    ended = replace(of("a", 750, 0.0), runs_a_cell=False), of("b", 250, 1.0)
    decided = decide_turns(use(*ended, at=NOON + 2 * SECOND), begun)
    assert decided.round is None
    assert not decided.past.rests


@pytest.mark.parametrize("share", [5, 10, 20, 250])
def test_who_is_stopped_leaves_the_turns_however_little_is_due_and_whoever_waits(
    share: int,
) -> None:
    begun = turning(of("a", 1000 - share, 0.5), of("b", share, 0.5)).past
    stopped = replace(of("b", share, 0.0), stopped=True)
    decided = decide_turns(use(of("a", 1000 - share, 0.97), stopped, at=NOON + 2 * SECOND), begun)
    assert decided.round is None
    assert not decided.past.rests


def test_who_was_stopped_a_moment_ago_and_had_turns_keeps_them() -> None:
    begun = turning(*UNEQUAL).past
    stops = replace(of("b", 250, 0.2), stopped=True)
    decided = decide_turns(use(of("a", 750, 0.75), stops, at=NOON + 2 * SECOND), begun)
    assert decided.round.who == {"a", "b"}


def test_a_capped_one_that_is_stopped_leaves_its_turns() -> None:
    little = replace(of("a", 1, 1.0), most_milli=10)
    begun = turning(little).past
    stopped = replace(little, used=0.0, stopped=True)
    assert decide_turns(use(stopped, at=NOON + 2 * SECOND, busy=0.0), begun).round is None


def test_who_begins_to_compute_joins_the_turns() -> None:
    begun = turning(*UNEQUAL).past
    seen = of("a", 750, 0.56), of("b", 250, 0.19), of("c", 250, 0.25)
    decided = decide_turns(use(*seen, at=NOON + 2 * SECOND), begun)
    assert decided.round.who == {"a", "b", "c"}


QUARTER = replace(of("a", 100, 1.0), most_milli=250)


def test_who_is_alone_and_has_more_than_it_may_takes_turns_with_nobody() -> None:
    decided = turning(QUARTER)
    assert decided.round.parts == {SliceId("a"): 0.25}
    assert decided.round.idle == timedelta(milliseconds=75)


SPARE = replace(QUARTER, used=0.7)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        pytest.param(
            use(replace(SPARE, not_pausable=CANNOT), busy=0.7),
            ShareKept.NOT_PAUSABLE,
            id="unpaused",
        ),
        pytest.param(
            use(replace(SPARE, not_pausable=NotPausable.ON_SEVERAL_CARDS), busy=0.7),
            ShareKept.ON_SEVERAL_CARDS,
            id="several-cards",
        ),
        pytest.param(replace(use(SPARE, busy=0.7), moving=True), ShareKept.MOVING, id="moving"),
        pytest.param(replace(use(SPARE, busy=0.7), closed=True), ShareKept.CLOSED, id="closed"),
        pytest.param(use(replace(SPARE, used=None), busy=0.7), ShareKept.NOT_TOLD, id="not-told"),
    ],
)
def test_why_who_has_more_than_it_may_is_not_capped_is_told_also_on_a_card_with_time_to_spare(
    seen: CardUse, why: ShareKept
) -> None:
    assert decide_turns(seen, PastCompute()).kept == {SliceId("a"): why}


def test_too_many_that_have_more_than_they_may_are_told_so() -> None:
    many = [replace(of(f"s{i}", 1, 0.03), most_milli=10) for i in range(21)]
    kept = decide_turns(use(*many, busy=0.63), PastCompute()).kept
    assert set(kept.values()) == {ShareKept.TOO_MANY}


def test_without_turns_who_has_more_than_it_may_is_told_that_this_is_not_kept() -> None:
    seen = use(SPARE, replace(of("b", 100, 0.1), most_milli=250), busy=0.7)
    kept = {SliceId("a"): ShareKept.TURNS_OFF, SliceId("b"): ShareKept.NOT_NEEDED}
    assert judge_without_turns(seen) == kept


def test_who_stands_still_by_now_has_no_more_than_it_may() -> None:
    seen = use(replace(SPARE, not_pausable=NotPausable.STANDS_STILL), busy=0.7)
    for kept in (decide_turns(seen, PastCompute()).kept, judge_without_turns(seen)):
        assert kept == {SliceId("a"): ShareKept.NOT_NEEDED}


def test_who_fills_the_rest_beside_one_that_is_capped_is_not_said_to_wait_for_its_program() -> None:
    begun = turning(QUARTER).past
    beside = replace(QUARTER, used=0.25), of("b", 300, 0.75)
    decided = decide_turns(use(*beside, at=NOON + 2 * SECOND), begun)
    assert decided.kept == {SliceId("a"): ShareKept.CAPPED, SliceId("b"): ShareKept.NOT_NEEDED}


@pytest.mark.parametrize("cap_milli", [475, 480, 490, 498])
def test_those_whose_caps_nearly_fill_the_card_have_these(cap_milli: int) -> None:
    capped = (
        replace(of("a", 100, 0.6), most_milli=cap_milli),
        replace(of("b", 100, 0.4), most_milli=cap_milli),
    )
    decided = turning(*capped)
    cap = pytest.approx(cap_milli / 1000, abs=2e-3)
    assert decided.round.parts == {SliceId("a"): cap, SliceId("b"): cap}
    assert set(decided.kept.values()) == {ShareKept.BEING_MEASURED}


@pytest.mark.parametrize(
    "alone",
    [
        pytest.param(replace(QUARTER, used=0.26), id="no-more-than-it-may"),
        pytest.param(replace(QUARTER, not_pausable=CANNOT), id="cannot-be-paused"),
        pytest.param(replace(QUARTER, most_milli=None), id="nothing-is-asked"),
        pytest.param(replace(QUARTER, share_milli=1000), id="all-is-its-share"),
    ],
)
def test_nobody_else_is_capped(alone: ComputingSlice) -> None:
    assert decide_turns(use(alone), PastCompute()).round is None


def test_who_is_capped_and_computes_no_longer_runs_freely() -> None:
    begun = turning(QUARTER).past
    ended = replace(QUARTER, used=0.0, runs_a_cell=False)
    assert decide_turns(use(ended, at=NOON + 2 * SECOND, busy=0.0), begun).round is None


def test_who_had_no_turn_while_the_machine_was_busy_is_not_taken_for_one_that_stopped() -> None:
    begun = turning(*UNEQUAL)
    late = replace(of("b", 250, 0.0), runs_a_cell=False, turns=0.0)
    seen = use(of("a", 750, 0.4), late, at=NOON + 2 * SECOND, busy=0.4)
    assert decide_turns(replace(seen, turned=0.4), begun.past).round.who == {"a", "b"}


def test_a_capped_turn_grows_only_by_a_time_in_which_it_was_taken() -> None:
    begun = turning(QUARTER)
    late = replace(QUARTER, used=0.1, turns=0.1)
    few = replace(use(late, at=NOON + 2 * SECOND, busy=0.1), turned=0.5)
    assert decide_turns(few, begun.past).round == begun.round
    short = replace(QUARTER, used=0.1, turns=0.24)
    grown = decide_turns(use(short, at=NOON + 2 * SECOND, busy=0.1), begun.past).round
    assert grown.parts[SliceId("a")] > 0.25


def test_who_fills_the_rest_of_a_card_beside_one_that_is_capped_has_its_share_no_less() -> None:
    begun = turning(QUARTER).past
    seen = replace(QUARTER, used=0.25), replace(of("b", 900, 0.75), most_milli=250)
    decided = decide_turns(use(*seen, at=NOON + 2 * SECOND), begun)
    assert decided.round.parts[SliceId("b")] == pytest.approx(0.9)


def three_capped(*used: float) -> tuple[ComputingSlice, ...]:
    """Three of which the first two leave some of their turns, and whose dues fill the card."""
    shares = (("a", 500), ("b", 100), ("c", 250))
    return tuple(
        replace(of(name, share, part), most_milli=250)
        for (name, share), part in zip(shares, used, strict=True)
    )


def test_who_does_not_fill_its_turns_is_held_to_its_cap_by_open_ones_beside_who_does() -> None:
    past = turning(*three_capped(0.45, 0.45, 0.09)).past
    for second in (2, 3):
        seen = use(*three_capped(0.43, 0.18, 0.24), at=NOON + second * SECOND)
        past = decide_turns(seen, past).past
    assert past.round.closed_ones == {"c"}
    assert past.round.opened_ones == {"a", "b"}
    assert not past.round.idle
    # Longer by what each left unused of its own.
    assert past.round.open_parts[SliceId("a")] > 0.5
    assert past.round.open_parts[SliceId("b")] > 0.25


def test_who_has_less_than_is_due_beside_one_that_is_beyond_its_cap_has_all_of_the_time() -> None:
    seen = use(*three_capped(0.45, 0.45, 0.09))
    rests = {SliceId(who): Rest(NOON + 60 * SECOND, FIRST_REST) for who in ("a", "b")}
    decided = decide_turns(seen, PastCompute(rests=rests))
    assert decided.round.parts == {SliceId("c"): 1.0}
    assert decided.round.opened_ones == {"b"}
    # The first has no more than its share.
    assert "a" not in decided.round.who


def test_who_can_be_paused_no_longer_leaves_at_once() -> None:
    begun = turning(*UNEQUAL).past
    seen = of("a", 750, 0.5, CANNOT), of("b", 250, 0.5)
    assert decide_turns(use(*seen, at=NOON + SECOND / 10), begun).round is None


def test_a_turn_grows_where_its_slice_fills_it_and_has_less_than_its_due() -> None:
    begun = turning(*UNEQUAL)
    seen = of("a", 750, 0.71), of("b", 250, 0.28)
    decided = decide_turns(use(*seen, at=NOON + 2 * SECOND), begun.past)
    assert decided.round.parts[SliceId("a")] > begun.round.parts[SliceId("a")]


def test_entitled_ones_come_first_in_each_period_then_owners_then_jobs() -> None:
    job = ComputingSlice(SliceId("a"), 100, 0.4, is_job=True)
    owner = ComputingSlice(SliceId("b"), 100, 0.3)
    entitled = ComputingSlice(SliceId("c"), 800, 0.3, Rank.ENTITLED)
    decided = turning(job, owner, entitled)
    assert [turn.slice_id for turn in decided.round.period(0)] == ["c", "b", "a"]


@pytest.mark.parametrize(("share", "used"), [(-1, 0.5), (100, 1.1), (100, -0.1)])
def test_what_nobody_can_have_measured_is_refused(share: int, used: float) -> None:
    with pytest.raises(SubletQuotaError, match="out of bounds"):
        of("a", share, used)


SEEN = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 100),
            st.sampled_from([None, None, None, *NotPausable]),
            st.booleans(),
            st.booleans(),
            st.sampled_from([None, None, 10, 250, 1000]),
        ),
        min_size=5,
        max_size=5,
    ),
    min_size=1,
    max_size=12,
)
SHARES = st.lists(st.integers(0, 1000), min_size=5, max_size=5)


@given(SEEN, SHARES, st.lists(st.floats(0.1, 400), min_size=12, max_size=12))
def test_whatever_is_measured_nobody_is_paused_who_must_not_be_and_nothing_flaps(
    seen: list[list[tuple]], shares: list[int], apart: list[float]
) -> None:
    past, now = PastCompute(), NOON
    for figures, seconds in zip(seen, apart, strict=False):
        now += timedelta(seconds=seconds)
        slices = [
            ComputingSlice(
                SliceId(f"s{i}"), share, used / 100, Rank.BORROWED, job, cell, cannot, most
            )
            for i, (share, (used, cannot, job, cell, most)) in enumerate(
                zip(shares, figures, strict=True)
            )
        ]
        decided = decide_turns(use(*slices, at=now), past)
        if decided.round is not None:
            assert decided.round.who <= {s.slice_id for s in slices if s.not_pausable is None}
            assert len(decided.round.who) > 1 or decided.round.idle
            assert max(p.lasts for p in decided.round.places) <= PERIOD
        assert decided.kept.keys() == {s.slice_id for s in slices}
        again = decide_turns(use(*slices, at=now), decided.past)
        assert again.round is None or again.round == decided.round or decided.round is None
        past = decided.past
