"""Processes that an agent before left standing still, and of which nothing was written down."""

from typing import Any

import pytest
from sublet_agent.devices.interface import ProcessState
from sublet_agent.moves.recovery import Recovered, ask_unwritten, find_unwritten
from sublet_quota.residency.snapshot import Holder

from tests.support.agent_cases import Bench
from tests.support.fake_device import GPU
from tests.support.fake_service_link import slice_assignment

GIB = 1024
PID = 7


def left(bench: Bench, state: ProcessState, holder: Holder = Holder.NOTEBOOK) -> Any:
    """Leave a process of a slice so, without a word of it; return the slice's assignment."""
    bench.process("a", PID, 10 * GIB, holder, state=state)
    bench.table.environments[PID] = {"SUBLET_SLICE_ID": "a"}
    assigned = slice_assignment("a", GPU, 40 * GIB, uid=1000, holder=holder)
    bench.attribution.serve([assigned])
    return assigned


@pytest.mark.parametrize(
    ("state", "holder", "found_as"),
    [
        (ProcessState.SUSPENDED, Holder.NOTEBOOK, "suspended"),
        (ProcessState.PAUSED, Holder.NOTEBOOK, "unpaused"),
        (ProcessState.PAUSED, Holder.JOB, "paused_jobs"),
        (ProcessState.FAILED, Holder.NOTEBOOK, "lost"),
    ],
)
def test_who_stands_still_is_found_and_left_as_it_is(
    bench: Bench, state: ProcessState, holder: Holder, found_as: str
) -> None:
    assigned = left(bench, state, holder)
    found = find_unwritten(bench.tools, bench.attribution, [assigned], ())
    assert [t.identity.pid for t in getattr(found, found_as)] == [PID]
    assert bench.device.processes_here[PID].state is state
    assert bench.device.calls == []


def test_of_one_that_is_stopped_nobody_knows_until_it_is_asked_again(bench: Bench) -> None:
    assigned = left(bench, ProcessState.SUSPENDED)
    bench.device.processes_here[PID].stopped = True
    found = find_unwritten(bench.tools, bench.attribution, [assigned], ())
    assert [t.identity.pid for t in found.untold] == [PID]
    assert not found.suspended
    bench.device.processes_here[PID].stopped = False
    (told,) = ask_unwritten(bench.tools, found.untold, [assigned], {}).suspended
    assert told.image_mib == 40 * GIB


def test_one_that_is_told_later_needs_no_more_than_others_leave_of_its_slices_cap(
    bench: Bench,
) -> None:
    assigned = left(bench, ProcessState.SUSPENDED)
    bench.device.processes_here[PID].stopped = True
    (late,) = find_unwritten(bench.tools, bench.attribution, [assigned], ()).untold
    bench.device.processes_here[PID].stopped = False
    counted = {late.slice_id: 30 * GIB}
    (told,) = ask_unwritten(bench.tools, [late], [assigned], counted).suspended
    assert told.image_mib == 10 * GIB
    # How they share it nobody knows.
    assert bench.tools.caps_mib[told.identity] == 40 * GIB


def test_who_runs_is_nobody_to_look_after(bench: Bench) -> None:
    assigned = left(bench, ProcessState.RUNNING)
    found = find_unwritten(bench.tools, bench.attribution, [assigned], ())
    assert found == Recovered()
