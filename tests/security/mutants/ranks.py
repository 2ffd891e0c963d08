"""Mutants of what a busy tenant may keep from those who come before them on a GPU: rule 3."""

from typing import Final

from tests.security.mutant import Mutant

_SEATS: Final = "quota/sublet_quota/residency/seats.py"
_LEFT_ROOM: Final = "quota/sublet_quota/residency/left_room.py"
_HELD_BACK: Final = "tests/quota/residency/test_held_back_jobs.py"
_HOST_MEMORY: Final = "tests/quota/placement/test_host_memory.py"
_RANKS: Final = "tests/quota/residency/test_ranks.py"

MUTANTS: Final = (
    Mutant(
        3,
        "a job runs on whose place a slice has taken below a limit",
        "quota/sublet_quota/residency/lending.py",
        "    if job.held_back:\n",
        "    if False:\n",
        (f"{_HELD_BACK}::test_a_job_that_is_held_back_is_paused_at_once_and_leaves_its_room",),
    ),
    Mutant(
        3,
        "a job within its guarantee runs on whose place a slice has taken below a limit",
        "quota/sublet_quota/residency/room.py",
        "not view.held_back and view.takes_turns",
        "view.takes_turns",
        (f"{_HELD_BACK}::test_within_its_guarantee_it_stands_still_all_the_same",),
    ),
    Mutant(
        3,
        "jobs take the host memory that others need to make way",
        "quota/sublet_quota/holdings/host_memory.py",
        "taken_mib = self.of_guarantees_mib + self.borrowed_mib + self.lent_mib",
        "taken_mib = self.of_guarantees_mib + self.borrowed_mib",
        (f"{_HOST_MEMORY}::test_no_job_begins_on_lent_room_that_no_host_memory_is_left_for",),
    ),
    Mutant(
        3,
        "who borrows keeps its seat for as long as it is busy",
        _SEATS,
        "            self._call_back()\n",
        "            pass\n",
        (f"{_RANKS}::test_a_higher_rank_makes_way_at_once_whatever_is_left_of_its_turn",),
    ),
    Mutant(
        3,
        "who borrows has a turn against who is entitled",
        _SEATS,
        "if left.is_all or left.fits(view):",
        "if left.fits_among_equals(view):",
        (f"{_RANKS}::test_a_lower_rank_has_no_turn_that_could_end_for_a_higher_one",),
    ),
    Mutant(
        3,
        "who borrows begins where who is entitled has its turn next",
        _LEFT_ROOM,
        "return self.fits_now(*own) and all(self.fits_in(turn, *own) for turn in self.coming)",
        "return self.fits_now(*own)",
        (f"{_RANKS}::test_nobody_begins_in_room_that_a_lower_rank_has_next",),
    ),
    Mutant(
        3,
        "who borrows moves the memory of who is entitled and waits",
        _LEFT_ROOM,
        "return sparing if sparing.fits() else left",
        "return left",
        (
            (
                f"{_RANKS}::"
                "test_what_a_lower_rank_has_there_while_it_waits_is_not_moved_for_a_higher_one"
            ),
        ),
    ),
    Mutant(
        3,
        "an agent does not hear by which right a slice is there",
        "hub_ext/sublet_agent/residency/snapshots.py",
        "rank=Rank.BORROWED if assignment is None else assignment.rank,",
        "rank=Rank.BORROWED,",
        (
            (
                "tests/agent/residency/test_snapshots.py::"
                "test_a_slice_has_the_rank_that_the_hub_tells_and_is_borrowed_where_it_tells_none"
            ),
        ),
    ),
)
