"""What is not as it should be with a slice, as it is told."""

from sublet_quota.reasons.caps import CapUse, near_cap_clause, over_cap_advice, over_cap_clause
from sublet_quota.reasons.obstacles import Obstacle, advice_on, unsuspendable_clause
from sublet_quota.wire.slice_warnings import SliceWarning, cap_warning, tell_warnings

OVER = CapUse(held_mib=41 * 1024, cap_mib=40 * 1024)
NEAR = CapUse(held_mib=36 * 1024, cap_mib=40 * 1024)


def test_a_slice_that_is_as_it_should_be_has_no_warning() -> None:
    assert tell_warnings(None, None, None) == ()


def test_each_warning_is_told_by_its_code_and_the_words_of_its_table() -> None:
    over, unsuspendable = tell_warnings(cap_warning(OVER), "managed memory", Obstacle.NOT_SUPPORTED)
    assert (over.code, over.clause, over.advice) == (
        SliceWarning.OVER_CAP,
        over_cap_clause(OVER),
        over_cap_advice(None),
    )
    assert (unsuspendable.code, unsuspendable.clause, unsuspendable.advice) == (
        SliceWarning.UNSUSPENDABLE,
        unsuspendable_clause("managed memory"),
        advice_on(Obstacle.NOT_SUPPORTED),
    )


def test_who_is_near_the_cap_is_told_that_and_who_has_less_nothing() -> None:
    told = cap_warning(NEAR)
    assert told is not None
    assert (told.code, told.clause) == (SliceWarning.NEAR_CAP, near_cap_clause(NEAR))
    assert cap_warning(CapUse(held_mib=36 * 1024 - 1, cap_mib=40 * 1024)) is None
    assert cap_warning(CapUse(held_mib=0, cap_mib=0)) is None


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
