"""Mutants of what a busy tenant may keep from those who come before them on a GPU: rule 3."""

from typing import Final

from tests.security.mutant import Mutant

_SEATS: Final = "quota/sublet_quota/residency/seats.py"
_LEFT_ROOM: Final = "quota/sublet_quota/residency/left_room.py"
_RESERVE: Final = "quota/sublet_quota/residency/reserve.py"
_RESERVED: Final = "tests/quota/residency/test_reserve.py"
_HELD_BACK: Final = "tests/quota/residency/test_held_back_jobs.py"
_HOST_MEMORY: Final = "tests/quota/placement/test_host_memory.py"
_RANKS: Final = "tests/quota/residency/test_ranks.py"
_OVER_CAPS: Final = "tests/quota/residency/test_over_caps.py"
_MOVING: Final = "quota/sublet_quota/placement/finding/moving.py"
_IDLE: Final = "tests/quota/placement/test_idle_entitled_moves.py"

_IN_A_GRACE: Final = "tests/quota/admission/test_restarts_in_a_grace.py"

_NODES: Final = "tests/quota/placement/test_nodes_of_cards.py"
_ROOMS: Final = "tests/hub/agents/test_rooms_of_nodes.py"

MUTANTS: Final = (
    Mutant(
        3,
        "who has more than its cap keeps its rank, and others wait for what is beyond it",
        "quota/sublet_quota/residency/room.py",
        "        line = _OVER_CAP if view.is_over_cap else 2 * view.turn_rank",
        "        line = 2 * view.turn_rank",
        (
            (
                f"{_OVER_CAPS}::"
                "test_who_keeps_to_their_cap_has_the_seat_it_would_have_if_nobody_were_over"
            ),
        ),
    ),
    Mutant(
        3,
        "who was suspended with more than its cap counts as within it, and comes back at once",
        "quota/sublet_quota/residency/snapshot.py",
        "        return self.held_mib > self.cap_mib or self.image_mib > self.cap_mib",
        "        return self.held_mib > self.cap_mib",
        (
            (
                f"{_OVER_CAPS}::"
                "test_suspended_it_is_still_over_and_comes_back_only_beside_who_keeps_to_theirs"
            ),
        ),
    ),
    Mutant(
        3,
        "a job that took more than it asked for goes on before one that did not",
        "quota/sublet_quota/residency/lending.py",
        "(job.is_over_cap, not job.is_entitled_job, stage,",
        "(False, not job.is_entitled_job, stage,",
        (f"{_OVER_CAPS}::test_a_job_over_what_it_asked_for_makes_way_for_one_that_is_not",),
    ),
    Mutant(
        3,
        "slices are put on nodes that have too little CPU or memory left",
        "quota/sublet_quota/placement/finding/question.py",
        "            and facts.node not in self.nodes_without_enough(amount)\n",
        "",
        (f"{_NODES}::test_no_node_is_given_more_than_it_has",),
    ),
    Mutant(
        3,
        "what slices take of their nodes is not counted",
        "hub_ext/sublet_hub/state/capacity.py",
        "            takes=record.takes or NOTHING_OF_NODE,\n",
        "",
        (f"{_ROOMS}::test_what_slices_take_is_kept_over_a_restart_of_the_service",),
    ),
    Mutant(
        3,
        "what siblings borrow fills a limit above a guarantee",
        "quota/sublet_quota/admission/met_limits.py",
        "        if not (asked.steps > at + 1 or asked.steps == depth == at + 1):",
        "        if asked.steps >= 0:",
        (
            (
                "tests/quota/admission/test_guarantees_below_limits.py::"
                "test_what_is_guaranteed_is_had_though_siblings_and_direct_members_fill_the_limit"
            ),
        ),
    ),
    Mutant(
        3,
        "what siblings borrow fills a limit above a guarantee for a job",
        "quota/sublet_quota/jobs/payers/job_limits.py",
        "    return job.rank is Rank.ENTITLED and job.entitled_on == gpu_type",
        "    return job.rank is None",
        (
            (
                "tests/quota/admission/test_guarantees_below_limits.py::"
                "test_a_job_within_its_group_s_guarantee_starts_though_others_fill_the_limit_above"
            ),
        ),
    ),
    Mutant(
        3,
        "small jobs that come later starve a large one below a limit",
        "quota/sublet_quota/jobs/job_queue.py",
        "            bounds.keep_full(job, large_enough)\n",
        "            pass\n",
        (
            (
                "tests/quota/jobs/test_limits_of_jobs.py::"
                "test_small_jobs_do_not_starve_a_large_one_below_a_limit"
            ),
        ),
    ),
    Mutant(
        3,
        "small jobs that come later starve a large one of a card",
        "quota/sublet_quota/jobs/job_queue.py",
        "fills_in_for=filled.for_whom)",
        "fills_in_for=())",
        ("tests/quota/jobs/test_filling_in.py::test_who_comes_later_fills_in_and_makes_way",),
    ),
    Mutant(
        3,
        "small jobs that come later take the room of one that stands still",
        "quota/sublet_quota/jobs/job_queue.py",
        "(*each.fills_in_for, *names)",
        "each.fills_in_for",
        (
            (
                "tests/quota/jobs/test_any_rounds_of_cards.py::"
                "test_who_stands_still_goes_on_though_equals_have_begun_there_since"
            ),
        ),
    ),
    Mutant(
        3,
        "two jobs make way for each other, for ever",
        "quota/sublet_quota/jobs/backfill/passed_jobs.py",
        "if not self._comes_after(name, job.job_id)",
        "if name",
        (
            (
                "tests/quota/jobs/test_any_rounds_of_cards.py::"
                "test_nobody_makes_way_for_who_was_behind_it_when_it_began"
            ),
        ),
    ),
    Mutant(
        3,
        "a job that fills in is suspended for one that was behind it",
        "quota/sublet_quota/jobs/backfill/jobs_there.py",
        "job.job_id in self.fills_in_for",
        "bool(self.fills_in_for)",
        ("tests/quota/jobs/test_filling_in.py::test_nobody_makes_way",),
    ),
    Mutant(
        3,
        "a job goes on, and stands still again, between two within a guarantee for whom it does",
        "hub_ext/sublet_hub/jobs/queue.py",
        "            self._place_due()\n",
        "            pass\n",
        (
            (
                "tests/hub/jobs/test_held_back.py::"
                "test_who_stands_still_does_not_go_on_between_two_for_whom_it_does"
            ),
        ),
    ),
    Mutant(
        3,
        "small jobs that come later starve a large one of host memory",
        "quota/sublet_quota/jobs/job_queue.py",
        "        room.keep_host_memory_for(job, within)\n",
        "",
        (
            (
                "tests/quota/placement/test_host_memory.py::"
                "test_small_jobs_do_not_starve_a_large_one_of_host_memory"
            ),
        ),
    ),
    Mutant(
        3,
        "nobody makes way below a limit for a job within a guarantee",
        "hub_ext/sublet_hub/jobs/queue.py",
        "held_back_by(ledger, holds_back, record, now, beside)",
        "held_back_by(ledger, (), record, now, beside)",
        (
            (
                "tests/hub/jobs/test_held_back.py::"
                "test_a_borrowed_job_stands_still_for_one_within_a_guarantee_and_goes_on_after_it"
            ),
        ),
    ),
    Mutant(
        3,
        "a job within a guarantee makes way for another one",
        "quota/sublet_quota/admission/jobs_held_back.py",
        "if job.name in self.held or job.name in self.spares:",
        "if job.name in self.held:",
        (
            (
                "tests/quota/admission/test_guarantees_below_limits.py::"
                "test_jobs_within_a_guarantee_make_way_for_no_job_and_none_does_where_there_is_room"
            ),
        ),
    ),
    Mutant(
        3,
        "what others borrow keeps a job within a guarantee standing still below a limit",
        "quota/sublet_quota/admission/jobs_going_on.py",
        "displaces = bool(passed) and job.name in by_right",
        "displaces = False",
        (
            (
                "tests/quota/admission/test_jobs_going_on.py::"
                "test_what_slices_of_siblings_borrow_keeps_no_job_within_a_guarantee_back"
            ),
        ),
    ),
    Mutant(
        3,
        "nobody makes way below a limit for a job that goes on within a guarantee",
        "hub_ext/sublet_hub/jobs/order/held_back.py",
        "held_back_by(self._ledger, going.holds_back, made, now, beside)",
        "held_back_by(self._ledger, (), made, now, beside)",
        (
            (
                "tests/hub/jobs/test_held_back.py::"
                "test_a_job_goes_on_within_its_guarantee_and_a_borrowed_one_stands_still_for_it"
            ),
        ),
    ),
    Mutant(
        3,
        "a borrowed slice takes the place of a job within its group's guarantee",
        "quota/sublet_quota/admission/met_limits.py",
        "            return self.held(path[at]) + jobs\n",
        "            return self.held(path[at])\n",
        (
            (
                "tests/quota/admission/test_guarantees_below_limits.py::"
                "test_a_borrowed_slice_takes_the_place_of_no_job_within_its_group_s_guarantee"
            ),
        ),
    ),
    Mutant(
        3,
        "below a limit another group's guaranteed job makes way before the payer's own",
        "quota/sublet_quota/admission/jobs_held_back.py",
        "return not (of_others and job.is_by_right), not",
        "return False, not",
        (
            (
                "tests/quota/admission/test_guarantees_below_limits.py::"
                "test_of_jobs_within_a_guarantee_those_of_the_payer_make_way_before_those_of_others"
            ),
        ),
    ),
    Mutant(
        3,
        "whoever is on a card is moved away ahead of another group's reservation",
        _RESERVE,
        "if makes_way(room.snapshot, c.view) and not c.by_eviction",
        "if not c.by_eviction",
        (f"{_RESERVED}::test_nobody_entitled_leaves_for_a_reservation_and_nobody_is_ended",),
    ),
    Mutant(
        3,
        "who is guaranteed in part stays in what a sibling within that part has reserved",
        "quota/sublet_quota/placement/reserved_room.py",
        "return not is_entitled_against(",
        "return is_entitled_against(",
        (
            (
                "tests/quota/placement/test_reserved_room.py::"
                "test_who_is_guaranteed_in_part_makes_way_for_who_is_within_that_part"
            ),
        ),
    ),
    Mutant(
        3,
        "what is guaranteed in part takes the room of siblings that are guaranteed all of it",
        "quota/sublet_quota/holdings/layout/entitled_room.py",
        "        if is_entitled_against(layout.tree, piece, leaf):\n            load",
        "        if piece.entitled:\n            load",
        (
            (
                "tests/quota/placement/test_reserved_room.py::"
                "test_at_the_hour_the_card_of_the_reservation_is_taken_before_that_of_others_there"
            ),
        ),
    ),
    Mutant(
        3,
        "who is called back leaves so that a job may stay in room that is reserved",
        _RESERVE,
        "return self._making_of_jobs.is_possible(",
        "return self._making.is_possible(",
        (
            f"{_RESERVED}::test_jobs_leave_before_any_owner_the_least_entitled_first_and_as_few_as_must",
        ),
    ),
    Mutant(
        3,
        "the reservation's own leave ahead of it",
        "quota/sublet_quota/residency/room.py",
        "view.rank >= Rank.BORROWED and not view.in_reserve",
        "view.rank >= Rank.BORROWED",
        (f"{_RESERVED}::test_who_keeps_its_borrowed_place_leaves_after_who_was_called_back",),
    ),
    Mutant(
        3,
        "who is called back keeps its seat in room that is reserved",
        _LEFT_ROOM,
        "return fits and (self.reserve is None or self.reserve.is_left_beside(staying))",
        "return fits",
        (f"{_RESERVED}::test_idle_ones_leave_before_those_at_work_and_these_are_told",),
    ),
    Mutant(
        3,
        "members who take turns at stopping servers hold more together than before",
        "quota/sublet_quota/placement/finding/as_before.py",
        "each.since >= stopped_at and each.before is None",
        "False",
        (
            (
                f"{_IN_A_GRACE}::test_members_who_take_turns_at_stopping_servers"
                "_never_hold_more_together_than_before"
            ),
        ),
    ),
    Mutant(
        3,
        "who has a little as before has all of a card by the same right",
        "quota/sublet_quota/placement/resize.py",
        "        answer.recharged,\n",
        "        answer.recharged,\n        slice_.before,\n",
        (
            (
                "tests/quota/admission/test_resize.py::"
                "test_what_counts_as_before_does_so_as_long_as_it_does_not_grow"
            ),
        ),
    ),
    Mutant(
        3,
        "who fills their limits anew has what they stopped, too",
        "quota/sublet_quota/placement/finding/as_before.py",
        "if _has_others_instead(question, holding, asked) or",
        "if",
        (f"{_IN_A_GRACE}::test_who_has_another_slice_since_a_server_was_stopped_has_not_both",),
    ),
    Mutant(
        3,
        "who is entitled moves to a card where others' work comes before it",
        _MOVING,
        "        if _is_borrowed(holdings, holding):\n            return True\n        leaf",
        "        if holding:\n            return True\n        leaf",
        (f"{_IDLE}::test_nor_one_that_is_entitled_on_its_card_alone",),
    ),
    Mutant(
        3,
        "who is entitled moves while at work",
        _MOVING,
        "elif one.slice_id in holdings.idle and _is_entitled(holdings, one):",
        "elif _is_entitled(holdings, one):",
        (f"{_IDLE}::test_nor_does_it_where_others_elsewhere_are_idle",),
    ),
    Mutant(
        3,
        "who is entitled moves to where they take turns",
        "quota/sublet_quota/placement/finding/moving_own.py",
        "free.lesser(whole.left_by(entitled_on(holdings, gpu_id)))",
        "free",
        (f"{_IDLE}::test_nobody_moves_to_where_turns_would_be_taken_instead",),
    ),
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
    Mutant(
        3,
        "who cannot change cards has others take turns anew with each program of its own",
        "hub_ext/sublet_hub/state/staying_slices.py",
        "now if before is None else now + _OTHERS_COUNT_AFTER * lasts",
        "now",
        (
            (
                "tests/hub/state/test_staying_slices.py::"
                "test_programs_that_are_others_every_second_have_it_asked_a_few_times_a_day"
            ),
        ),
    ),
)
