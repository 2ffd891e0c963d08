"""Who waits in the kernel, and in no call of the card's driver, is as good as frozen."""

import os

import pytest
from sublet_agent.cgroups.driver_calls import DriverCalls
from sublet_procfs.reader_process import calls, is_whole
from sublet_quota.reasons.not_frozen import NotFrozen, not_frozen_clause

from tests.support.accounts import an_account
from tests.support.control_groups import GPU, control_groups, needs_freezer, until
from tests.support.hung_files import hung_folder, waiting_for

WITHIN_S = 60.0
# Calls into FUSE, as if it were a card's driver.
FUSE = "fuse_"


@pytest.fixture
def groups(tmp_path):
    # Version 1 calls one frozen that waits so.
    with control_groups(needs_freezer(tmp_path, 2), tmp_path) as made:
        yield made


@pytest.fixture
def cleo():
    return an_account()


@pytest.fixture
def hung():
    with hung_folder() as folder:
        yield folder


def coming_back(groups, within_s=WITHIN_S):
    return groups.freezer.freeze_neighbours(GPU, "a", [], within_s)


def test_an_outsider_that_waits_for_a_file_for_ever_holds_nobody_up(groups, cleo, hung):
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    with waiting_for(hung, cleo) as pid, coming_back(groups) as stillness:
        assert stillness.problem == ""
        assert stillness.has_frozen(pid)


def test_one_in_a_slice_that_waits_for_a_file_for_ever_holds_nobody_up(groups, cleo, hung):
    server = groups.family(uid=cleo)
    groups.serve(groups.slice("c", server))
    with waiting_for(hung, cleo) as pid:
        groups.tree.move(pid, groups.book.of("c").rest)
        with coming_back(groups) as stillness:
            assert stillness.problem == ""
            assert stillness.has_frozen(pid)
        assert server.starts("child")


def test_beside_an_outsider_in_a_call_of_the_driver_that_does_not_end_nothing_comes_back(
    groups, cleo, hung
):
    groups.watch_calls_of(FUSE)
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    with waiting_for(hung, cleo), coming_back(groups, within_s=0.5) as stillness:
        assert stillness.problem == not_frozen_clause(NotFrozen.OUTSIDERS_AT_LARGE)
    with coming_back(groups) as stillness:
        assert stillness.problem == ""


def test_beside_a_slice_in_a_call_of_the_driver_that_does_not_end_nothing_comes_back(
    groups, cleo, hung
):
    groups.watch_calls_of(FUSE)
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    with waiting_for(hung, cleo) as pid:
        groups.tree.move(pid, groups.book.of("c").rest)
        with coming_back(groups, within_s=0.5) as stillness:
            assert "do not stand still" in stillness.problem


def test_who_waits_in_a_call_of_the_driver_is_told_from_who_waits_in_another(cleo, hung):
    with waiting_for(hung, cleo) as pid:
        until(lambda: calls(pid, ["no_driver_"]) == [])
        assert calls(pid, [FUSE]) == [str(pid)]


def test_who_runs_may_use_the_gpu(groups, cleo):
    """Told by mistake to be as good as frozen: it is not even told to freeze."""
    family = groups.family(uid=cleo)
    place = f"/busy-{os.getpid()}"
    groups.tree.make(place)
    try:
        groups.tree.move(family.pid, place)
        family.spins()
        assert DriverCalls().wait_harmless([(groups.tree, place)], 0.3) == [place]
    finally:
        groups.tree.move(family.pid, "/")
        until(lambda: groups.tree.remove(place))


def test_the_look_at_calls_is_over_when_the_time_is(groups, cleo, hung):
    """Everybody on the card stands still for it, and an account may have thousands."""
    place = f"/hung-{os.getpid()}"
    groups.tree.make(place)
    try:
        with waiting_for(hung, cleo) as pid:
            groups.tree.move(pid, place)
            groups.tree.begin_freezing(place)
            assert DriverCalls().wait_harmless([(groups.tree, place)], 0.06) == [place]
            assert DriverCalls().wait_harmless([(groups.tree, place)], WITHIN_S) == []
            groups.tree.thaw(place)
    finally:
        until(lambda: groups.tree.remove(place))


def test_of_a_stack_that_is_not_told_whole_nothing_is_known():
    line = "[<0>] request_wait_answer+0x14b/0x200\n"
    assert is_whole(line * 20)
    assert not is_whole("")
    assert not is_whole(line * 64)
    assert not is_whole("[<0>] 0xffffffff81000000\n")
