"""Mutants of how long somebody keeps others at work from a GPU, and who comes sooner: rule 3."""

from typing import Final

from tests.security.mutant import Mutant

_TURNS: Final = "quota/sublet_quota/residency/turns.py"
_SLICES: Final = "hub_ext/sublet_agent/residency/served_slice.py"
_REGISTRY: Final = "hub_ext/sublet_agent/residency/registry.py"
_RESTARTS: Final = "tests/agent/residency/test_restarts.py"
_CASES: Final = "tests/quota/residency/test_turns.py"
_VIEWS: Final = "hub_ext/sublet_agent/residency/snapshots.py"
_OF_SLICES: Final = "tests/agent/residency/test_turns_of_slices.py"

MUTANTS: Final = (
    Mutant(
        3,
        "who holds much, or slows the card down, has turns without end",
        _TURNS,
        "min(worth, LONGEST * turn)",
        "worth",
        (f"{_CASES}::test_a_turn_lasts_no_longer_than_a_longest_one_whatever_it_costs",),
    ),
    Mutant(
        3,
        "who holds more has a longer turn than the other side",
        _TURNS,
        "view.held_mib + view.image_mib + self._largest_waiting()[view.turn_rank]",
        "2 * (view.held_mib + view.image_mib)",
        (f"{_CASES}::test_a_turn_lasts_four_times_what_a_switch_costs_on_both_sides",),
    ),
    Mutant(
        3,
        "a stream of newcomers ends every turn of who computes for long",
        _TURNS,
        "        if view.turn_kind is not TurnKind.WHOLE:\n",
        "        if True:\n",
        (f"{_CASES}::test_whose_turn_was_ended_early_has_its_next_one_whole",),
    ),
    Mutant(
        3,
        "newcomers pass who has waited for long",
        _TURNS,
        "        since -= longest_turn(snapshot.settings)\n",
        "        since -= 1000 * longest_turn(snapshot.settings)\n",
        (f"{_CASES}::test_a_newcomer_comes_before_those_who_wait_for_less_than_a_longest_turn",),
    ),
    Mutant(
        3,
        "a cell that ends and another make a newcomer",
        _TURNS,
        "self.came_at - self.worked_until >= turn",
        "self.came_at > self.worked_until",
        (
            f"{_CASES}::test_ending_a_cell_and_starting_another_makes_no_newcomer",
            f"{_OF_SLICES}::test_giving_up_a_slice_and_taking_it_again_makes_no_newcomer",
        ),
    ),
    Mutant(
        3,
        "who restarts a server again and again is a newcomer each time",
        _REGISTRY,
        "            served.goes_on_after(self._owners_turns)\n",
        "            pass\n",
        (f"{_RESTARTS}::test_a_new_server_goes_on_with_its_owners_turns",),
    ),
    Mutant(
        3,
        "who does nothing keeps its seat for as long as a switch is worth",
        _TURNS,
        "if view.rests_since is not None or view.is_newcomer:",
        "if view.is_newcomer:",
        (f"{_CASES}::test_who_rests_is_not_spared_what_a_switch_costs",),
    ),
    Mutant(
        3,
        "who waits loses its place in the order as its bytes leave",
        _SLICES,
        "waiting_since = self._gate.waiting_since or now",
        "waiting_since = now",
        (
            (
                f"{_OF_SLICES}::"
                "test_waiting_for_long_makes_no_newcomer_also_where_the_bytes_leave_meanwhile"
            ),
        ),
    ),
    Mutant(
        3,
        "who comes from another card passes those who wait there",
        _VIEWS,
        "        turn_kind=TurnKind.USUAL,\n",
        "        turn_kind=TurnKind.FIRST,\n",
        (
            (
                f"{_OF_SLICES}::"
                "test_who_comes_from_another_card_comes_behind_who_waits_there_newcomer_or_not"
            ),
        ),
    ),
)
