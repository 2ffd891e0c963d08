"""Mutants of the line of notebook servers: whom the service starts, who sees and leaves a place.

They break rules 6 (scopes), 7 (revocation), 12 (denial), 13 (secrets), 14 (a GET changes nothing)
and 16 (text).
"""

from typing import Final

from tests.security.mutant import Mutant

_STARTS: Final = "hub_ext/sublet_hub/slices/server_starts.py"
_ROUTES: Final = "hub_ext/sublet_hub/web/routes/server_queue.py"
_QUEUE: Final = "hub_ext/sublet_hub/slices/server_queue.py"
_SPAWNER: Final = "spawner/sublet_spawner/user_choice.py"
_CHOICES: Final = "tests/spawner/test_slice_choices.py"
_JOINING: Final = "tests/hub/slices/line/test_joining.py"
_STARTING: Final = "tests/hub/slices/line/test_starts.py"
_TOLD: Final = "tests/hub/slices/line/test_told.py"
_PAGE: Final = "tests/spawner/test_place_in_line.py"
_OTHERS: Final = f"{_TOLD}::test_nobody_elses_place_is_seen_or_left"
_ENTRIES: Final = "hub_ext/sublet_hub/slices/line_entries.py"
_ROUNDS: Final = "tests/hub/slices/line/test_rounds.py"
_SO_MANY: Final = f"{_JOINING}::test_an_owner_and_all_together_have_so_many_in_line"

_RIGHTS: Final = "hub_ext/sublet_hub/slices/line_rights.py"

MUTANTS: Final = (
    Mutant(
        12,
        "small notebooks that come later starve a large one below a limit",
        "quota/sublet_quota/server_queue/walk.py",
        "            self._kept_limits.keep_full(question)\n",
        "            pass\n",
        (
            (
                "tests/quota/server_queue/test_turns.py::"
                "test_below_a_limit_the_head_is_not_starved_by_a_stream_of_small_ones"
            ),
        ),
    ),
    Mutant(
        7,
        "whom the hub has removed waits on, and has a slice at their turn",
        _RIGHTS,
        "                self._take_out(owner)\n",
        "                continue\n",
        (
            (
                f"{_ROUNDS}::test_whom_the_hub_has_removed_leaves_the_line_at_once_and_with_what"
                "_was_kept_for_them"
            ),
        ),
    ),
    Mutant(
        12,
        "a proxy without a route takes everybody out of the line",
        "hub_ext/sublet_hub/slices/jupyterhub_client.py",
        "            if _is_not_there(error):\n",
        "            if error.code == _NOTHING_THERE:\n",
        (
            (
                "tests/hub/slices/test_jupyterhub_client.py::"
                "test_that_there_is_no_such_user_is_believed_of_the_hub_and_of_nothing_before_it"
            ),
        ),
    ),
    Mutant(
        12,
        "who was asked after before they were a user leaves the line",
        "hub_ext/sublet_hub/slices/hub_users.py",
        "        self._kept.pop(owner, None)\n",
        "",
        ((f"{_ROUNDS}::test_a_new_user_waits_on_though_the_hub_has_just_said_that_there_is_none"),),
    ),
    Mutant(
        12,
        "an amount that the service does not take is a failed start, of which a hub ends",
        "spawner/sublet_spawner/choice.py",
        "abs(value) <= most",
        "True",
        (f"{_CHOICES}::test_options_that_are_no_choice_are_refused_before_anything_is_asked",),
    ),
    Mutant(
        12,
        "a name that the service does not take is a failed start",
        "spawner/sublet_spawner/slice_spawner.py",
        "except ValidationError as error:",
        "except NotImplementedError as error:",
        (f"{_CHOICES}::test_a_name_that_the_service_would_not_take_is_refused_and_no_failure",),
    ),
    Mutant(
        12,
        "options that cannot be sent are a failed start",
        "spawner/sublet_spawner/slice_spawner.py",
        "return _tellable(self._asked(choice, account))",
        "return self._asked(choice, account)",
        (f"{_CHOICES}::test_options_that_cannot_be_sent_are_left_to_the_hub_that_keeps_them",),
    ),
    Mutant(
        6,
        "a server is started whose turn has not come",
        _STARTS,
        "if not self._queue.holds_slice(entry):",
        "if False:",
        (
            f"{_STARTING}::test_only_whose_turn_has_come_is_ever_started",
            f"{_STARTING}::test_what_lost_its_slice_is_not_started",
        ),
    ),
    Mutant(
        6,
        "all who wait are asked for at the hub",
        _STARTS,
        "due = list(self._due())",
        "due = list(self._queue.entries.values())",
        (f"{_STARTING}::test_only_whose_turn_has_come_is_ever_started",),
    ),
    Mutant(
        12,
        "a start that fails unseen is asked for until the hub ends itself",
        _STARTS,
        "answer = StartAnswer.RUNS_ALREADY if asked.has_begun else StartAnswer.FAILED",
        "answer = StartAnswer.RUNS_ALREADY",
        (
            f"{_STARTING}::test_of_a_hub_that_does_not_wait_for_starts_a_few_are_asked_for_that_fail",
        ),
    ),
    Mutant(
        12,
        "a start of which the hub has not answered, and that fails, is asked for without end",
        _STARTS,
        "asked.has_begun, answer = True, StartAnswer.RUNS_ALREADY",
        "answer = StartAnswer.RUNS_ALREADY",
        (
            f"{_STARTING}::test_starts_that_fail_before_the_hub_has_answered_are_asked_for_a_few_times",
        ),
    ),
    Mutant(
        6,
        "a start that nobody waits for any more keeps its place in line",
        "spawner/sublet_spawner/slice_spawner.py",
        "            self._line.given_up()\n        if isinstance",
        "            pass\n        if isinstance",
        (f"{_PAGE}::test_a_start_that_the_hub_gives_up_and_that_then_joins_the_line_leaves_it",),
    ),
    Mutant(
        6,
        "anybody's place in line is shown to whoever asks",
        _ROUTES,
        "owner = call.owner(scopes.READ)",
        'owner = UserName(call.text("owner") or call.user.name)',
        (_OTHERS,),
    ),
    Mutant(
        6,
        "the whole line is shown to everybody",
        _ROUTES,
        "elif not call.user.sees_all:",
        "elif False:",
        (_OTHERS,),
    ),
    Mutant(
        6,
        "anybody takes anybody out of the line",
        _ROUTES,
        "if not (caller.is_admin or caller.may(scopes.JOBS, owner)):",
        "if False:",
        (_OTHERS, f"{_TOLD}::test_its_owner_and_an_admin_take_it_out_and_nobody_else"),
    ),
    Mutant(
        6,
        "whoever asks gets the slice, whatever was asked for in line",
        _QUEUE,
        "if entry.slice_id is None or entry.request != kept_of(request):",
        "if entry.slice_id is None:",
        (f"{_JOINING}::test_another_wish_at_its_turn_is_decided_anew",),
    ),
    Mutant(
        14,
        "a link takes a server out of the line",
        _SPAWNER,
        "for name, values in query_data.items() if name != LEAVE_FIELD",
        "for name, values in query_data.items()",
        (f"{_PAGE}::test_no_link_leaves_the_line",),
    ),
    Mutant(
        6,
        "who asks what they could have is told what somebody else could",
        "hub_ext/sublet_hub/slices/offers.py",
        "kept = self._kept.get(asked)",
        "kept = next(iter(self._kept.values()), None)",
        ("tests/hub/slices/test_offers.py::test_whoever_else_asks_or_otherwise_is_told_their_own",),
    ),
    Mutant(
        16,
        "the title of the size that is waited for is put on the page as it is",
        "spawner/sublet_spawner/line_notice.py",
        "<strong>{escape(_what(wait))}, at place {wait.place}</strong></p>",
        "<strong>{_what(wait)}, at place {wait.place}</strong></p>",
        (f"{_PAGE}::test_the_page_of_a_server_in_line_shows_its_place_and_how_to_leave",),
    ),
    Mutant(
        16,
        "what is told of a place in line is put on the page as it is",
        "spawner/sublet_spawner/line_notice.py",
        "escape(wait.message)",
        "wait.message",
        (f"{_PAGE}::test_the_page_of_a_server_in_line_shows_its_place_and_how_to_leave",),
    ),
    Mutant(
        12,
        "an owner has any number of servers in line",
        _QUEUE,
        "own >= MOST_OF_AN_OWNER",
        "False",
        (_SO_MANY,),
    ),
    Mutant(
        12,
        "any number of servers waits in line",
        _QUEUE,
        "len(kept) >= MOST_OF_ALL",
        "False",
        (_SO_MANY,),
    ),
    Mutant(
        12,
        "options without end are kept of each that waits in line",
        _ENTRIES,
        'if len(json.dumps(kept.get("start_options"))) > _MOST_OPTIONS:',
        "if False:",
        (
            (
                f"{_JOINING}::"
                "test_options_without_end_are_not_kept_and_it_is_started_with_those_that_the_hub_has"
            ),
        ),
    ),
    Mutant(
        6,
        "an owner's list of places in line has everybody's",
        "hub_ext/sublet_hub/slices/line_standings.py",
        "each for each in waiting if owner is None or each.owner == owner",
        "each for each in waiting",
        (f"{_TOLD}::test_each_sees_their_own_admins_all_and_the_hub_whose_it_asks",),
    ),
    Mutant(
        6,
        "an owner's list of places in line has all whose turn has come",
        _ROUTES,
        "if each.slice_id is not None and (owner is None or each.owner == owner)",
        "if each.slice_id is not None",
        (f"{_TOLD}::test_whose_turn_has_come_is_told_to_them_and_nobody_else",),
    ),
    Mutant(
        6,
        "whoever asks overtakes who waits in line",
        _QUEUE,
        "if any(each.name != name for each in self._entries.waiting()):",
        "if False:",
        (f"{_JOINING}::test_a_new_request_does_not_overtake_who_waits",),
    ),
    Mutant(
        7,
        "who waits in line has their turn by groups that they are in no more",
        _ENTRIES,
        'tuple(entry.request.get("groups", ())) if account is None else account.groups',
        'tuple(entry.request.get("groups", ()))',
        (f"{_ROUNDS}::test_who_is_in_another_group_by_now_waits_by_that_one",),
    ),
    Mutant(
        13,
        "how owners' processes run is kept with their places in line",
        _ENTRIES,
        "exclude=_NOT_KEPT, exclude_none=True)",
        "exclude_none=True)",
        (f"{_TOLD}::test_no_account_is_in_the_ledger",),
    ),
    Mutant(
        12,
        "all of a long line is told at once",
        "hub_ext/sublet_hub/slices/line_standings.py",
        "[each for each in standings if each in asked][:MOST_TOLD]",
        "[each for each in standings if each in asked]",
        (f"{_TOLD}::test_of_a_long_line_the_first_are_told_and_how_many_there_are",),
    ),
)
