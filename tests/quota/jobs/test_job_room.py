"""However many owners store as much as they may, the memory reckoned for jobs is not passed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.jobs.job_room import MOST_OF_ALL, MOST_OF_AN_OWNER, TakenRoom, refuse_for_room
from sublet_quota.reasons.refusal import RefusalReason

MIB = 1024 * 1024
LARGEST = 4 * 16 * 1024


@pytest.mark.parametrize(
    ("of_owner", "of_all", "is_refused"),
    [
        (0, 0, False),
        (MOST_OF_AN_OWNER - LARGEST, MOST_OF_AN_OWNER, False),
        (MOST_OF_AN_OWNER - LARGEST + 1, MOST_OF_AN_OWNER, True),
        (0, MOST_OF_ALL - LARGEST, False),
        (0, MOST_OF_ALL - LARGEST + 1, True),
        (4 * MIB, MOST_OF_ALL - 4 * MIB, True),
        (2 * MIB, MOST_OF_ALL - 4 * MIB, False),
    ],
)
def test_an_owner_has_so_much_and_no_more_than_is_left(
    of_owner: int, of_all: int, *, is_refused: bool
) -> None:
    refusal = refuse_for_room(TakenRoom(of_owner, of_all))
    assert (refusal is not None) == is_refused
    if refusal is not None:
        assert refusal.reason is RefusalReason.TOO_MANY_JOBS
        assert "Cancel one" in refusal.message


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(2048, LARGEST)), max_size=50))
def test_no_order_of_owners_passes_the_bound(jobs: list[tuple[int, int]]) -> None:
    taken: Counter[int] = Counter()
    of_all = 0
    for owner, size in jobs * 60:
        if refuse_for_room(TakenRoom(taken[owner], of_all)) is None:
            taken[owner] += size
            of_all += size
    assert of_all <= MOST_OF_ALL
    assert max(taken.values(), default=0) <= MOST_OF_AN_OWNER


def test_sixty_four_owners_with_twenty_of_the_largest_jobs_leave_room_to_others() -> None:
    of_all = 64 * 20 * LARGEST
    assert of_all <= MOST_OF_ALL
    assert refuse_for_room(TakenRoom(0, of_all)) is None
