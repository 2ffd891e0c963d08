"""The life of a training job as a table of moves; a move that is not in the table raises."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sublet_quota.errors import ForbiddenMoveError


class JobState(StrEnum):
    """Where a job is in its life."""

    WAITING = "waiting"
    """In the queue: no GPU is its own yet."""
    PLACED = "placed"
    """The job has a slice on a GPU, and waits for the agent to make its room there."""
    RUNNING = "running"
    """The job's process lives. It may be paused or suspended: that is its slice's state."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobMove(StrEnum):
    """An event in the life of a job."""

    PLACE = "place"
    START = "start"
    GO_BACK = "go back to the queue"
    FINISH = "finish"
    FAIL = "fail"
    CANCEL = "cancel"


_W, _P, _R = JobState.WAITING, JobState.PLACED, JobState.RUNNING

JOB_MOVES: Final = MappingProxyType(
    {
        (_W, JobMove.PLACE): _P,
        (_W, JobMove.FAIL): JobState.FAILED,
        (_W, JobMove.CANCEL): JobState.CANCELLED,
        (_P, JobMove.START): _R,
        (_P, JobMove.GO_BACK): _W,
        (_P, JobMove.FAIL): JobState.FAILED,
        (_P, JobMove.CANCEL): JobState.CANCELLED,
        (_R, JobMove.FINISH): JobState.DONE,
        (_R, JobMove.FAIL): JobState.FAILED,
        (_R, JobMove.CANCEL): JobState.CANCELLED,
        # It had to leave its node, or its node died: it goes on from what it saved.
        (_R, JobMove.GO_BACK): _W,
    }
)

ENDED: Final = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})


def move_job(state: JobState, move: JobMove) -> JobState:
    """Return the state after ``move``; ``ForbiddenMoveError`` where there is no such move."""
    try:
        return JOB_MOVES[state, move]
    except KeyError:
        allowed = sorted(m.value for s, m in JOB_MOVES if s is state)
        message = (
            f"the job is {state.value} and cannot {move.value}: "
            f"from there it can {', '.join(allowed) or 'do nothing more'}"
        )
        raise ForbiddenMoveError(message) from None
