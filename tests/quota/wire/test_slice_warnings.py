"""What is not as it should be with a slice, as it is told."""

from sublet_quota.reasons.caps import OVER_CAP_ADVICE, OverCap, over_cap_clause
from sublet_quota.reasons.obstacles import Obstacle, advice_on, unsuspendable_clause
from sublet_quota.wire.slice_warnings import SliceWarning, tell_warnings

OVER = OverCap(held_mib=41 * 1024, cap_mib=40 * 1024)


def test_a_slice_that_is_as_it_should_be_has_no_warning() -> None:
    assert tell_warnings(None, None, None) == ()


def test_each_warning_is_told_by_its_code_and_the_words_of_its_table() -> None:
    over, unsuspendable = tell_warnings(OVER, "managed memory", Obstacle.NOT_SUPPORTED)
    assert (over.code, over.clause, over.advice) == (
        SliceWarning.OVER_CAP,
        over_cap_clause(OVER),
        OVER_CAP_ADVICE,
    )
    assert (unsuspendable.code, unsuspendable.clause, unsuspendable.advice) == (
        SliceWarning.UNSUSPENDABLE,
        unsuspendable_clause("managed memory"),
        advice_on(Obstacle.NOT_SUPPORTED),
    )


def test_a_line_has_the_advice_behind_the_clause_where_there_is_some() -> None:
    (told,) = tell_warnings(None, "managed memory", Obstacle.NOT_SUPPORTED)
    assert told.line == f"{told.clause}. {told.advice}"
    (told,) = tell_warnings(None, "its engine says so", Obstacle.ENGINE)
    assert told.line == told.clause


def test_an_obstacle_that_is_not_told_of_has_no_advice() -> None:
    (told,) = tell_warnings(None, "managed memory", None)
    assert told.advice == ""


def test_words_of_the_greatest_length_are_told() -> None:
    (told,) = tell_warnings(None, "x" * 4000, Obstacle.LOST)
    assert told.clause.endswith("x" * 4000)
