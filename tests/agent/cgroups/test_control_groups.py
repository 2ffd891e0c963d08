"""Slices' control groups on this machine's kernel: who is in them, and who stands still."""

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest
from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.cgroups.groups_file import is_anything_frozen, thaw_left_over
from sublet_agent.cgroups.maintenance import GroupKeeper, agents_group_name
from sublet_agent.cgroups.node_groups import GroupSettings, node_groups
from sublet_agent.cgroups.outsiders_file import HeldOutsiders, OutsidersFile
from sublet_agent.cgroups.registry import GroupBook, Verdict
from sublet_agent.cgroups.trees import FreezerTree, find_trees
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_quota.reasons.not_frozen import NotFrozen, UnfrozenSlices

from tests.support.control_groups import GPU, WITHIN_S, control_groups, needs_freezer, until


@pytest.fixture(params=[1, 2], ids=["version 1", "version 2"])
def groups(request, tmp_path):
    with control_groups(needs_freezer(tmp_path, request.param), tmp_path) as made:
        yield made


def test_a_slices_first_process_is_taken_in_with_all_that_it_started(groups):
    ada = groups.family()
    before = [ada.starts("child"), ada.starts("child")]
    groups.serve(groups.slice("a", ada))
    assert [groups.book.slice_at(p) for p in (ada.pid, *before)] == [Verdict("a")] * 3


def test_whoever_is_born_later_is_in_the_group_however_it_detaches_itself(groups):
    ada = groups.family()
    groups.serve(groups.slice("a", ada))
    assert groups.book.slice_at(ada.starts("child")) == Verdict("a")
    assert groups.book.slice_at(ada.starts("detached")) == Verdict("a")


@pytest.mark.parametrize("step", ["make", "move"])
@pytest.mark.parametrize("error", [errno.ENOENT, errno.ENODEV])
def test_a_group_that_another_agent_removes_while_it_is_empty_is_made_again(
    groups, monkeypatch, step, error
):
    """An agent that begins removes what it takes for left behind."""
    ada, does = groups.family(), getattr(FreezerTree, step)
    removed = []

    def removed_once(tree, *arguments):
        if not removed:
            removed.append(True)
            groups.tree.remove("/" + agents_group_name("node-1", str(groups.folder)))
            raise OSError(error, os.strerror(error))
        return does(tree, *arguments)

    monkeypatch.setattr(FreezerTree, step, removed_once)
    groups.serve(groups.slice("a", ada))
    assert groups.book.slice_at(ada.pid) == Verdict("a")


def test_an_agent_that_begins_leaves_the_group_into_which_somebody_is_moved(
    groups, tmp_path, monkeypatch
):
    ada, move, there = groups.family(), FreezerTree.move, []

    def another_begins(tree, pid, place):
        book = GroupBook(tmp_path / "another.json")
        assert GroupKeeper(book, [tree], groups.table, "node-2", "another").unfrozen is None
        there.append(groups.tree.exists(place))
        move(tree, pid, place)

    monkeypatch.setattr(FreezerTree, "move", another_begins)
    groups.serve(groups.slice("a", ada))
    assert there == [True]
    assert groups.book.slice_at(ada.pid) == Verdict("a")


def test_whoever_holds_the_tree_for_ever_keeps_nobody_out_of_their_group(groups):
    ada = groups.family()
    with groups.tree.held_by_one(0.0) as alone:
        assert alone
        groups.serve(groups.slice("a", ada))
    assert groups.book.slice_at(ada.pid) == Verdict("a")


def test_where_folders_cannot_be_locked_slices_get_their_groups_all_the_same(groups, monkeypatch):
    def refuses(_file, _how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuses)
    ada = groups.family()
    groups.begin()
    groups.serve(groups.slice("a", ada))
    assert groups.keeper.unfrozen is None
    assert groups.book.slice_at(ada.pid) == Verdict("a")


def test_a_slices_memory_is_kept_out_of_swap_as_its_group_is_made(groups, monkeypatch):
    kept_out = []
    monkeypatch.setattr(FreezerTree, "keep_out_of_swap", lambda _, place: kept_out.append(place))
    groups.serve(groups.slice("a", groups.family()))
    # More than once where another agent of this machine removed the group while it was empty.
    assert set(kept_out) == {groups.book.of("a").place}


def test_a_slice_whose_swap_cannot_be_bounded_is_frozen_all_the_same(groups, monkeypatch, caplog):
    def refuses(_tree, _place):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(FreezerTree, "keep_out_of_swap", refuses)
    ada, ben = groups.family(), groups.family()
    groups.serve(groups.slice("a", ada), groups.slice("b", ben))
    assert "slice a may be written to swap" in caplog.text
    assert groups.keeper.unfrozen is None
    with groups.freezer.freeze_neighbours(GPU, "a", [ada.pid], WITHIN_S) as stillness:
        assert stillness.has_frozen(ben.pid)


def test_another_process_with_the_first_ones_pid_is_left_where_it_is(groups):
    ada = groups.family()
    groups.serve(groups.slice("a", ada, root_start_time=1000.0))
    assert groups.book.slice_at(ada.pid) is None


def test_a_first_process_of_another_account_is_left_where_it_is(groups):
    ada = groups.family()
    groups.serve(groups.slice("a", ada, uid=54321))
    assert groups.book.slice_at(ada.pid) is None


def test_a_job_that_a_notebook_started_gets_a_group_of_its_own(groups):
    ada = groups.family()
    groups.serve(groups.slice("a", ada))
    job = groups.family()
    groups.tree.move(job.pid, groups.book.of("a").rest)
    child = job.starts("child")
    groups.serve(groups.slice("a", ada), groups.slice("j", job))
    assert [groups.book.slice_at(p) for p in (job.pid, child)] == [Verdict("j")] * 2


def test_the_group_decides_against_what_a_process_says_of_itself(groups, monkeypatch):
    monkeypatch.setenv("SUBLET_SLICE_ID", "a")
    ada, forger = groups.family(), groups.family()
    slices = [groups.slice("a", ada), groups.slice("b", forger)]
    groups.serve(*slices)
    answers = Attribution(groups.table, groups.book.slice_at)
    answers.serve(slices)
    assert answers.slice_of(groups.table.identify(forger.starts("detached"))) == "b"


def test_a_process_known_otherwise_is_gathered_into_its_slices_group(groups):
    ada, stray = groups.family(), groups.family()
    groups.serve(groups.slice("a", ada))
    groups.keeper.gather([(stray.pid, "a")])
    assert groups.book.slice_at(stray.pid) == Verdict("a")


def test_nobody_is_gathered_out_of_another_slices_group(groups):
    ada, ben = groups.family(), groups.family()
    groups.serve(groups.slice("a", ada), groups.slice("b", ben))
    groups.keeper.gather([(ben.pid, "a")])
    assert groups.book.slice_at(ben.pid) == Verdict("b")


def test_a_new_agent_finds_the_groups_of_the_one_before(groups):
    ada = groups.family()
    groups.serve(groups.slice("a", ada))
    place = groups.book.of("a").place
    groups.begin()
    assert groups.book.slice_at(ada.starts("detached")) == Verdict("a")
    groups.serve(groups.slice("a", ada))
    assert groups.book.of("a").place == place


def test_a_group_is_removed_when_its_slice_has_ended_and_nobody_is_left(groups):
    ada = groups.family()
    groups.serve(groups.slice("a", ada))
    place = groups.book.of("a").place
    kernel = ada.starts("detached")
    ada.process.kill()
    ada.process.wait()
    groups.serve()
    assert groups.tree.exists(place)
    assert groups.book.slice_at(kernel) == Verdict("a")
    os.kill(kernel, 9)
    until(lambda: groups.serve() or not groups.tree.exists(place))
    assert groups.book.of("a") is None
    assert groups.file.read_text() == "[]"


def test_while_a_slice_comes_back_everybody_else_on_the_gpu_stands_still(groups):
    ada, ben, far = groups.family(), groups.family(), groups.family()
    groups.serve(
        groups.slice("a", ada), groups.slice("b", ben), groups.slice("f", far, gpu_id="GPU-2")
    )
    kernel, other = ada.starts("child"), ada.starts("child")
    # Her first process tells her how far her slice has come.
    with groups.freezer.freeze_neighbours(GPU, "a", [kernel], WITHIN_S) as stillness:
        assert stillness.problem == ""
        still = {p: stillness.has_frozen(p) for p in (ada.pid, other, kernel, ben.pid, far.pid)}
        assert still == {
            ada.pid: False,
            other: True,
            kernel: False,
            ben.pid: True,
            far.pid: False,
        }
        asked = time.monotonic()
        ben.process.stdin.write("child\n")
        ben.process.stdin.flush()
        os.set_blocking(ben.process.stdout.fileno(), False)
        while time.monotonic() - asked < 0.2:
            assert ben.process.stdout.readline() == ""
    os.set_blocking(ben.process.stdout.fileno(), True)
    ben.others.append(int(ben.process.stdout.readline()))
    assert not stillness.has_frozen(ben.pid)


def test_whoever_was_born_apart_stands_still_the_next_time(groups):
    ada = groups.family()
    groups.serve(groups.slice("a", ada))
    kernel = ada.starts("child")
    with groups.freezer.freeze_neighbours(GPU, "a", [kernel], WITHIN_S):
        born = ada.starts("child")
    with groups.freezer.freeze_neighbours(GPU, "a", [kernel], WITHIN_S) as stillness:
        assert stillness.problem == ""
        assert [stillness.has_frozen(p) for p in (born, kernel, ada.pid)] == [
            True,
            False,
            False,
        ]


def test_everybody_runs_on_when_the_block_ends_in_an_error(groups):
    ada, ben = groups.family(), groups.family()
    groups.serve(groups.slice("a", ada), groups.slice("b", ben))
    with (
        pytest.raises(ZeroDivisionError),
        groups.freezer.freeze_neighbours(GPU, "a", [ada.pid], WITHIN_S),
    ):
        assert 1 / 0
    assert ben.starts("child")


def test_a_process_stays_apart_so_that_the_next_time_costs_less(groups):
    ada = groups.family()
    groups.serve(groups.slice("a", ada))
    groups.freezer.set_apart("a", [ada.pid])
    assert groups.tree.place_of(ada.pid) == groups.book.of("a").moved
    assert groups.book.slice_at(ada.starts("child")) == Verdict("a")


def test_a_slice_whose_group_is_made_during_a_restore_is_frozen_at_once(groups):
    ada, ben = groups.family(), groups.family()
    groups.serve(groups.slice("a", ada))
    with groups.freezer.freeze_neighbours(GPU, "a", [ada.pid], WITHIN_S) as stillness:
        groups.serve(groups.slice("a", ada), groups.slice("b", ben))
        assert stillness.has_frozen(ben.pid)
    assert ben.starts("child")


def test_a_group_that_cannot_be_frozen_is_a_reason_to_restore_nothing(groups):
    ada, ben = groups.family(), groups.family()
    groups.serve(groups.slice("a", ada), groups.slice("b", ben))
    with groups.freezer.freeze_neighbours(GPU, "a", [ada.pid], 0.0) as stillness:
        told = stillness.problem
    assert not told or "do not stand still in 0.0 s" in told
    assert ben.starts("child")


def test_what_an_agent_left_frozen_whose_record_is_lost_is_thawed_and_nobody_else(groups):
    ada, ben = groups.family(), groups.family()
    groups.serve(groups.slice("a", ada), groups.slice("b", ben))
    groups.tree.begin_freezing(groups.book.of("a").place)
    with groups.freezer.freeze_neighbours(GPU, "a", [ada.pid], WITHIN_S) as stillness:
        assert stillness.has_frozen(ben.pid)
        assert groups.book.thaw_left() == ["a"]
        assert stillness.has_frozen(ben.pid)
    assert ada.starts("child")
    assert ben.starts("child")


def test_what_a_dead_agent_left_frozen_is_thawed_from_its_file(groups):
    ada, ben = groups.family(), groups.family()
    groups.serve(groups.slice("a", ada), groups.slice("b", ben))
    groups.tree.begin_freezing(groups.book.of("a").rest)
    groups.tree.begin_freezing(groups.book.of("b").place)
    assert is_anything_frozen(groups.file)
    assert sorted(thaw_left_over(groups.file)) == ["a", "b"]
    assert ada.starts("child")
    assert ben.starts("child")
    assert not is_anything_frozen(groups.file)


def test_slices_are_thawed_also_where_the_record_of_outsiders_cannot_be_removed(
    groups, monkeypatch
):
    ada = groups.family()
    groups.serve(groups.slice("a", ada))
    OutsidersFile(groups.file).keep(HeldOutsiders(*groups.keeper.place_for_outsiders))
    groups.tree.begin_freezing(groups.book.of("a").place)

    def is_read_only(path, **_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "unlink", is_read_only)
    assert thaw_left_over(groups.file) == ["a"]
    assert ada.starts("child")


def test_the_agent_never_freezes_itself(groups):
    ada, ben = groups.family(), groups.family()
    groups.serve(groups.slice("a", ada), groups.slice("b", ben))
    home = groups.tree.place_of(os.getpid())
    groups.tree.move(os.getpid(), groups.book.of("b").rest)
    try:
        with groups.freezer.freeze_neighbours(GPU, "a", [ada.pid], WITHIN_S) as stillness:
            assert stillness.problem == ""
            assert not stillness.has_frozen(ben.pid)
    finally:
        groups.tree.move(os.getpid(), home)


def test_what_killed_agents_left_is_removed_once_nobody_is_in_it(groups):
    ada = groups.family()
    groups.serve(groups.slice("a", ada))
    another = "/" + agents_group_name("another", str(groups.folder))
    groups.tree.make(f"{another}/slice-x/rest")
    groups.tree.make(f"{another}/slice-x/moved")
    groups.begin()
    assert not groups.tree.exists(another)
    assert groups.book.slice_at(ada.pid) == Verdict("a")


def test_an_empty_group_that_is_no_agents_is_left_alone(groups):
    theirs = groups.tree.folder / f"sublet-others-{os.getpid()}"
    theirs.mkdir()
    try:
        groups.begin()
        assert theirs.is_dir()
    finally:
        theirs.rmdir()


def test_where_no_group_can_be_made_it_is_said_why(tmp_path):
    (tmp_path / "tree").mkdir()
    tree = FreezerTree(1, tmp_path / "tree")
    keeper = GroupKeeper(GroupBook(tmp_path / "g.json"), [tree], LinuxProcessTable(), "n", "m")
    detail = f"{tmp_path / 'tree'} does not freeze"
    assert keeper.unfrozen == UnfrozenSlices(NotFrozen.NO_FREEZER, detail)
    assert list((tmp_path / "tree").iterdir()) == []
    nothing = GroupKeeper(GroupBook(tmp_path / "g.json"), [], LinuxProcessTable(), "n", "m")
    assert nothing.unfrozen == UnfrozenSlices(NotFrozen.NO_CONTROL_GROUPS)


def test_a_tree_that_the_account_may_not_change_is_told_before_one_that_cannot_freeze(tmp_path):
    (tmp_path / "tree").mkdir()
    # A file where a folder is needed fails as a forbidden one does, and also for root.
    (tmp_path / "file").touch()
    trees = [FreezerTree(2, tmp_path / "tree"), FreezerTree(1, tmp_path / "file")]
    keeper = GroupKeeper(GroupBook(tmp_path / "g.json"), trees, LinuxProcessTable(), "n", "m")
    assert keeper.unfrozen.why is NotFrozen.NO_ACCESS
    assert f"{tmp_path / 'tree'} does not freeze; {tmp_path / 'file'}: " in keeper.unfrozen.detail


def test_a_group_is_freezing_while_one_of_its_threads_does_not_stand_still_yet(tmp_path):
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    (inner / "cgroup.freeze").write_text("0\n")
    (inner.parent / "cgroup.freeze").write_text("0\n")
    second = FreezerTree(2, tmp_path)
    assert not second.is_freezing("/outer/inner")
    (inner.parent / "cgroup.freeze").write_text("1\n")
    assert second.is_freezing("/outer/inner")
    assert not second.is_frozen("/outer/inner")
    first = FreezerTree(1, tmp_path)
    for state, freezing in (("THAWED", False), ("FREEZING", True), ("FROZEN", True)):
        (inner / "freezer.state").write_text(f"{state}\n")
        assert first.is_freezing("/outer/inner") is freezing


def test_where_freezing_is_switched_off_that_is_what_is_told(tmp_path, caplog):
    settings = GroupSettings(freeze=False, mounted_at=tmp_path)
    groups = node_groups(settings, "n", tmp_path, LinuxProcessTable())
    assert groups.unfrozen == UnfrozenSlices(NotFrozen.SWITCHED_OFF)
    assert "freezing is switched off (SubletAgent.freeze)" in caplog.text


MOUNTS = r"""
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
38 31 0:34 /part /mnt/a\040part rw,relatime shared:9 - cgroup cgroup rw,freezer
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def test_the_trees_are_found_where_the_kernel_says():
    assert [(t.version, str(t.folder), t.root) for t in find_trees(MOUNTS)] == [
        (2, "/sys/fs/cgroup/unified", "/"),
        (1, "/sys/fs/cgroup/freezer", "/"),
    ]


def test_a_tree_of_which_only_a_part_is_mounted_is_found_too():
    (line,) = [line for line in MOUNTS.splitlines() if "/part" in line]
    assert [(str(t.folder), t.root) for t in find_trees(line)] == [("/mnt/a part", "/part")]
