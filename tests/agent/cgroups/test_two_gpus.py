"""Slices come back on two GPUs at once: who stands still for the one, and not for the other."""

import threading

import pytest
from sublet_agent.cgroups.registry import Frozen
from sublet_agent.cgroups.standing_still import StandingStill, Stillness
from sublet_agent.cgroups.trees import FreezerTree

from tests.support.control_groups import GPU, control_groups, needs_freezer, until

ELSEWHERE = "GPU-2"
WITHIN_S = 60.0


@pytest.fixture(params=[1, 2], ids=["version 1", "version 2"])
def groups(request, tmp_path):
    with control_groups(needs_freezer(tmp_path, request.param), tmp_path) as made:
        yield made


def coming_back(groups, gpu_id, slice_id, *pids):
    return groups.freezer.freeze_neighbours(gpu_id, slice_id, pids, WITHIN_S)


def stands_still(groups, pid):
    return StandingStill([groups.tree]).why(pid) is Stillness.FROZEN


def three_slices(groups):
    """A slice on each of two GPUs, and a neighbour on the first, who has used the other, too."""
    ada, ben, zoe = groups.family(), groups.family(), groups.family()
    groups.serve(
        groups.slice("a", ada),
        groups.slice("z", zoe),
        groups.slice("b", ben, gpu_id=ELSEWHERE),
    )
    return ada, ben, zoe


def test_who_is_held_for_two_gpus_runs_only_when_neither_needs_them_still(groups):
    ada, ben, zoe = three_slices(groups)
    with coming_back(groups, GPU, "a", ada.pid) as here:
        with coming_back(groups, ELSEWHERE, "b", ben.pid) as there:
            there.hold(zoe.pid)
            assert there.has_frozen(zoe.pid)
        assert stands_still(groups, zoe.pid)
        assert here.has_frozen(zoe.pid)
    assert zoe.starts("child")


def test_who_was_held_elsewhere_first_stands_still_until_their_own_gpu_needs_it_no_more(groups):
    ada, ben, zoe = three_slices(groups)
    elsewhere = coming_back(groups, ELSEWHERE, "b", ben.pid)
    with elsewhere as there:
        there.hold(zoe.pid)
        with coming_back(groups, GPU, "a", ada.pid):
            pass
        assert stands_still(groups, zoe.pid)
    assert zoe.starts("child")


class SlowlyThawing(FreezerTree):
    """A tree where a group is thawed only when the test says so."""

    asked = threading.Event()
    go = threading.Event()

    def thaw(self, place):
        self.asked.set()
        assert self.go.wait(WITHIN_S)
        super().thaw(place)


def test_who_is_being_thawed_for_one_gpu_is_not_thawed_after_another_has_frozen_them(groups):
    _, _, zoe = three_slices(groups)
    group = groups.book.of("z")
    slow = Frozen(SlowlyThawing(group.tree.version, group.tree.folder), group.whole)
    SlowlyThawing.asked.clear()
    SlowlyThawing.go.clear()
    groups.book.begin(ELSEWHERE, "b", [slow])
    ends = threading.Thread(target=groups.book.end, args=(ELSEWHERE,))
    ends.start()
    assert SlowlyThawing.asked.wait(WITHIN_S)
    begins = threading.Thread(target=groups.book.begin, args=(GPU, "a", [slow]))
    begins.start()
    begins.join(0.2)
    SlowlyThawing.go.set()
    for each in (ends, begins):
        each.join(WITHIN_S)
    until(lambda: stands_still(groups, zoe.pid))
    groups.book.end(GPU)
    assert zoe.starts("child")


def test_a_slice_that_comes_back_itself_is_not_frozen_for_another_gpu(groups):
    _, ben, zoe = three_slices(groups)
    with coming_back(groups, GPU, "z", zoe.pid) as here:
        assert here.problem == ""
        with coming_back(groups, ELSEWHERE, "b", ben.pid) as there:
            there.hold(zoe.pid)
            # At large there, so that nothing is restored; here it answers the driver.
            assert not there.has_frozen(zoe.pid)
            assert not stands_still(groups, zoe.pid)
            assert zoe.starts("child")


def test_a_slice_that_is_held_for_another_gpu_does_not_come_back_until_it_runs(groups):
    _, ben, zoe = three_slices(groups)
    with coming_back(groups, ELSEWHERE, "b", ben.pid) as there:
        there.hold(zoe.pid)
        with coming_back(groups, GPU, "z", zoe.pid) as here:
            assert "itself kept still" in here.problem
        assert stands_still(groups, zoe.pid)
    with coming_back(groups, GPU, "z", zoe.pid) as here:
        assert here.problem == ""


def test_a_slice_whose_group_is_made_while_it_comes_back_is_not_frozen(groups):
    ada, zoe = groups.family(), groups.family()
    groups.serve(groups.slice("a", ada))
    with coming_back(groups, GPU, "z", zoe.pid):
        groups.serve(groups.slice("a", ada), groups.slice("z", zoe))
        assert groups.book.own_slice_at(zoe.pid) == "z"
        assert not stands_still(groups, zoe.pid)
        assert zoe.starts("child")
        assert stands_still(groups, ada.pid)
    assert ada.starts("child")
