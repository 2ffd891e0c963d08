"""Outsiders where slices come back on several GPUs at once."""

import contextlib
import threading
from typing import ClassVar

from sublet_agent.cgroups.driver_calls import DriverCalls
from sublet_agent.cgroups.freezing import SliceFreezer
from sublet_agent.cgroups.outsiders import Outsiders
from sublet_agent.cgroups.trees import FreezerTree

from tests.support.control_groups import GPU, WITHIN_S, coming_back, stands_still


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


def test_a_restore_that_does_not_end_keeps_others_waiting_for_every_other_while_alone(groups, cleo):
    groups.family(uid=cleo)
    groups.book.note_accounts([cleo])
    where = groups.keeper.place_for_outsiders
    outsiders = TimedOutsiders(groups.book, groups.table, groups.file, where)
    outsiders.now = [0.0]
    assert outsiders.still(GPU, [], WITHIN_S)
    refused = []
    for outsiders.now[0] in (29.0, 31.0, 59.0, 61.0, 89.0, 95.0):
        refused.append(outsiders.must_run_first())
    outsiders.end(GPU)
    assert refused == [False, True, True, False, False, True]


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


def test_who_begins_to_use_a_gpu_is_held_at_once_while_another_gpus_look_waits(groups, cleo):
    groups.family(uid=cleo)
    groups.book.note_accounts([cleo])
    stranger = groups.family()
    tree, place = groups.keeper.place_for_outsiders
    patient = PatientTree(tree.version, tree.folder)
    # Whoever is not said to stand still is in a call.
    calls = DriverCalls([""])
    outsiders = Outsiders(groups.book, groups.table, groups.file, (patient, place), calls)
    patient.go.set()
    assert outsiders.still(GPU, [], WITHIN_S)
    patient.go.clear()
    patient.asked.clear()
    others = threading.Thread(target=outsiders.still, args=("GPU-2", [], WITHIN_S))
    holds = threading.Thread(target=outsiders.hold, args=(GPU, stranger.pid))
    others.start()
    assert patient.asked.wait(WITHIN_S)
    holds.start()
    holds.join(5)
    is_held = outsiders.has_stilled(stranger.pid)
    patient.go.set()
    for each in (holds, others):
        each.join(WITHIN_S)
    for gpu_id in (GPU, "GPU-2"):
        outsiders.end(gpu_id)
    assert is_held
