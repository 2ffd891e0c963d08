"""A gate is open or closed; the kernels that have asked there are known with their processes."""

from datetime import timedelta

import pytest
from sublet_agent.errors import SubletAgentError
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.residency.gate import Gate, SliceKernels
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.actions import Wait, WaitReason

from tests.support.agent_cases import START
from tests.support.fake_device import BOOT

WAIT = Wait(SliceId("s"), WaitReason.TURN, 1)


def identity(pid):
    return ProcessIdentity(BOOT, pid, 1)


@pytest.mark.parametrize("fields", [{"waiting_since": START}, {"wait": WAIT}])
def test_there_is_no_gate_that_is_open_and_before_which_something_waits(fields):
    with pytest.raises(SubletAgentError, match="open since"):
        Gate(turn_since=START, **fields)


def test_a_gate_is_open_for_a_turn_and_closed_without_one():
    assert Gate(turn_since=START + timedelta(seconds=1)).is_open
    assert not Gate(waiting_since=START, wait=WAIT).is_open


def test_a_process_is_its_kernels_up_to_16_generations_below_it():
    kernels = SliceKernels()
    kernels.note(identity(1), "k")
    processes = [identity(pid) for pid in (1, 16, 17, 99)]
    parents = {identity(pid): identity(pid - 1) for pid in range(2, 20)}
    assert kernels.of(processes, parents.get) == {1: "k", 16: "k", 17: None, 99: None}


def test_so_many_kernels_are_remembered_and_the_oldest_forgotten():
    kernels = SliceKernels()
    for pid in range(257):
        kernels.note(identity(pid), f"k{pid}")
    assert [kernels.has(identity(pid)) for pid in (0, 1, 256)] == [False, True, True]
