"""What a dead agent left frozen is thawed, but not before the driver has ended a restore."""

import threading
import time

import pytest
from sublet_agent.cgroups.groups_file import is_anything_frozen
from sublet_agent.devices.interface import DeviceError, ProcessState
from sublet_agent.moves.resume import resume_slice
from sublet_agent.moves.thawing import thaw_after_moves
from sublet_agent.state_files.journal import Step

from tests.support.control_groups import control_groups, needs_freezer


@pytest.fixture
def groups(tmp_path):
    with control_groups(needs_freezer(tmp_path), tmp_path) as made:
        yield made


def asked_while_frozen(bench, groups, step):
    """Return what was frozen each time the driver was asked for a state."""
    ben = groups.family()
    groups.serve(groups.slice("b", ben))
    groups.tree.begin_freezing(groups.book.of("b").place)
    target = bench.process("a", 1, 1024, state=ProcessState.SUSPENDED)
    bench.journal.write(step, [target])
    frozen, state = [], bench.device.state
    bench.device.state = lambda pid: (frozen.append(is_anything_frozen(groups.file)), state(pid))[1]
    entries = bench.journal.entries()
    assert thaw_after_moves(groups.file, entries, lambda: bench.device, bench.table) == ["b"]
    assert ben.starts("child")
    return frozen


def test_a_restore_that_may_still_be_under_way_ends_before_anybody_is_thawed(bench, groups):
    assert asked_while_frozen(bench, groups, Step.RESUMING) == [True]


def test_nobody_is_waited_for_when_no_restore_was_under_way(bench, groups):
    assert asked_while_frozen(bench, groups, Step.SUSPENDED) == []


def test_a_restore_of_a_process_that_has_ended_is_not_waited_for(bench, groups):
    bench.table.is_alive = lambda _identity: False
    assert asked_while_frozen(bench, groups, Step.RESUMING) == []


def test_who_did_not_come_back_keeps_nobody_frozen_beside_the_next_who_comes(bench, groups):
    """Frozen as a neighbour of the next one when the agent died, it could not answer."""
    cat = groups.family()
    groups.serve(groups.slice("c", cat))
    away = bench.process("c", cat.pid, 1024, state=ProcessState.SUSPENDED)
    bench.journal.write(Step.SUSPENDED, [away])
    bench.device.fail("resume", cat.pid, DeviceError("an error that passes"))
    assert resume_slice(bench.tools, bench.plan(away)).suspended
    groups.tree.begin_freezing(groups.book.of("c").place)
    bench.device.processes_here[cat.pid].stopped = True
    coming = [e.target for e in bench.journal.entries() if e.step is Step.RESUMING]
    assert coming == []
    assert thaw_after_moves(groups.file, bench.journal.entries(), None, bench.table) == ["c"]


def test_the_driver_is_not_asked_where_nothing_is_frozen(bench, groups):
    bench.journal.write(Step.RESUMING, [bench.process("a", 1, 1024)])
    assert thaw_after_moves(groups.file, bench.journal.entries(), None, bench.table) == []


def frozen_beside_a_restore(bench, groups):
    ben = groups.family()
    groups.serve(groups.slice("b", ben))
    groups.tree.begin_freezing(groups.book.of("b").place)
    target = bench.process("a", 1, 1024, state=ProcessState.SUSPENDED, stopped=True)
    bench.journal.write(Step.RESUMING, [target])


def test_a_restore_whose_process_is_stopped_ends_before_anybody_is_thawed(bench, groups):
    frozen_beside_a_restore(bench, groups)
    bench.table.stopped.add(1)
    frozen = []

    def goes_on(pid, _number):
        frozen.append(is_anything_frozen(groups.file))
        bench.table.stopped.discard(pid)
        bench.device.processes_here[pid].stopped = False

    bench.table.after_signal = goes_on
    entries = bench.journal.entries()
    assert thaw_after_moves(groups.file, entries, lambda: bench.device, bench.table) == ["b"]
    assert frozen == [True]


def test_without_a_device_nobody_is_thawed_at_once_nor_stays_frozen(bench, groups, monkeypatch):
    monkeypatch.setattr("sublet_agent.moves.thawing.AT_THE_LATEST_S", 0.5)
    frozen_beside_a_restore(bench, groups)
    frozen = []

    def open_device():
        frozen.append(is_anything_frozen(groups.file))
        raise DeviceError("no driver helper answers")

    began = time.monotonic()
    entries = bench.journal.entries()
    assert thaw_after_moves(groups.file, entries, open_device, bench.table) == ["b"]
    assert time.monotonic() - began >= 0.5
    assert frozen[0]


def test_a_device_that_does_not_open_keeps_nobody_frozen(bench, groups, monkeypatch):
    monkeypatch.setattr("sublet_agent.moves.thawing.AT_THE_LATEST_S", 0.1)
    frozen_beside_a_restore(bench, groups)
    opens = threading.Event()
    entries = bench.journal.entries()

    def open_device():
        opens.wait(600)
        raise DeviceError("late")

    assert thaw_after_moves(groups.file, entries, open_device, bench.table) == ["b"]
    opens.set()
