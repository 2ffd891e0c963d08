"""Who is in no slice's group stands still while a slice comes back, and runs on where they were."""

import contextlib
import mmap
import os
import subprocess
import sys
import threading
import time
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
from sublet_agent.cgroups.standing_still import StandingStill, Stillness
from sublet_agent.cgroups.trees import FreezerTree
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_quota.reasons.not_frozen import NotFrozen, not_frozen_clause

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


def coming_back(groups, gpu_id=GPU, pids=(), within_s=WITHIN_S):
    return groups.freezer.freeze_neighbours(gpu_id, "a", pids, within_s)


def stands_still(groups, pid):
    return StandingStill([groups.tree]).why(pid) is Stillness.FROZEN


@pytest.fixture
def session(groups):
    """A group as a login makes it."""
    place = f"/session-{os.getpid()}"
    groups.tree.make(place)
    yield place
    groups.tree.thaw(place)
    for pid in groups.tree.pids(place):
        groups.tree.move(pid, "/")
    until(lambda: groups.tree.remove(place))


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


def test_one_held_for_another_gpu_runs_when_their_own_memory_comes_back(groups, cleo):
    outside = groups.family(uid=cleo)
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    with coming_back(groups, "GPU-2") as first:
        assert first.has_frozen(outside.pid)
        with coming_back(groups, pids=[outside.pid]) as second:
            assert second.problem == ""
            assert outside.starts("child")


def test_they_stand_still_until_the_last_gpu_needs_it_no_more(groups, cleo):
    outside = groups.family(uid=cleo)
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    with coming_back(groups, "GPU-2"):
        with coming_back(groups):
            pass
        assert stands_still(groups, outside.pid)
    assert outside.starts("child")


class TimedOutsiders(Outsiders):
    """Outsiders of whom a test tells how long they have stood still."""

    def monotonic(self):
        return self.now[0]


def test_where_restores_overlap_without_end_they_run_in_between(groups, cleo):
    outside = groups.family(uid=cleo)
    groups.book.note_accounts([cleo])
    now = [0.0]
    where = groups.keeper.place_for_outsiders
    outsiders = TimedOutsiders(groups.book, groups.table, groups.file, where)
    outsiders.now = now
    freezer = SliceFreezer(groups.book, outsiders)

    def begins(gpu_id, opened):
        return opened.enter_context(freezer.freeze_neighbours(gpu_id, "a", [], WITHIN_S)).problem

    with contextlib.ExitStack() as first:
        assert begins(GPU, first) == ""
        now[0] = 29.0
        with contextlib.ExitStack() as second:
            assert begins("GPU-2", second) == ""
            now[0] = 31.0
            with contextlib.ExitStack() as third:
                assert "for too long" in begins("GPU-3", third)
            assert stands_still(groups, outside.pid)
    assert outside.starts("child")
    with contextlib.ExitStack() as at_once:
        assert "for too long" in begins("GPU-3", at_once)
        assert outside.starts("child")
    now[0] = 33.0
    with contextlib.ExitStack() as later:
        assert begins("GPU-3", later) == ""
        assert stands_still(groups, outside.pid)


def test_who_logs_in_meanwhile_is_found(groups, cleo):
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    with coming_back(groups) as stillness:
        late = groups.family(uid=cleo)
        until(lambda: (stillness.look_again(), stillness.has_frozen(late.pid))[1])
    assert late.starts("child")


class PatientTree(FreezerTree):
    """A tree where nobody is said to stand still before ``go``."""

    go: ClassVar[threading.Event] = threading.Event()
    asked: ClassVar[threading.Event] = threading.Event()

    def is_frozen(self, place):
        self.asked.set()
        return self.go.is_set() and super().is_frozen(place)


def test_a_slice_that_comes_back_does_not_wait_for_another_gpus_look(groups, cleo):
    groups.family(uid=cleo)
    groups.book.note_accounts([cleo])
    tree, place = groups.keeper.place_for_outsiders
    patient = PatientTree(tree.version, tree.folder)
    outsiders = Outsiders(groups.book, groups.table, groups.file, (patient, place))
    patient.go.set()
    assert outsiders.still(GPU, [], WITHIN_S)
    patient.go.clear()
    patient.asked.clear()
    others = threading.Thread(target=outsiders.still, args=("GPU-2", [], WITHIN_S))
    look = threading.Thread(target=outsiders.look_again, args=(GPU,))
    others.start()
    assert patient.asked.wait(WITHIN_S)
    look.start()
    look.join(5)
    waits = look.is_alive()
    patient.go.set()
    for each in (look, others):
        each.join(WITHIN_S)
    for gpu_id in (GPU, "GPU-2"):
        outsiders.end(gpu_id)
    assert not waits


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


def test_who_is_held_after_somebody_removed_the_empty_group_for_them_stands_still(groups):
    first, second = groups.family(), groups.family()
    _, place = groups.keeper.place_for_outsiders
    with coming_back(groups) as stillness:
        stillness.hold(first.pid)
        until(lambda: stands_still(groups, first.pid))
        groups.tree.move(first.pid, "/")
        groups.tree.remove(place)
        assert not groups.tree.exists(place)
        stillness.hold(second.pid)
        assert groups.tree.place_of(second.pid) == place
        until(lambda: stands_still(groups, second.pid))
    assert second.starts("child")


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
    above = f"/kubepods-besteffort-pod{str(uuid.uuid4()).replace('-', '_')}.slice"
    groups.tree.make(above)
    yield above
    groups.tree.thaw(above)
    for pid in groups.tree.pids(above):
        groups.tree.move(pid, "/")
    until(lambda: groups.tree.remove(above))


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


_CHAIN = """
import mmap, os, sys
count = mmap.mmap(os.open(sys.argv[2], os.O_RDWR), 16)
os.setresuid(int(sys.argv[1]), int(sys.argv[1]), int(sys.argv[1]))
while not count[8]:
    if os.fork():
        os._exit(0)
    count[:8] = (int.from_bytes(count[:8], "little") + 1).to_bytes(8, "little")
"""


def test_where_each_starts_another_and_ends_nothing_comes_back_or_they_stand_still(
    groups, cleo, tmp_path
):
    file = tmp_path / "count"
    file.write_bytes(bytes(16))
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 16) as count:
        command = [sys.executable, "-c", _CHAIN, str(cleo), str(file)]
        subprocess.run(command, check=True)
        try:
            until(lambda: count[:8] != bytes(8))
            groups.serve(groups.slice("c", groups.family(uid=cleo)))
            for _ in range(5):
                with coming_back(groups, within_s=0.3) as stillness:
                    before = count[:8]
                    time.sleep(0.05)
                    assert stillness.problem or count[:8] == before
        finally:
            count[8] = 1


@contextlib.contextmanager
def chain(uid, file, place=None, tree=None):
    """Have processes of an account each of which starts another and ends; yields their count."""
    file.write_bytes(bytes(16))
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 16) as count:
        command = [sys.executable, "-c", _REAPED + _CHAIN, str(uid), str(file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as parent:
            try:
                if place is not None:
                    tree.move(parent.pid, place)
                parent.stdin.write(b"go")
                parent.stdin.flush()
                until(lambda: count[:8] != bytes(8))
                yield count
            finally:
                count[8] = 1
                parent.stdin.close()


# Who has ended is taken away at once, and no more than these are born in all.
_REAPED = """
import ctypes, signal, sys, os
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
sys.stdin.buffer.read(2)
if os.fork():
    sys.stdin.buffer.read()
    os._exit(0)
"""


def comes_back_beside(groups, count):
    """Try it as often as an agent does in a while; return whether a try succeeded."""
    for _ in range(10):
        with coming_back(groups, within_s=1.0) as stillness:
            if stillness.problem == "":
                before = count[:8]
                time.sleep(0.05)
                assert count[:8] == before
                return True
    return False


def test_a_chain_of_which_each_starts_another_and_ends_keeps_nobody_away(groups, cleo, tmp_path):
    with chain(cleo, tmp_path / "count") as count:
        groups.serve(groups.slice("c", groups.family(uid=cleo)))
        assert comes_back_beside(groups, count)
        before = count[:8]
        until(lambda: count[:8] != before)


def test_a_chain_in_a_group_with_others_keeps_nobody_away_and_the_others_run(
    groups, cleo, session, tmp_path
):
    daemon = groups.family()
    groups.tree.move(daemon.pid, session)
    with chain(cleo, tmp_path / "count", session, groups.tree) as count:
        groups.serve(groups.slice("c", groups.family(uid=cleo)))
        for _ in range(3):
            with coming_back(groups) as stillness:
                assert stillness.problem == ""
                before = count[:8]
                assert daemon.starts("child")
                assert count[:8] == before
            # Where they were, and not in the agent's group.
            until(lambda before=before: count[:8] != before)
            assert not groups.tree.exists(groups.keeper.place_for_outsiders[1])


def test_a_chain_in_ones_own_slice_of_another_gpu_keeps_nobody_away(groups, cleo, tmp_path):
    server = groups.family(uid=cleo)
    groups.serve(groups.slice("c", server, gpu_id="GPU-2"))
    rest = groups.book.of("c").rest
    with chain(cleo, tmp_path / "count", rest, groups.tree) as count:
        with coming_back(groups) as stillness:
            assert stillness.problem == ""
        before = count[:8]
        until(lambda: count[:8] != before)
        assert server.starts("child")


def test_whoever_ends_for_ever_of_an_account_without_a_slice_keeps_nobody_away(
    groups, cleo, tmp_path
):
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    with chain(an_account(), tmp_path / "count") as count, coming_back(groups) as stillness:
        assert stillness.problem == ""
        before = count[:8]
        until(lambda: count[:8] != before)


def test_who_starts_others_for_ever_is_stilled_too(groups, cleo):
    script = "while :; do (:) & (:) & wait; done"
    with subprocess.Popen(["/bin/sh", "-c", script], user=cleo) as process:
        try:
            groups.serve(groups.slice("c", groups.family(uid=cleo)))
            with coming_back(groups) as stillness:
                assert stillness.problem == ""
                assert stands_still(groups, process.pid)
        finally:
            process.kill()
