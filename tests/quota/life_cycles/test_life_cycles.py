"""The life cycle of a job is its table, and nothing else."""

from itertools import product

import pytest
from sublet_quota.errors import ForbiddenMoveError
from sublet_quota.life_cycles.job_states import ENDED, JOB_MOVES, JobMove, JobState, move_job


@pytest.mark.parametrize(("state", "move"), list(product(JobState, JobMove)))
def test_a_job_makes_the_moves_of_its_table_and_no_other(state: JobState, move: JobMove) -> None:
    if (state, move) in JOB_MOVES:
        assert move_job(state, move) is JOB_MOVES[state, move]
    else:
        with pytest.raises(ForbiddenMoveError, match=move.value):
            move_job(state, move)


def test_no_move_leads_out_of_an_ended_job() -> None:
    assert not [state for state, _ in JOB_MOVES if state in ENDED]


def test_every_job_that_has_not_ended_can_be_cancelled_and_can_fail() -> None:
    for state in set(JobState) - ENDED:
        assert move_job(state, JobMove.CANCEL) is JobState.CANCELLED
        assert move_job(state, JobMove.FAIL) is JobState.FAILED


def test_a_forbidden_move_says_what_could_be_done_instead() -> None:
    with pytest.raises(ForbiddenMoveError, match=r"waiting and cannot start.*place"):
        move_job(JobState.WAITING, JobMove.START)
