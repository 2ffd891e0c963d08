"""The life cycles of slices and jobs are their tables, and nothing else."""

from itertools import product

import pytest
from sublet_quota.errors import ForbiddenMoveError
from sublet_quota.life_cycles.job_states import ENDED, JOB_MOVES, JobMove, JobState, move_job
from sublet_quota.life_cycles.slice_states import SLICE_MOVES, SliceMove, SliceState, move_slice


@pytest.mark.parametrize(("state", "move"), list(product(SliceState, SliceMove)))
def test_a_slice_makes_the_moves_of_its_table_and_no_other(
    state: SliceState, move: SliceMove
) -> None:
    if (state, move) in SLICE_MOVES:
        assert move_slice(state, move) is SLICE_MOVES[state, move]
    else:
        with pytest.raises(ForbiddenMoveError, match=state.value):
            move_slice(state, move)


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


def test_every_slice_can_come_back_to_the_gpu() -> None:
    reached = {SliceState.RESIDENT}
    while True:
        more = {state for (state, _), after in SLICE_MOVES.items() if after in reached} - reached
        if not more:
            break
        reached |= more
    assert reached == set(SliceState)


def test_a_parked_slice_is_never_merely_unlocked() -> None:
    with pytest.raises(ForbiddenMoveError):
        move_slice(SliceState.PARKED, SliceMove.UNPAUSE)


def test_a_forbidden_move_says_what_could_be_done_instead() -> None:
    with pytest.raises(ForbiddenMoveError, match=r"suspended and cannot pause.*resume"):
        move_slice(SliceState.SUSPENDED, SliceMove.PAUSE)
