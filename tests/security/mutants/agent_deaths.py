"""Mutants of who stands still when an agent dies and its state folder is lost: rule 2."""

from typing import Final

from tests.security.mutant import Mutant

_LEFT: Final = "hub_ext/sublet_agent/cgroups/left_frozen.py"
_REGISTRY: Final = "hub_ext/sublet_agent/cgroups/registry.py"
_OUTSIDERS: Final = "hub_ext/sublet_agent/cgroups/outsiders.py"
_SEARCH: Final = "hub_ext/sublet_agent/residency/left_behind.py"
_PROCESSES: Final = "hub_ext/sublet_agent/residency/slice_processes.py"
_FOUND: Final = "tests/agent/cgroups/test_left_frozen.py"
_SEARCHES: Final = "tests/agent/residency/test_left_behind.py"
_NEW: Final = "tests/agent/measurement/test_new_processes.py"

MUTANTS: Final = (
    Mutant(
        2,
        "whoever anybody froze is taken for the agent's own",
        _LEFT,
        "tree.held_by(place) == mark",
        "True",
        (f"{_FOUND}::test_whoever_somebody_else_froze_stays_frozen",),
    ),
    Mutant(
        2,
        "whoever any agent of the machine froze is taken for this one's",
        _LEFT,
        "tree.held_by(place) == mark",
        "tree.held_by(place) is not None",
        (f"{_FOUND}::test_whoever_another_agent_of_the_machine_froze_stays_frozen",),
    ),
    Mutant(
        2,
        "outsiders are frozen where they are without a mark",
        "hub_ext/sublet_agent/cgroups/holding.py",
        '            with _told(f"group {place}"):\n'
        "                tree.begin_freezing(place, self._file.mark)\n",
        '            with _told(f"group {place}"):\n                tree.begin_freezing(place)\n',
        (f"{_FOUND}::test_an_outsider_in_a_group_of_their_own_runs",),
    ),
    Mutant(
        2,
        "a mark stays when its group is thawed",
        "hub_ext/sublet_agent/cgroups/trees.py",
        "os.removexattr(self._path(place), name)",
        "pass",
        (f"{_FOUND}::test_one_that_is_thawed_and_then_frozen_by_somebody_else_stays_frozen",),
    ),
    Mutant(
        2,
        "who is frozen for a slice that comes back now is thawed as left over",
        _REGISTRY,
        "if Frozen(tree, place) in needed or not tree",
        "if not tree",
        (f"{_FOUND}::test_whoever_stands_still_for_a_slice_that_comes_back_now_is_not_let_run",),
    ),
    Mutant(
        2,
        "outsiders held for a slice that comes back now are thawed as left over",
        _OUTSIDERS,
        "if holding.held is not None and place in holding.held.places:",
        "if holding.held is None:",
        (f"{_FOUND}::test_whoever_stands_still_for_a_slice_that_comes_back_now_is_not_let_run",),
    ),
    Mutant(
        2,
        "a defect in a search keeps gates shut for ever",
        _SEARCH,
        "            finally:\n                # Whatever",
        "            except LookupError:\n                raise\n"
        "            else:\n                # Whatever",
        (f"{_SEARCHES}::test_a_search_that_is_cancelled_keeps_no_gate_shut",),
    ),
    Mutant(
        2,
        "a part of a process that was being moved counts as all of it",
        _PROCESSES,
        "self._memory_mib = None if self._is_untold else memory_mib",
        "self._memory_mib = memory_mib",
        (f"{_NEW}::test_where_it_was_leaving_it_needs_its_slices_cap_to_come_back",),
    ),
    Mutant(
        2,
        "a slice changes cards while nobody knows who of it is suspended",
        "hub_ext/sublet_agent/residency/card_changes.py",
        "if self._tools.is_unclear(served.slice_id):",
        "if self._tools.is_unclear is None:",
        (
            (
                "tests/agent/residency/test_card_changes.py::"
                "test_a_slice_whose_processes_are_looked_for_stays_until_they_are_known"
            ),
        ),
    ),
)
