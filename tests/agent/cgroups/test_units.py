"""A server that systemd started as a unit: all that is in the unit's group is its slice's."""

import os
from contextlib import contextmanager

import pytest
from sublet_agent.cgroups.groups_file import is_anything_frozen, thaw_left_over
from sublet_agent.cgroups.registry import Verdict

from tests.support.control_groups import GPU, WITHIN_S, control_groups, needs_freezer, until

SLICE = f"/sublet-test-{os.getpid()}.slice"
UNIT = f"{SLICE}/jupyter-ada.service"


@pytest.fixture
def groups(tmp_path):
    """The agent's groups in version 2, the tree that systemd shares."""
    with control_groups(needs_freezer(tmp_path, 2), tmp_path) as made:
        yield made


@contextmanager
def unit(groups, place=UNIT):
    """A unit's group, which is gone when all in it are."""
    groups.tree.make(place)
    try:
        yield place
    finally:
        for family in groups.families:
            family.ends()
        groups.families.clear()
        until(lambda: groups.keeper.leave() or not groups.tree.pids(place))
        groups.tree.remove("/" + place.split("/")[1])


def started_in(groups, place):
    family = groups.family()
    groups.tree.move(family.pid, place)
    return family


def of_ada(groups, family, **changes):
    return groups.slice("a", family, unit_group=UNIT, **changes)


def test_all_in_the_unit_are_its_slices_also_who_left_the_family_before_it_was_told(groups):
    with unit(groups):
        ada = started_in(groups, UNIT)
        gone_early = ada.starts("detached")
        assert groups.book.slice_at(gone_early) is None
        groups.serve(of_ada(groups, ada))
        assert groups.book.slice_at(ada.pid) == Verdict("a")
        assert groups.book.slice_at(gone_early) == Verdict("a")


def test_who_left_the_family_stands_still_with_the_rest_when_the_slice_comes_back(groups):
    with unit(groups):
        ada = started_in(groups, UNIT)
        gone_early, kernel = ada.starts("detached"), ada.starts("child")
        groups.serve(of_ada(groups, ada))
        with groups.freezer.freeze_neighbours(GPU, "a", [kernel], WITHIN_S) as stillness:
            assert stillness.problem == ""
            assert stillness.has_frozen(gone_early)
            assert not stillness.has_frozen(kernel)


def test_a_neighbour_stands_still_whole_wherever_in_its_unit_a_process_is(groups):
    with unit(groups):
        ada, ben = started_in(groups, UNIT), groups.family()
        groups.serve(of_ada(groups, ada), groups.slice("b", ben))
        outside = ada.starts("child")
        groups.tree.make(f"{UNIT}/of-hers")
        groups.tree.move(outside, f"{UNIT}/of-hers")
        with groups.freezer.freeze_neighbours(GPU, "b", [ben.pid], WITHIN_S) as stillness:
            assert stillness.problem == ""
            assert stillness.has_frozen(outside)
            assert stillness.has_frozen(ada.pid)
        assert ada.starts("child")


def test_a_group_that_only_ends_in_a_units_name_is_not_the_units(groups):
    with unit(groups), unit(groups, f"{SLICE}/of-ben.service{UNIT}") as forged:
        ada, ben = started_in(groups, UNIT), started_in(groups, forged)
        groups.serve(of_ada(groups, ada))
        assert groups.book.slice_at(ben.pid) is None


def test_a_unit_that_the_first_process_is_not_in_says_nothing(groups):
    with unit(groups):
        ada, other = groups.family(), started_in(groups, UNIT)
        groups.serve(of_ada(groups, ada))
        assert groups.book.slice_at(other.pid) is None
        assert groups.book.of("a").unit is None


def test_a_unit_is_its_next_slices_when_its_server_is_started_again(groups):
    with unit(groups):
        ada = started_in(groups, UNIT)
        groups.serve(of_ada(groups, ada))
        ada.ends()
        groups.serve()
        again = started_in(groups, UNIT)
        groups.serve(groups.slice("next", again, unit_group=UNIT))
        assert groups.book.slice_at(again.starts("detached")) == Verdict("next")


def test_a_new_agent_knows_the_unit_of_the_one_before(groups):
    with unit(groups):
        ada, ben = started_in(groups, UNIT), groups.family()
        groups.serve(of_ada(groups, ada), groups.slice("b", ben))
        groups.begin()
        assert groups.book.of("a").unit == UNIT


def test_a_unit_that_a_dead_agent_left_frozen_is_thawed(groups):
    with unit(groups):
        ada = started_in(groups, UNIT)
        groups.serve(of_ada(groups, ada))
        groups.tree.begin_freezing(UNIT)
        assert is_anything_frozen(groups.file)
        assert thaw_left_over(groups.file) == ["a"]
        assert ada.starts("child")
