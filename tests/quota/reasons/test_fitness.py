"""Why a GPU is not fit to be lent: every code has its words and what follows."""

import pytest
from sublet_quota.reasons.fitness import (
    Consequence,
    Unfit,
    UnfitReason,
    is_closed,
    is_return_put_off,
    unfit_clause,
)


@pytest.mark.parametrize("why", Unfit)
def test_every_reason_is_a_clause_that_stands_behind_a_colon(why: Unfit) -> None:
    clause = UnfitReason(why).clause
    assert clause[0].islower() or clause.startswith("MPS")
    assert not clause.endswith(".")
    assert "(x)" in UnfitReason(why, "x").clause


@pytest.mark.parametrize("why", Unfit)
def test_every_reason_but_the_check_itself_says_what_an_admin_can_do(why: Unfit) -> None:
    assert (";" in UnfitReason(why).clause) is (why is not Unfit.BEING_CHECKED)


def test_no_two_reasons_are_told_alike() -> None:
    assert len({UnfitReason(why).clause for why in Unfit}) == len(Unfit)


def test_what_gives_users_errors_closes_a_gpu_and_what_makes_moves_unsafe_does_not() -> None:
    closing = {why for why in Unfit if UnfitReason(why).consequence is Consequence.CLOSED}
    assert closing == {Unfit.EXCLUSIVE, Unfit.UNREADABLE}
    assert is_closed([UnfitReason(Unfit.MPS), UnfitReason(Unfit.EXCLUSIVE)])
    assert not is_closed([UnfitReason(Unfit.MPS), UnfitReason(Unfit.DRIVER)])
    assert not is_closed([])


def test_what_is_away_comes_back_but_to_a_closed_gpu_or_in_the_middle_of_a_trial() -> None:
    waits = {why for why in Unfit if is_return_put_off([UnfitReason(why)])}
    assert waits == {Unfit.BEING_CHECKED, Unfit.EXCLUSIVE, Unfit.UNREADABLE, Unfit.SPLIT}
    assert is_return_put_off([UnfitReason(Unfit.MPS), UnfitReason(Unfit.EXCLUSIVE)])
    assert not is_return_put_off([])


def test_all_reasons_are_told_one_after_the_other() -> None:
    reasons = (UnfitReason(Unfit.DRIVER, "595.71"), UnfitReason(Unfit.BEING_CHECKED))
    told = unfit_clause(reasons)
    assert told == f"{reasons[0].clause}; {reasons[1].clause}"
    assert "(595.71); install another version" in told
    assert unfit_clause([]) == ""
