"""Mutants of the service's bounds on what callers and jobs take of it: rule 12."""

from typing import Final

from tests.security.mutant import Mutant

_HANDLER: Final = "hub_ext/sublet_hub/web/request_handler.py"
_BODY: Final = "hub_ext/sublet_hub/web/request_body.py"
_CONNECTIONS: Final = "hub_ext/sublet_hub/web/connections.py"
_LISTENING: Final = "hub_ext/sublet_hub/web/listening.py"
_PAGES: Final = "hub_ext/sublet_hub/web/routes/pages.py"
_OWNER_ROUTES: Final = "hub_ext/sublet_hub/web/routes/owner.py"
_TURNS: Final = "hub_ext/sublet_hub/security/list_turns.py"
_ROOM: Final = "hub_ext/sublet_hub/security/byte_room.py"
_QUESTIONS: Final = "hub_ext/sublet_hub/security/question_queue.py"
_JOB_FILES: Final = "hub_ext/sublet_hub/state/job_files.py"
_WRITER: Final = "hub_ext/sublet_hub/jobs/backends/local/output_writer.py"
_REFUSED: Final = "hub_ext/sublet_hub/ledger/refusals.py"
_REFUSALS: Final = "hub_ext/sublet_hub/usage/refusals.py"
_ACCESS: Final = "tests/hub/web/test_access.py"
_BODIES: Final = "tests/hub/web/test_methods_and_bodies.py"
_LONG_BODY: Final = f"{_BODIES}::test_who_sends_no_token_is_refused_before_a_long_body_is_read"
_OPEN: Final = "tests/hub/web/test_connections.py"
_CROWD: Final = "test_beside_a_crowd_that_never_ends_its_requests_all_others_are_answered"
_LET_IN_STAY: Final = (
    "test_who_was_let_in_keeps_their_places_from_however_many_addresses_strangers_come"
)
_LISTS: Final = "tests/hub/web/test_pages.py"
_TURN_TESTS: Final = "tests/hub/security/test_list_turns.py"
_QUEUE: Final = "tests/hub/security/test_question_queue.py"
_VOLUME: Final = "tests/hub/jobs/test_volume.py"
_HARM: Final = "tests/hub/jobs/test_jobs_that_harm.py"
_OUTPUT: Final = "tests/hub/jobs/local/test_job_output.py"
_NO_MORE: Final = f"{_OUTPUT}::test_all_that_a_job_wrote_until_its_end_is_there_and_no_more"

MUTANTS: Final = (
    Mutant(
        12,
        "a slice becomes of another size as often as its owner likes",
        "hub_ext/sublet_hub/slices/resizing.py",
        'take_or_refuse(self._limits, record.owner, "resized")',
        "pass",
        ("tests/hub/slices/test_slices.py::test_slices_are_not_resized_without_end",),
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
        "tokens that are made up wait without end",
        _QUESTIONS,
        "if len(line) <= self._bounds.of_a_line:",
        "if True:",
        (f"{_QUEUE}::test_a_full_line_sends_one_away_who_goes_first_when_coming_again",),
    ),
    Mutant(
        12,
        "strangers ask the hub as much as they like",
        _QUESTIONS,
        "or self._under_way >= self._bounds.at_once:",
        ":",
        (f"{_QUEUE}::test_so_many_questions_are_under_way_and_no_more",),
    ),
    Mutant(
        12,
        "one who makes up tokens has every turn",
        _QUESTIONS,
        "        self._peers.move_to_end(peer)\n        lines.move_to_end(address)\n",
        "",
        (f"{_QUEUE}::test_addresses_take_turns_and_so_do_peers_that_make_addresses_up",),
    ),
    Mutant(
        12,
        "one user asks the hub as much as they like",
        "hub_ext/sublet_hub/security/token_checks.py",
        "if self._of_user[user] >= _MOST_OF_A_USER:",
        "if False:",
        (f"{_ACCESS}::test_one_known_user_leaves_room_to_the_others",),
    ),
    Mutant(
        12,
        "answers are kept without end",
        "hub_ext/sublet_hub/security/authentication.py",
        "while len(kept) > _MOST_KEPT:",
        "while False:",
        (
            (
                "tests/hub/security/test_kept_answers.py::"
                "test_not_more_answers_are_kept_than_ten_thousand_of_each_kind"
            ),
        ),
    ),
    Mutant(
        12,
        "a login that nobody began stops the service until the hub answers",
        _HANDLER,
        "if not self.get_signed_cookie(self.hub_auth.get_state_cookie_name(state)):",
        "if False:",
        (
            (
                "tests/hub/web/test_browsers.py::"
                "test_a_login_that_nobody_began_asks_the_hub_nothing_and_keeps_nobody_waiting"
            ),
        ),
    ),
    Mutant(
        12,
        "an owner asks as often as they like",
        _HANDLER,
        "refuse_for(owners.take_or_wait_s(caller.key, time.monotonic()))",
        "del owners",
        (f"{_ACCESS}::test_an_owner_has_a_rate_of_requests",),
    ),
    Mutant(
        12,
        "bodies are kept before anybody is let in",
        _HANDLER,
        "@stream_request_body\nclass",
        "class",
        (_LONG_BODY,),
    ),
    Mutant(
        12,
        "a stranger's long body is waited for",
        _BODY,
        "most = LARGEST_BODY if let_in else STRANGERS_BODY",
        "most = LARGEST_BODY",
        (_LONG_BODY, f"{_BODIES}::test_a_body_in_pieces_of_a_stranger_ends_at_a_few_kib"),
    ),
    Mutant(
        12,
        "a route's bound counts for what a body's header says alone",
        _BODY,
        "if len(self._chunks) + len(chunk) > self._most:",
        "if False:",
        (f"{_BODIES}::test_a_known_users_body_is_read_up_to_the_routes_limit",),
    ),
    Mutant(
        12,
        "bodies under way have no bound together",
        _ROOM,
        "while self._promised + size > self._most:",
        "while False:",
        (f"{_BODIES}::test_what_one_caller_sends_leaves_room_to_others",),
    ),
    Mutant(
        12,
        "one caller's bodies under way take all room",
        _ROOM,
        "if after > self.most_of_a_caller:",
        "if False:",
        (f"{_BODIES}::test_what_one_caller_sends_leaves_room_to_others",),
    ),
    Mutant(
        12,
        "users who agree on it take all room for bodies",
        _ROOM,
        "if largest is None or largest.size <= after:",
        "if True:",
        (
            (
                f"{_BODIES}::test_users_who_agree_to_fill_all_room_"
                "keep_out_neither_the_hub_nor_who_has_little"
            ),
        ),
    ),
    Mutant(
        12,
        "the hub and its services have no room of their own",
        _ROOM,
        "return self._users if caller.startswith(_A_USER) else self._services",
        "return self._users",
        (f"{_BODIES}::test_no_number_of_users_takes_the_room_of_the_hub_and_its_services",),
    ),
    Mutant(
        12,
        "answers that nobody reads wait without end",
        "hub_ext/sublet_hub/web/unsent_answers.py",
        "            stream.close()\n            return\n",
        "            return\n",
        (
            (
                "tests/hub/web/test_unsent_answers.py::"
                "test_who_reads_nothing_has_one_long_answer_waiting_and_no_second"
            ),
        ),
    ),
    Mutant(
        12,
        "made-up methods become labels",
        "hub_ext/sublet_hub/state/metrics.py",
        'told = method if method in _METHODS else "other"',
        "told = method",
        (f"{_BODIES}::test_a_method_that_somebody_made_up_becomes_no_metrics_label",),
    ),
    Mutant(
        12,
        "any number of connections is open",
        _CONNECTIONS,
        "if len(self) >= self._most:",
        "if False:",
        (f"{_OPEN}::test_who_has_the_most_gives_up_their_longest_idle_connection",),
    ),
    Mutant(
        12,
        "who comes first keeps all connections",
        _CONNECTIONS,
        "victim = self._victim()",
        "victim = None",
        (f"{_OPEN}::test_who_has_the_most_gives_up_their_longest_idle_connection",),
    ),
    Mutant(
        12,
        "a stranger's connections cost the proxy's",
        _CONNECTIONS,
        "return max(first, key=lambda each: (each[0], -self._places[each[1]].since))[1]",
        "return next(first)[1]",
        (f"{_OPEN}::test_the_proxy_keeps_its_places_while_a_stranger_opens_a_thousand",),
    ),
    Mutant(
        12,
        "requests that never end keep everybody else out",
        _CONNECTIONS,
        "_About.STRANGER if body_is_over else _About.STRANGER_DELAYS",
        "_About.STRANGER if body_is_over else _About.HUB",
        (f"{_OPEN}::{_CROWD}",),
    ),
    Mutant(
        12,
        "strangers of many addresses take the places of who was let in",
        _CONNECTIONS,
        "self._move(connection, _About.HUB if is_hub else kind, who)",
        "self._move(connection, _About.NOTHING, who)",
        (f"{_OPEN}::{_LET_IN_STAY}",),
    ),
    Mutant(
        12,
        "one caller takes all places",
        _CONNECTIONS,
        "if not is_hub and self._of_caller[who] >= self._most_of_one:",
        "if False:",
        (
            f"{_OPEN}::test_one_caller_has_a_part_of_all_places_and_the_hub_as_many_as_it_needs",
            f"{_BODIES}::test_one_caller_has_so_many_requests_under_way_and_others_are_served",
        ),
    ),
    Mutant(
        12,
        "a crowd of strangers ends all connections that wait for their next request",
        _CONNECTIONS,
        "order.sort(key=lambda about: about not in _STRANGERS)",
        "pass",
        (f"{_OPEN}::test_while_strangers_have_more_than_half_theirs_go_before_idle_ones",),
    ),
    Mutant(
        12,
        "who has just come is the first to go, whoever else is slow",
        _CONNECTIONS,
        "few = self._most // _KEPT_FOR_THE_NEW",
        "few = 0",
        (f"{_OPEN}::test_who_has_just_come_is_read_before_the_next_ones_take_their_place",),
    ),
    Mutant(
        12,
        "more come in one round of the loop than there are places",
        _LISTENING,
        "self._at_once = max(1, min(_AT_ONCE, most_connections // _ROUNDS))",
        "self._at_once = _AT_ONCE",
        (f"{_OPEN}::test_in_each_round_of_the_loop_a_part_of_the_places_is_taken_at_most",),
    ),
    Mutant(
        12,
        "who connects and says nothing is waited for without end",
        _LISTENING,
        "loop.call_later(_HEADERS_WITHIN_S, stream.close)",
        "loop.call_later(1e9, stream.close)",
        (f"{_OPEN}::test_who_connects_and_says_nothing_is_hung_up_on",),
    ),
    Mutant(
        12,
        "a machine without files is asked again at once, for ever",
        _LISTENING,
        "                self._rest(error)\n",
        "",
        (f"{_OPEN}::test_a_machine_without_files_is_let_alone_for_a_while_and_logged_once",),
    ),
    Mutant(
        12,
        "a page has any number of bytes",
        _PAGES,
        " or (entries and size + len(text) > MOST_PAGE_BYTES):",
        ":",
        (f"{_LISTS}::test_large_jobs_come_in_pages_of_bounded_size_and_none_is_missing",),
    ),
    Mutant(
        12,
        "all parts of a list are made at once",
        _TURNS,
        "            yield\n            await asyncio.sleep(0)\n",
        "            yield\n",
        (f"{_TURN_TESTS}::test_in_each_round_of_the_loop_one_part_is_made_at_most",),
    ),
    Mutant(
        12,
        "all lists that are asked for are made side by side",
        _TURNS,
        "async with self._part:",
        "if True:",
        (f"{_TURN_TESTS}::test_in_each_round_of_the_loop_one_part_is_made_at_most",),
    ),
    Mutant(
        12,
        "any number of a caller's lists wait",
        _TURNS,
        "if own.lists >= _MOST_OF_A_CALLER:",
        "if False:",
        (
            (
                f"{_TURN_TESTS}::"
                "test_who_asks_for_many_lists_has_one_made_at_a_time_and_others_do_not_wait"
            ),
        ),
    ),
    Mutant(
        12,
        "a long list costs as little as a short one",
        _OWNER_ROUTES,
        "limits.owners.charge(call.user.key, cost_of_page(len(page.body), page.cpu_s))",
        "limits.owners.charge(call.user.key, 0)",
        (f"{_LISTS}::test_a_page_costs_more_requests_than_a_short_answer",),
    ),
    Mutant(
        12,
        "a look at a job that is slow to read costs as little as another",
        "hub_ext/sublet_hub/security/rate_limits.py",
        "return int(cpu_s / _LOOK_S)",
        "return 0",
        (
            (
                "tests/hub/web/test_job_views.py::"
                "test_to_look_at_a_job_costs_as_much_as_it_takes_to_read_what_its_owner_wrote"
            ),
        ),
    ),
    Mutant(
        12,
        "a job's progress is parsed whatever it is made of",
        "hub_ext/sublet_hub/jobs/progress.py",
        "if not _has_few_parts(line):",
        "if False:",
        (f"{_HARM}::test_a_line_of_junk_costs_no_more_than_one_of_text",),
    ),
    Mutant(
        12,
        "the time to redact a text grows as its square",
        "quota/sublet_quota/log_lines/redaction.py",
        "(?<!{_WORDY})(?:(?!\\beyJ){_WORDY})*+",
        "\\b",
        (
            (
                "tests/quota/log_lines/test_redaction.py::"
                "test_the_time_to_read_a_text_grows_no_faster_than_the_text"
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
        "health is reckoned anew for each question",
        "hub_ext/sublet_hub/web/views/health.py",
        "if began_s >= self._until_s:",
        "if True:",
        (
            (
                "tests/hub/web/test_health.py::test_to_reckon_health_takes_little_"
                "of_the_time_however_often_it_is_asked_for"
            ),
        ),
    ),
    Mutant(
        12,
        "who connects directly on this machine makes lines up",
        "hub_ext/sublet_hub/web/server.py",
        "if peers is None or not peers.is_direct(request):",
        "if True:",
        (
            (
                f"{_ACCESS}::test_who_connects_directly_on_this_machine_"
                "has_one_line_whatever_they_say"
            ),
        ),
    ),
    Mutant(
        12,
        "what was closed at once counts as root's",
        "hub_ext/sublet_hub/security/local_peers.py",
        "return int(uid) if inode else None",
        "return int(uid)",
        (
            (
                "tests/hub/security/test_local_peers.py::"
                "test_a_connection_that_was_closed_at_once_is_nobodys_and_not_roots"
            ),
        ),
    ),
    Mutant(
        12,
        "tenants of this machine take the proxy's connections",
        _LISTENING,
        "self._peers.note(stream, str(address[0])) if address",
        "str(address[0]) if address",
        ((f"{_OPEN}::test_who_connects_directly_on_this_machine_takes_no_places_of_the_proxys"),),
    ),
    Mutant(
        12,
        "lists that are asked for at once are made before they are charged",
        _OWNER_ROUTES,
        "refuse_for(limits.owners.debt_s(call.user.key, time.monotonic()))",
        "pass",
        (f"{_LISTS}::test_pages_that_are_asked_for_at_once_cost_as_much",),
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
                "tests/hub/ledger/test_ledger.py::"
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
    Mutant(
        12,
        "the quota file is read on the loop",
        "hub_ext/sublet_hub/state/quota_file.py",
        "await asyncio.to_thread(self._parse, text)",
        "self._parse(text)",
        (
            (
                "tests/hub/state/test_quota_file.py::"
                "test_a_file_is_read_beside_the_loop_and_two_at_once_one_after_the_other"
            ),
        ),
    ),
    Mutant(
        12,
        "every slice of a top group is looked at for each size that somebody could have",
        "quota/sublet_quota/placement/finding/recharging.py",
        "in islice(holdings.rechargeable(groups), _MOST_LOOKED_AT)",
        "in holdings.rechargeable(groups)",
        (
            (
                "tests/quota/placement/test_recharging_in_bounds.py::"
                "test_of_very_many_slices_the_newest_are_looked_at_once_for_all_sizes"
            ),
        ),
    ),
    Mutant(
        12,
        "how long an answer took counts for nobody",
        _OWNER_ROUTES,
        "service.limits.owners.charge(call.user.key, cost_of(time.thread_time() - began_s))",
        "cost_of(time.thread_time() - began_s)",
        (
            (
                "tests/hub/web/test_costly_answers.py::"
                "test_who_asks_for_what_takes_long_waits_and_nobody_else"
            ),
        ),
    ),
)
