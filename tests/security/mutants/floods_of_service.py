"""Mutants of the service's bounds on what callers and jobs take of it: rule 12."""

from typing import Final

from tests.security.mutant import Mutant

_HANDLER: Final = "hub_ext/sublet_hub/web/request_handler.py"
_BODY: Final = "hub_ext/sublet_hub/web/request_body.py"
_PAGES: Final = "hub_ext/sublet_hub/web/routes/pages.py"
_OWNER_ROUTES: Final = "hub_ext/sublet_hub/web/routes/owner.py"
_TURNS: Final = "hub_ext/sublet_hub/security/list_turns.py"
_ROOM: Final = "hub_ext/sublet_hub/security/byte_room.py"
_QUESTIONS: Final = "hub_ext/sublet_hub/security/question_queue.py"
_ACCESS: Final = "tests/hub/web/test_access.py"
_BODIES: Final = "tests/hub/web/test_methods_and_bodies.py"
_LONG_BODY: Final = f"{_BODIES}::test_who_sends_no_token_is_refused_before_a_long_body_is_read"
_LISTS: Final = "tests/hub/web/test_pages.py"
_TURN_TESTS: Final = "tests/hub/security/test_list_turns.py"
_QUEUE: Final = "tests/hub/security/test_question_queue.py"
_HARM: Final = "tests/hub/jobs/test_jobs_that_harm.py"

MUTANTS: Final = (
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
        "lists that are asked for at once are made before they are charged",
        _OWNER_ROUTES,
        "refuse_for(limits.owners.debt_s(call.user.key, time.monotonic()))",
        "pass",
        (f"{_LISTS}::test_pages_that_are_asked_for_at_once_cost_as_much",),
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
