"""Mutants of the service's bounds on what is kept of callers and jobs: rule 12."""

from typing import Final

from tests.security.mutant import Mutant

_JOB_FILES: Final = "hub_ext/sublet_hub/state/job_files.py"
_WRITER: Final = "hub_ext/sublet_hub/jobs/backends/local/output_writer.py"
_REFUSED: Final = "hub_ext/sublet_hub/ledger/refusals.py"
_REFUSALS: Final = "hub_ext/sublet_hub/usage/refusals.py"
_LISTS: Final = "tests/hub/web/test_pages.py"
_VOLUME: Final = "tests/hub/jobs/test_volume.py"
_OUTPUT: Final = "tests/hub/jobs/local/test_job_output.py"
_NO_MORE: Final = f"{_OUTPUT}::test_all_that_a_job_wrote_until_its_end_is_there_and_no_more"

_RECORDER: Final = "hub_ext/sublet_hub/usage/recorded/recorder.py"
_RECORDING: Final = "tests/hub/usage/test_recorder.py"
_OF_RECORDED: Final = "tests/hub/ledger/test_recorded.py"

MUTANTS: Final = (
    Mutant(
        12,
        "of one owner's wishes as many are recorded as they make",
        "hub_ext/sublet_hub/ledger/recorded.py",
        "newest.offset(MOST_ASKS_OF_OWNER)",
        "newest.offset(10**9)",
        (f"{_OF_RECORDED}::test_who_asks_in_a_loop_makes_nobody_elses_be_forgotten",),
    ),
    Mutant(
        12,
        "one owner's wishes take the room of all that wait to be recorded",
        _RECORDER,
        "self._of_owner[record.owner] < MOST_WAITING_OF_OWNER",
        "self._of_owner[record.owner] < MOST_WAITING",
        (f"{_RECORDING}::test_who_asks_in_a_loop_takes_no_room_of_others",),
    ),
    Mutant(
        18,
        "an agent whose cards come and go has all of that recorded",
        _RECORDER,
        "if self._noted_of[card.node] >= MOST_OF_NODE:\n",
        "if False:\n",
        (f"{_RECORDING}::test_of_a_node_whose_cards_come_and_go_so_much_is_noted_a_day",),
    ),
    Mutant(
        18,
        "an agent that tells a time twice has what happened to others recorded no more",
        "hub_ext/sublet_hub/ledger/recorded.py",
        "if (each.slice_id, each.until) not in known",
        "if True",
        (f"{_OF_RECORDED}::test_a_block_that_ends_as_another_did_keeps_nothing_else_out",),
    ),
    Mutant(
        18,
        "how long a move took is added up, whatever an agent says",
        _RECORDER,
        "min(told.took_s, _MOST_MOVE_S)",
        "told.took_s",
        (f"{_RECORDING}::test_an_agent_that_tells_times_without_end_spoils_no_sum",),
    ),
    Mutant(
        12,
        "what the database does not take of what happened ends a loop",
        _RECORDER,
        "except LedgerWriteError as error:",
        "except ZeroDivisionError as error:",
        (f"{_RECORDING}::test_what_a_full_disk_does_not_take_is_lost_and_nothing_else",),
    ),
    Mutant(
        12,
        "one user's refusals fill the ledger",
        _REFUSED,
        "_delete(connection, _beyond(connection, owner, MOST_OF_OWNER))",
        "pass",
        ("tests/hub/ledger/test_refusals.py::test_an_owner_has_so_many_rows_and_the_oldest_go",),
    ),
    Mutant(
        12,
        "one user's refusals make the ledger forget all others'",
        _REFUSED,
        "share = fair_share(numbers.values(), most)",
        "share = 0",
        (
            (
                "tests/hub/ledger/test_refusals.py::"
                "test_of_too_many_in_all_those_go_whose_owner_has_the_most"
            ),
        ),
    ),
    Mutant(
        12,
        "one user's refusals leave no room to others' until they are stored",
        _REFUSALS,
        " and self._of_owner[owner] < MOST_WAITING_OF_OWNER:",
        ":",
        (
            (
                "tests/hub/usage/test_refusals.py::"
                "test_an_owner_who_asks_for_ever_other_things_leaves_room_to_others"
            ),
        ),
    ),
    Mutant(
        12,
        "jobs that wait take any amount of the memory",
        "hub_ext/sublet_hub/jobs/submission.py",
        "or self._refuse_for_room(UserName(account.owner))\n            or self._intake",
        "or self._intake",
        (
            (
                "tests/hub/jobs/test_refused_jobs.py::"
                "test_an_owner_whose_jobs_take_much_memory_gets_no_more_and_others_do"
            ),
        ),
    ),
    Mutant(
        12,
        "one owner's jobs take all the memory that there is for jobs",
        "quota/sublet_quota/jobs/job_room.py",
        "if after > MOST_OF_AN_OWNER:",
        "if False:",
        (
            (
                "tests/quota/jobs/test_job_room.py::"
                "test_an_owner_has_so_much_and_no_more_than_is_left"
            ),
        ),
    ),
    Mutant(
        12,
        "any amount of a job is stored",
        "quota/sublet_quota/wire/job_size.py",
        "if size > MOST_JOB_BYTES:",
        "if False:",
        (f"{_LISTS}::test_a_job_too_large_to_be_stored_is_refused_with_what_to_leave_out",),
    ),
    Mutant(
        12,
        "any number of an owner's ended jobs is kept",
        "hub_ext/sublet_hub/ledger/ledger.py",
        "surplus += to_forget(self._ended_jobs.of_owner(owner))",
        "surplus += ()",
        (
            (
                "tests/hub/ledger/test_retention.py::"
                "test_an_owner_has_so_many_ended_jobs_and_those_that_ran_stay_longest"
            ),
        ),
    ),
    Mutant(
        12,
        "events are kept without end",
        "hub_ext/sublet_hub/ledger/event_retention.py",
        "if surplus > 0:",
        "if False:",
        (f"{_VOLUME}::test_of_too_many_events_the_oldest_go_some_at_a_time",),
    ),
    Mutant(
        12,
        "a node's flood of events makes all others' be forgotten",
        "hub_ext/sublet_hub/ledger/event_retention.py",
        "theirs = _is_of(of_node=bool(of), name=name)",
        "theirs = sa.true()",
        (f"{_VOLUME}::test_a_node_that_tells_very_much_makes_nobody_elses_events_be_forgotten",),
    ),
    Mutant(
        12,
        "a flood of events makes what admins switched be forgotten",
        "hub_ext/sublet_hub/ledger/event_retention.py",
        "numbers.pop((0, None), 0)",
        "0",
        (f"{_VOLUME}::test_what_concerns_everybody_is_forgotten_by_its_age_alone",),
    ),
    Mutant(
        12,
        "one owner's running jobs cost all others their logs",
        "hub_ext/sublet_hub/jobs/log_retention.py",
        "of_owner[whose.owners.get(log.job_id)].append(log)",
        "of_owner[whose.owners.get(JobId(''))].append(log)",
        (
            f"{_VOLUME}::test_who_has_the_most_gives_up_their_oldest_logs_and_no_more_than_is_needed",
        ),
    ),
    Mutant(
        12,
        "an owner's running jobs write on where they have more than their share",
        "hub_ext/sublet_hub/jobs/log_retention.py",
        "stopped=taken[whose.owners[job_id]] > share",
        "stopped=False",
        (f"{_VOLUME}::test_one_owners_running_jobs_cost_no_other_a_log_and_stop_nobody_elses",),
    ),
    Mutant(
        12,
        "the logs of all jobs together have no bound",
        "hub_ext/sublet_hub/jobs/log_retention.py",
        "if taken[owner] > share and log.job_id not in whose.live:",
        "if False:",
        (
            (
                f"{_VOLUME}::"
                "test_of_too_many_logs_the_oldest_of_ended_jobs_go_and_then_none_is_written_on"
            ),
        ),
    ),
    Mutant(
        12,
        "logs are written on where they take too much together",
        "hub_ext/sublet_hub/jobs/log_retention.py",
        "stopped = sum(taken.values()) > most_bytes * 5 // 4",
        "stopped = False",
        (
            (
                f"{_VOLUME}::"
                "test_of_too_many_logs_the_oldest_of_ended_jobs_go_and_then_none_is_written_on"
            ),
        ),
    ),
    Mutant(
        12,
        "jobs are taken while the ledger's disk is nearly full",
        _JOB_FILES,
        "return self.keep_free_bytes > 0 and self.free_bytes() <= self.keep_free_bytes",
        "return False",
        (
            (
                f"{_VOLUME}::"
                "test_while_the_disk_is_nearly_full_new_jobs_are_refused_and_the_ledger_goes_on"
            ),
        ),
    ),
    Mutant(
        12,
        "a log takes the ledger's part of the disk",
        _WRITER,
        "return not self.keep_free or disk.f_bavail * disk.f_frsize > self.keep_free",
        "return True",
        (f"{_OUTPUT}::test_a_log_leaves_the_ledgers_part_of_the_disk_free",),
    ),
    Mutant(
        12,
        "a job prints as much as it likes",
        _WRITER,
        "self._write(data[: self.room])",
        "self._write(data)",
        (f"{_OUTPUT}::test_a_job_that_prints_too_much_is_not_kept_waiting_and_fills_no_disk",),
    ),
    Mutant(
        12,
        "a job's output is written on after its end",
        _WRITER,
        "            for stream in by_pipe.values():\n"
        "                stream.drain()\n"
        "            return\n",
        "            poll.unregister(job)\n            ready.discard(job)\n",
        (_NO_MORE,),
    ),
    Mutant(
        12,
        "a record that cannot be read stops all others",
        "hub_ext/sublet_hub/ledger/reading.py",
        "            if unread is None:\n"
        "                raise\n"
        "            unread.note(kind, identify(record), error)\n",
        "            raise\n",
        ("tests/hub/ledger/test_reading.py::test_a_row_that_cannot_be_read_is_left_out_alone",),
    ),
)
