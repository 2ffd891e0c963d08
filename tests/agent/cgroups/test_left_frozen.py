"""Whoever an agent froze is found and let run where its state folder is lost, and nobody else."""

import os

import pytest
from sublet_agent.cgroups.left_frozen import left_frozen
from sublet_agent.cgroups.maintenance import GroupKeeper
from sublet_agent.cgroups.outsiders import Outsiders
from sublet_agent.cgroups.registry import Frozen, GroupBook

from tests.support.control_groups import GPU, WITHIN_S, a_group

NODE = "node-1"


@pytest.fixture
def anybodys(groups):
    """A group that somebody else may freeze."""
    with a_group(groups, f"/anybodys-{os.getpid()}") as place:
        yield place


class Next:
    """The agent that comes after one whose files are all lost."""

    def __init__(self, groups):
        for file in groups.folder.glob("*.json"):
            file.unlink()
        self.book = GroupBook(groups.file)
        self.keeper = GroupKeeper(self.book, [groups.tree], groups.table, NODE, str(groups.folder))
        where = self.keeper.place_for_outsiders
        self.outsiders = Outsiders(self.book, groups.table, groups.file, where)

    def thaws(self):
        return self.outsiders.let_go_lost(self.keeper.trees, self.keeper.name)


def test_an_outsider_in_the_agents_own_group_runs(groups, cleo):
    groups.book.note_accounts([cleo])
    outside = groups.family(uid=cleo)
    groups.tree.move(outside.pid, "/")
    assert groups.outsiders.still(GPU, [], WITHIN_S)
    _, place = groups.keeper.place_for_outsiders
    assert groups.tree.place_of(outside.pid) == place
    following = Next(groups)
    assert following.thaws() == [place]
    assert outside.starts("child")
    assert groups.tree.place_of(outside.pid) == ("/" if groups.tree.version == 1 else place)
    assert following.thaws() == []


def test_an_outsider_in_a_group_of_their_own_runs(groups, cleo, session):
    groups.book.note_accounts([cleo])
    outside = groups.family(uid=cleo)
    groups.tree.move(outside.pid, session)
    assert groups.outsiders.still(GPU, [], WITHIN_S)
    assert groups.tree.is_told_to_freeze(session)
    assert session in Next(groups).thaws()
    assert outside.starts("child")
    assert groups.tree.held_by(session) is None


def test_a_slice_that_nobody_serves_any_more_runs(groups):
    ada = groups.family()
    groups.serve(groups.slice("a", ada))
    group = groups.book.of("a")
    groups.book.begin(GPU, "b", [Frozen(group.tree, group.whole)])
    assert Next(groups).thaws() == [group.whole]
    assert ada.starts("child")


def test_whoever_somebody_else_froze_stays_frozen(groups, anybodys):
    groups.tree.begin_freezing(anybodys)
    assert Next(groups).thaws() == []
    assert groups.tree.is_told_to_freeze(anybodys)


def test_whoever_another_agent_of_the_machine_froze_stays_frozen(groups, anybodys):
    another = GroupBook(groups.folder / "another" / "control-groups.json")
    groups.tree.begin_freezing(anybodys, another.mark)
    assert Next(groups).thaws() == []
    assert groups.tree.is_told_to_freeze(anybodys)


def test_one_that_is_thawed_and_then_frozen_by_somebody_else_stays_frozen(groups, anybodys):
    groups.book.begin(GPU, "b", [Frozen(groups.tree, anybodys)])
    groups.book.end(GPU)
    groups.tree.begin_freezing(anybodys)
    assert Next(groups).thaws() == []
    assert groups.tree.is_told_to_freeze(anybodys)


def test_whoever_stands_still_for_a_slice_that_comes_back_now_is_not_let_run(
    groups, cleo, session, anybodys
):
    groups.book.note_accounts([cleo])
    outside = groups.family(uid=cleo)
    groups.tree.move(outside.pid, session)
    following = Next(groups)
    following.book.note_accounts([cleo])
    following.book.begin(GPU, "b", [Frozen(groups.tree, anybodys)])
    assert following.outsiders.still(GPU, [], WITHIN_S)
    assert following.thaws() == []
    assert groups.tree.is_told_to_freeze(anybodys)
    assert groups.tree.is_told_to_freeze(session)
    following.outsiders.end(GPU)
    following.book.end(GPU)
    assert outside.starts("child")


def test_only_those_that_are_frozen_are_found(groups, anybodys):
    place = f"{anybodys}/{groups.keeper.name}"
    groups.tree.make(place)
    assert place not in left_frozen(groups.tree, groups.keeper.name, groups.book.mark)
    groups.tree.begin_freezing(place)
    assert place in left_frozen(groups.tree, groups.keeper.name, groups.book.mark)
    groups.tree.remove(place)
