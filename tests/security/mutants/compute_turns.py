"""Mutants of turns of computing: who is left paused, and who gets less by others: rule 3."""

from typing import Final

from tests.security.mutant import Mutant

_TURNS: Final = "hub_ext/sublet_agent/moves/compute_turns.py"
_POLICY: Final = "quota/sublet_quota/compute/policy.py"
_JOINING: Final = "quota/sublet_quota/compute/joining.py"
_FILLING: Final = "quota/sublet_quota/compute/filling.py"
_OPEN: Final = "quota/sublet_quota/compute/open_turns.py"
_PROOFS: Final = "quota/sublet_quota/compute/proofs.py"
_ROUNDS: Final = "quota/sublet_quota/compute/turns.py"
_OF_AGENT: Final = "tests/agent/moves/test_compute_turns.py"
_OF_POLICY: Final = "tests/quota/compute/test_policy.py"
_OF_ROUNDS: Final = "tests/quota/compute/test_turns.py"

MUTANTS: Final = (
    Mutant(
        3,
        "a job that was paused for a turn stays so when the agent dies",
        "hub_ext/sublet_agent/app/watchdog.py",
        "entry.target.holder is Holder.NOTEBOOK or entry.step in RUNS_ON",
        "entry.target.holder is Holder.NOTEBOOK",
        (f"{_OF_AGENT}::test_whoever_was_paused_for_a_turn_when_the_agent_died_is_let_run",),
    ),
    Mutant(
        3,
        "a pause for owners is taken for one of a turn when the agent dies",
        "hub_ext/sublet_agent/moves/pausing.py",
        "weaker = frozenset() if for_a_turn else frozenset({PauseReason.TURN})",
        "weaker = frozenset()",
        (
            (
                f"{_OF_AGENT}::"
                "test_a_job_that_was_paused_for_owners_beside_its_turn_stays_so_when_the_agent_dies"
            ),
        ),
    ),
    Mutant(
        3,
        "whoever ends turns leaves somebody paused",
        _TURNS,
        "        self._let_run()\n        if self._thread is not None:\n"
        "            self._thread.join(within_s)\n        self._let_run()\n",
        "        pass\n",
        (f"{_OF_AGENT}::test_what_else_keeps_a_process_paused_outlasts_the_turns",),
    ),
    Mutant(
        3,
        "whoever waits for a turn waits for a call of the driver for another, too",
        _TURNS,
        "        self._let_run()\n        if self._thread is not None:\n",
        "        if self._thread is not None:\n",
        (f"{_OF_AGENT}::test_nobody_stands_still_while_the_driver_does_not_come_back_for_another",),
    ),
    Mutant(
        3,
        "what cannot be paused takes turns",
        _JOINING,
        "return each.not_pausable is None and rest_of(each.slice_id, past.rests, now) is None",
        "return rest_of(each.slice_id, past.rests, now) is None",
        (f"{_OF_POLICY}::test_what_cannot_be_paused_is_left_out_and_said",),
    ),
    Mutant(
        3,
        "a card that waits for programs is held up by turns again and again",
        _FILLING,
        "            rest(each)\n        else:",
        "            pass\n        else:",
        (
            (
                f"{_OF_POLICY}::"
                "test_who_does_not_fill_its_turns_runs_freely_and_is_let_alone_for_a_while"
            ),
        ),
    ),
    Mutant(
        3,
        "turns that come late count as left unused",
        _FILLING,
        "had = part if each.turns is None else each.turns",
        "had = part",
        (
            (
                f"{_OF_POLICY}::"
                "test_who_filled_the_turns_it_had_has_no_rest_though_it_was_to_have_more"
            ),
        ),
    ),
    Mutant(
        3,
        "who leaves a little of each turn unused has half of the card",
        _OPEN,
        "    return [each for each in found if each.slice_id in more]\n",
        "    return []\n",
        (
            f"{_OF_POLICY}::test_who_did_not_fill_its_turns_and_has_more_than_its_due_has_an_open_turn",
        ),
    ),
    Mutant(
        3,
        "who cannot be paused has an open turn",
        _OPEN,
        "        and each.not_pausable is None\n",
        "",
        (f"{_OF_POLICY}::test_who_cannot_be_paused_has_no_open_turn",),
    ),
    Mutant(
        3,
        "whoever computes for a moment again and again is freed each time",
        _FILLING,
        "                again.append(each)\n",
        "                pass\n",
        (f"{_OF_POLICY}::test_whoever_stops_for_the_second_time_has_an_open_turn_when_it_is_back",),
    ),
    Mutant(
        3,
        "who has an open turn is paused in it",
        _TURNS,
        "self._switch_to(taken, turn.runs)",
        "self._switch_to(taken, {turn.slice_id})",
        (f"{_OF_AGENT}::test_an_open_turn_counts_for_who_runs_beside_and_for_who_has_the_turn",),
    ),
    Mutant(
        3,
        "a cell with a short open turn waits for longer than a period",
        _ROUNDS,
        "number % _SHIFTS * whole / _SHIFTS, []",
        "number % 3 * whole / 3, []",
        (f"{_OF_ROUNDS}::test_a_cell_waits_one_period_at_most_for_its_open_turn",),
    ),
    Mutant(
        3,
        "a cell waits for two periods where others take turns than before",
        _ROUNDS,
        "    return (Turn(None, SHORTEST, after.who),)\n",
        "    return ()\n",
        (
            f"{_OF_ROUNDS}::test_a_cell_waits_one_period_at_most_where_others_take_turns_than_before",
            f"{_OF_AGENT}::test_all_run_for_a_moment_where_others_take_turns_so_that_nobody_waits_for_two_periods",
        ),
    ),
    Mutant(
        3,
        "who computes no longer holds others up beside what runs at all times",
        _FILLING,
        "if all_fill and used(each) >= USES * granted[each.slice_id]:",
        "if all_fill:",
        (
            f"{_OF_POLICY}::test_a_cell_that_computes_no_longer_holds_nobody_up_where_others_fill_the_card",
        ),
    ),
    Mutant(
        3,
        "a share is said to be kept that one has who cannot be paused",
        _PROOFS,
        "        if others is not None:\n",
        "        if False:\n",
        (
            f"{_OF_POLICY}::test_who_gets_less_by_turns_beside_one_that_cannot_be_paused_is_not_told_it_is_kept",
        ),
    ),
    Mutant(
        3,
        "who fills its turns has a part of its due beside two that are capped and fill none",
        _POLICY,
        "    if at_caps or are_at_caps([*filling, *opened]):\n",
        "    if False:\n",
        (
            f"{_OF_POLICY}::test_who_does_not_fill_its_turns_is_held_to_its_cap_by_open_ones_beside_who_does",
        ),
    ),
    Mutant(
        3,
        "who is alone has more than the pool lets a slice have",
        "quota/sublet_quota/compute/measured.py",
        "return each.not_pausable is None and _is_more_than_the_cap(used(each), each)",
        "return False",
        (f"{_OF_POLICY}::test_who_is_alone_and_has_more_than_it_may_takes_turns_with_nobody",),
    ),
    Mutant(
        3,
        "a cell with a small share waits for many periods",
        _ROUNDS,
        "every < RAREST and not each.runs_a_cell:",
        "every < RAREST:",
        (f"{_OF_ROUNDS}::test_who_runs_a_cell_has_a_turn_in_every_period_however_little_is_due",),
    ),
)
