"""What other agents of the same machine, and failures to thaw, leave of the group for outsiders."""

import pytest
from sublet_agent.cgroups.maintenance import GroupKeeper
from sublet_agent.cgroups.registry import GroupBook

from tests.support.accounts import an_account
from tests.support.control_groups import GPU, control_groups, needs_freezer, until

WITHIN_S = 60.0


@pytest.fixture(params=[1, 2], ids=["version 1", "version 2"])
def groups(request, tmp_path):
    with control_groups(needs_freezer(tmp_path, request.param), tmp_path) as made:
        yield made


@pytest.fixture
def cleo():
    return an_account()


def coming_back(groups):
    return groups.freezer.freeze_neighbours(GPU, "a", [], WITHIN_S)


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
