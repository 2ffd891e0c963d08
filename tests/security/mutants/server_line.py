"""Mutants of the line of notebook servers: whom the service starts, who sees and leaves a place.

They break rules 6 (scopes), 12 (denial), 14 (a GET changes nothing) and 16 (text).
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

MUTANTS: Final = (
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
        "elif not call.user.is_admin:",
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
)
