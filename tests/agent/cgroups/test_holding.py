"""What other agents of the same machine, and failures to thaw, leave of the group for outsiders."""

import errno
import os
from pathlib import Path
from typing import ClassVar

import pytest
from sublet_agent.cgroups.groups_file import thaw_left_over
from sublet_agent.cgroups.holding import Holding
from sublet_agent.cgroups.maintenance import GroupKeeper
from sublet_agent.cgroups.outsiders import Outsiders
from sublet_agent.cgroups.outsiders_file import OutsidersFile
from sublet_agent.cgroups.registry import GroupBook
from sublet_agent.cgroups.trees import FreezerTree

from tests.support.control_groups import GPU, WITHIN_S, a_group, coming_back, until


def another_agent_begins(groups):
    book = GroupBook(groups.folder / "anothers.json")
    GroupKeeper(book, [groups.tree], groups.table, "another", str(groups.folder / "another"))


def test_an_agent_that_begins_leaves_another_its_group_while_nobody_is_in_it(groups, cleo):
    groups.book.note_accounts([cleo])
    outside = groups.family(uid=cleo)
    _, place = groups.keeper.place_for_outsiders
    with coming_back(groups) as stillness:
        assert stillness.problem == ""
        groups.tree.move(outside.pid, "/")
        another_agent_begins(groups)
        assert groups.tree.exists(place)


def test_where_the_group_was_removed_nevertheless_it_is_made_again(groups, cleo):
    groups.book.note_accounts([cleo])
    outside = groups.family(uid=cleo)
    _, place = groups.keeper.place_for_outsiders
    with coming_back(groups) as stillness:
        assert stillness.problem == ""
        groups.tree.move(outside.pid, "/")
        groups.tree.thaw(place)
        until(lambda: groups.tree.remove(place))
        stranger = groups.family()
        stillness.hold(stranger.pid)
        assert stillness.has_frozen(stranger.pid)
        assert groups.tree.is_told_to_freeze(place)
    assert stranger.starts("child")


@pytest.fixture
def session(groups):
    """A group as a login makes it, with one in it for a part of it."""
    with a_group(groups, f"/session-{os.getpid()}", "part") as place:
        yield place


class StubbornTree(FreezerTree):
    """A tree in which some groups cannot be thawed for a while."""

    stubborn: ClassVar[set[str]] = set()

    def thaw(self, place):
        if place in self.stubborn:
            raise OSError(errno.EIO, os.strerror(errno.EIO), place)
        super().thaw(place)


@pytest.fixture
def stubborn(groups, session):
    """Outsiders of whom those in the session's group cannot be thawed."""
    tree, place = groups.keeper.place_for_outsiders
    StubbornTree.stubborn = {session}
    yield Outsiders(
        groups.book, groups.table, groups.file, (StubbornTree(tree.version, tree.folder), place)
    )
    StubbornTree.stubborn = set()


def test_who_cannot_be_thawed_stays_on_disk_and_runs_after_a_later_end(
    groups, cleo, session, stubborn
):
    groups.book.note_accounts([cleo])
    outside = groups.family(uid=cleo)
    groups.tree.move(outside.pid, session)
    for _ in range(2):
        assert stubborn.still(GPU, [], WITHIN_S)
        stubborn.end(GPU)
        assert OutsidersFile(groups.file).load().in_place == {session}
    StubbornTree.stubborn = set()
    stubborn.let_go_left()
    assert outside.starts("child")
    assert OutsidersFile(groups.file).load() is None


def test_who_cannot_be_thawed_by_an_agent_is_let_go_by_the_next(groups, cleo, session, stubborn):
    groups.book.note_accounts([cleo])
    outside = groups.family(uid=cleo)
    groups.tree.move(outside.pid, session)
    assert stubborn.still(GPU, [], WITHIN_S)
    stubborn.end(GPU)
    where = groups.keeper.place_for_outsiders
    Outsiders(groups.book, groups.table, groups.file, where).let_go_left()
    assert outside.starts("child")


def test_where_the_disk_becomes_read_only_all_run_on(groups, cleo, monkeypatch):
    groups.book.note_accounts([cleo])
    outside = groups.family(uid=cleo)

    def is_read_only(path, **_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with coming_back(groups) as stillness, monkeypatch.context() as patched:
        assert stillness.problem == ""
        patched.setattr(Path, "unlink", is_read_only)
        groups.outsiders.end(GPU)
        assert outside.starts("child")
        assert not groups.outsiders.has_stilled(outside.pid)


def test_in_a_group_that_its_owner_can_thaw_nobody_is_frozen_in_place(groups, cleo, session):
    groups.book.note_accounts([cleo])
    outside, other = groups.family(uid=cleo), groups.family()
    switch = "freezer.state" if groups.tree.version == 1 else "cgroup.freeze"
    os.chown(groups.tree.folder / session[1:] / "part" / switch, cleo, -1)
    groups.tree.move(outside.pid, f"{session}/part")
    with coming_back(groups) as stillness:
        assert stillness.problem == ""
        assert groups.tree.is_told_to_freeze(session)
        assert groups.tree.place_of(outside.pid) == f"{session}/part"
    groups.tree.move(other.pid, session)
    with coming_back(groups) as stillness:
        assert stillness.problem == ""
        assert groups.tree.place_of(outside.pid) == groups.keeper.place_for_outsiders[1]
    assert groups.tree.place_of(outside.pid) == f"{session}/part"
    assert outside.starts("child")


def test_who_logs_in_beside_somebody_who_is_frozen_in_place_runs(groups, cleo, session):
    groups.book.note_accounts([cleo])
    outside, late = groups.family(uid=cleo), groups.family()
    groups.tree.move(outside.pid, f"{session}/part")
    with coming_back(groups) as stillness:
        assert stillness.has_frozen(outside.pid)
        assert not groups.tree.is_told_to_freeze(session)
        groups.tree.move(late.pid, session)
        assert late.starts("child")


def holding_of(groups):
    tree, place = groups.keeper.place_for_outsiders
    return Holding(OutsidersFile(groups.file), tree, place, lambda *_: True)


def test_whoever_was_frozen_by_somebody_else_is_not_let_run(groups, session):
    groups.tree.begin_freezing(session)
    holding = holding_of(groups)
    with holding.stopped(session):
        pass
    assert groups.tree.is_told_to_freeze(session)
    holding.let_go()
    assert groups.tree.is_told_to_freeze(session)


def test_who_stands_still_for_a_moment_runs_after_the_agents_death_in_it(groups, session):
    daemon = groups.family()
    groups.tree.move(daemon.pid, session)
    agent = os.fork()
    if agent == 0:
        with holding_of(groups).stopped(session):
            os._exit(0)
    os.waitpid(agent, 0)
    assert groups.tree.is_told_to_freeze(session)
    thaw_left_over(groups.file)
    assert daemon.starts("child")


def test_where_no_more_can_be_written_nobody_who_runs_is_taken_for_held(
    groups, session, monkeypatch
):
    holding = holding_of(groups)

    def is_full(path, *_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patched:
        with holding.stopped(session):
            patched.setattr(Path, "replace", is_full)
        assert session not in holding.held.places
    holding.let_go()
