"""Who is in no slice's group stands still while a slice comes back, and runs on where they were."""

import os
import subprocess
import uuid
from dataclasses import replace
from typing import ClassVar

import pytest
from sublet_agent.cgroups.freezing import SliceFreezer
from sublet_agent.cgroups.groups_file import SliceGroup, is_anything_frozen, thaw_left_over
from sublet_agent.cgroups.node_groups import GroupSettings, node_groups
from sublet_agent.cgroups.outsiders import Outsiders
from sublet_agent.cgroups.outsiders_file import OutsidersFile
from sublet_agent.cgroups.pods import pod_in
from sublet_agent.cgroups.registry import GroupBook
from sublet_agent.cgroups.trees import FreezerTree
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_quota.reasons.not_frozen import NotFrozen, not_frozen_clause

from tests.support.accounts import an_account
from tests.support.control_groups import GPU, WITHIN_S, a_group, coming_back, stands_still, until


def test_who_runs_outside_stands_still_and_is_where_they_were_afterwards(groups, cleo):
    outsider, other = groups.family(uid=cleo), groups.family(uid=an_account())
    child = outsider.starts("detached")
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    before = [groups.tree.place_of(pid) for pid in (outsider.pid, child)]
    with coming_back(groups) as stillness:
        assert stillness.problem == ""
        assert all(stillness.has_frozen(pid) for pid in (outsider.pid, child))
        assert all(stands_still(groups, pid) for pid in (outsider.pid, child))
        assert not stands_still(groups, other.pid)
    assert outsider.starts("child")
    assert [groups.tree.place_of(pid) for pid in (outsider.pid, child)] == before


def test_a_group_that_holds_nobody_else_is_frozen_as_it_is(groups, cleo, session):
    outsider = groups.family(uid=cleo)
    groups.tree.move(outsider.pid, session)
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    with coming_back(groups) as stillness:
        assert stillness.has_frozen(outsider.pid)
        assert groups.tree.place_of(outsider.pid) == session
        assert groups.tree.is_frozen(session)
    assert outsider.starts("child")


def test_from_a_group_with_others_in_it_nobody_else_is_frozen(groups, cleo, session):
    outsider, daemon = groups.family(uid=cleo), groups.family()
    for each in (outsider, daemon):
        groups.tree.move(each.pid, session)
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    with coming_back(groups) as stillness:
        assert stillness.has_frozen(outsider.pid)
        assert daemon.starts("child")
    assert groups.tree.place_of(outsider.pid) == session


class CountingTree(FreezerTree):
    """A tree that counts how often it is looked who is in a group."""

    looked_into: ClassVar[list[str]] = []

    def pids(self, place):
        self.looked_into.append(place)
        return super().pids(place)


def test_however_many_are_in_a_group_it_is_looked_into_once(groups, cleo, session):
    several = [groups.family(), *(groups.family(uid=cleo) for _ in range(3))]
    for each in several:
        groups.tree.move(each.pid, session)
    groups.book.note_accounts([cleo])
    tree, place = groups.keeper.place_for_outsiders
    counting = CountingTree(tree.version, tree.folder)
    counting.looked_into.clear()
    outsiders = Outsiders(groups.book, groups.table, groups.file, (counting, place))
    assert outsiders.still(GPU, [], WITHIN_S)
    assert all(outsiders.has_stilled(each.pid) for each in several[1:])
    outsiders.end(GPU)
    assert counting.looked_into.count(session) == 1


class CountingTable(LinuxProcessTable):
    """A table that counts of whom the account is read."""

    def __init__(self):
        super().__init__()
        self.asked_of = []

    def uid(self, pid):
        self.asked_of.append(pid)
        return super().uid(pid)


def test_of_who_stands_still_or_is_in_a_slice_nothing_is_read_again(groups, cleo):
    held = [groups.family(uid=cleo).pid for _ in range(3)]
    server = groups.family(uid=cleo)
    groups.serve(groups.slice("c", server))
    table = CountingTable()
    outsiders = Outsiders(groups.book, table, groups.file, groups.keeper.place_for_outsiders)
    assert outsiders.still(GPU, [], WITHIN_S)
    asked_of, table.asked_of = table.asked_of, []
    assert all(asked_of.count(pid) == 1 for pid in held)
    assert server.pid not in asked_of
    outsiders.look_again(GPU)
    assert os.getpid() not in table.asked_of
    assert table.asked_of
    assert not {*held, server.pid} & {*table.asked_of}
    outsiders.end(GPU)


class LateBook(GroupBook):
    """A book that asks, when slices are about to be frozen, what must be done by then."""

    by_then = None

    def begin(self, gpu_id, slice_id, freeze):
        self.done = self.by_then()
        return super().begin(gpu_id, slice_id, freeze)


def test_nobody_else_stands_still_while_an_accounts_many_processes_are_looked_for(groups, cleo):
    outside = groups.family(uid=cleo)
    book = LateBook(groups.file)
    book.note_accounts([cleo])
    outsiders = Outsiders(book, groups.table, groups.file, groups.keeper.place_for_outsiders)
    book.by_then = lambda: outsiders.has_stilled(outside.pid)
    freezer = SliceFreezer(book, outsiders)
    with freezer.freeze_neighbours(GPU, "a", [], WITHIN_S) as stillness:
        assert stillness.problem == ""
    assert book.done


def test_one_who_is_started_right_before_the_slices_are_frozen_is_found(groups, cleo):
    book = LateBook(groups.file)
    book.note_accounts([cleo])
    outsiders = Outsiders(book, groups.table, groups.file, groups.keeper.place_for_outsiders)
    book.by_then = lambda: groups.family(uid=cleo).pid
    freezer = SliceFreezer(book, outsiders)
    with freezer.freeze_neighbours(GPU, "a", [], WITHIN_S) as stillness:
        assert stillness.problem == ""
        assert stands_still(groups, book.done)


def test_who_comes_back_is_not_among_them(groups, cleo):
    server, outside = groups.family(uid=cleo), groups.family(uid=cleo)
    groups.serve(groups.slice("a", server))
    with coming_back(groups, pids=[outside.pid]) as stillness:
        assert not stillness.has_frozen(outside.pid)
        assert outside.starts("child")


def test_who_logs_in_meanwhile_is_found(groups, cleo):
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    with coming_back(groups) as stillness:
        late = groups.family(uid=cleo)
        until(lambda: (stillness.look_again(), stillness.has_frozen(late.pid))[1])
    assert late.starts("child")


def test_an_account_whose_slice_has_ended_is_still_looked_for(groups, cleo):
    outside, server = groups.family(uid=cleo), groups.family(uid=cleo)
    groups.serve(groups.slice("c", server))
    groups.serve()
    with coming_back(groups) as stillness:
        assert stillness.has_frozen(outside.pid)


def test_an_account_that_used_the_gpu_without_a_slice_is_looked_for_from_then_on(groups, cleo):
    seen, other = groups.family(uid=cleo), groups.family(uid=cleo)
    groups.freezer.note_stranger(GPU, seen.pid)
    with coming_back(groups, "GPU-2") as elsewhere:
        assert not elsewhere.has_frozen(other.pid)
    with coming_back(groups) as stillness:
        assert stillness.has_frozen(seen.pid)
        assert stillness.has_frozen(other.pid)


def test_whoever_begins_to_use_the_gpu_meanwhile_is_held(groups):
    stranger = groups.family()
    with coming_back(groups) as stillness:
        stillness.hold(stranger.pid)
        until(lambda: stands_still(groups, stranger.pid))
    assert stranger.starts("child")


def test_a_group_is_not_emptied_of_its_only_process(groups, session):
    """A container's would end with that."""
    stranger = groups.family()
    groups.tree.move(stranger.pid, session)
    with coming_back(groups) as stillness:
        stillness.hold(stranger.pid)
        until(lambda: stands_still(groups, stranger.pid))
        assert groups.tree.place_of(stranger.pid) == session
    assert stranger.starts("child")


def test_a_slice_of_another_gpu_that_begins_to_use_this_one_is_held_whole(groups):
    ben = groups.family()
    child = ben.starts("child")
    groups.serve(groups.slice("b", ben, gpu_id="GPU-2"))
    with coming_back(groups) as stillness:
        stillness.hold(child)
        until(lambda: stands_still(groups, ben.pid))
    assert ben.starts("child")


def test_a_pod_of_another_gpu_that_begins_to_use_this_one_is_held_whole_and_where_it_is(
    groups, pod
):
    ben, beside = groups.family(), groups.family()
    for each, name in ((ben, "one"), (beside, "two")):
        groups.tree.make(f"{pod}/{name}")
        groups.tree.move(each.pid, f"{pod}/{name}")
    before = groups.tree.place_of(ben.pid)
    uid = pod_in(pod)
    groups.book.name_pods({uid: "b"})
    groups.book.add(SliceGroup("b", "GPU-2", groups.tree, pod, uid))
    with coming_back(groups) as stillness:
        stillness.hold(ben.pid)
        until(lambda: stands_still(groups, beside.pid))
        assert groups.tree.place_of(ben.pid) == before
    assert ben.starts("child")


def test_where_they_do_not_stand_still_in_time_nothing_comes_back_and_it_is_told(groups, cleo):
    book = LateBook(groups.file)
    book.note_accounts([cleo])
    outsiders = Outsiders(book, groups.table, groups.file, groups.keeper.place_for_outsiders)
    book.by_then = lambda: groups.family(uid=cleo)
    freezer = SliceFreezer(book, outsiders)
    with freezer.freeze_neighbours(GPU, "a", [], 0.0) as stillness:
        assert stillness.problem == not_frozen_clause(NotFrozen.OUTSIDERS_AT_LARGE)
    assert outsiders.are_at_large(GPU)
    assert book.done.starts("child")
    with freezer.freeze_neighbours(GPU, "a", [], WITHIN_S) as stillness:
        assert stillness.problem == ""
    assert not outsiders.are_at_large(GPU)


def test_a_node_tells_of_the_gpu_to_which_nothing_comes_back(groups, cleo):
    groups.family(uid=cleo)
    node = node_groups(GroupSettings(), "node-1", groups.folder, groups.table)
    node.book.note_accounts([cleo])
    assert not node.outsiders.still(GPU, [], 0.0)
    node.outsiders.end(GPU)
    assert node.unfrozen_on(GPU) is NotFrozen.OUTSIDERS_AT_LARGE
    assert node.unfrozen_on("GPU-2") is None


def test_roots_processes_and_the_agents_run_on(groups):
    outside = groups.family()
    groups.serve(groups.slice("c", groups.family()))
    with coming_back(groups):
        assert outside.starts("child")


def test_after_an_agents_death_they_run_where_they_were(groups, cleo, session):
    alone, among_others = groups.family(uid=cleo), groups.family(uid=cleo)
    groups.tree.move(alone.pid, session)
    before = groups.tree.place_of(among_others.pid)
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    dead = groups.outsiders
    assert dead.still(GPU, [], WITHIN_S)
    assert is_anything_frozen(groups.file)
    thaw_left_over(groups.file)
    assert alone.starts("child")
    assert among_others.starts("child")
    assert groups.tree.place_of(among_others.pid) == before
    assert not is_anything_frozen(groups.file)


@pytest.fixture
def pod(groups):
    """A group as a kubelet makes it for a pod."""
    name = f"/kubepods-besteffort-pod{str(uuid.uuid4()).replace('-', '_')}.slice"
    with a_group(groups, name) as above:
        yield above


def test_pods_count_their_accounts_each_for_itself(groups, cleo, pod):
    stranger, neighbour, beside = (groups.family(uid=cleo) for _ in range(3))
    for each, name in ((stranger, "stranger"), (neighbour, "neighbour")):
        place = f"{pod}/{name}"
        groups.tree.make(place)
        groups.tree.move(each.pid, place)
    groups.freezer.note_stranger(GPU, stranger.pid)
    with coming_back(groups) as stillness:
        assert not any(map(stillness.has_frozen, (neighbour.pid, beside.pid)))
    groups.freezer.note_stranger(GPU, beside.pid)
    with coming_back(groups) as stillness:
        assert stillness.has_frozen(beside.pid)
        assert not stillness.has_frozen(neighbour.pid)
        assert neighbour.starts("child")


def test_whoever_is_started_right_after_is_where_its_parent_is(groups, cleo):
    script = "while :; do /bin/true & wait; done"
    several = [subprocess.Popen(["/bin/sh", "-c", script], user=cleo) for _ in range(8)]
    try:
        groups.serve(groups.slice("c", groups.family(uid=cleo)))
        tree, place = groups.keeper.place_for_outsiders
        for _ in range(5):
            with coming_back(groups) as stillness:
                assert stillness.problem == ""
                assert tree.exists(place)
            assert not tree.exists(place)
    finally:
        for each in several:
            each.kill()
            each.wait()


def test_an_agent_that_died_while_it_put_them_back_is_finished_by_the_next(groups, cleo):
    outside = groups.family(uid=cleo)
    before = groups.tree.place_of(outside.pid)
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    assert groups.outsiders.still(GPU, [], WITHIN_S)
    held = OutsidersFile(groups.file).load()
    dies = DyingTree(held.tree.version, held.tree.folder)
    with pytest.raises(KeyboardInterrupt):
        replace(held, tree=dies).let_go()
    assert is_anything_frozen(groups.file)
    thaw_left_over(groups.file)
    assert groups.tree.place_of(outside.pid) == before
    assert outside.starts("child")


class DyingTree(FreezerTree):
    """A tree that an agent dies in when it moves somebody."""

    def move(self, *_):
        raise KeyboardInterrupt
