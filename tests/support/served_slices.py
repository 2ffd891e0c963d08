"""Served slices, and the cells at their gates, for tests of what happens to them."""

from datetime import timedelta
from pathlib import Path

from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.residency.activity import ActivityRecord, ActivitySettings
from sublet_agent.residency.gate import GateRequest
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.state_files.moved_slices import MovedSlices
from sublet_quota.names.ids import SliceId

from tests.support.agent_cases import START
from tests.support.fake_device import BOOT, GPU
from tests.support.fake_service_link import slice_assignment

IDLE_AFTER = timedelta(seconds=300)
AGAIN = timedelta(seconds=60)
CAP_MIB = 1000


def after(seconds):
    return START + timedelta(seconds=seconds)


def activity_record():
    return ActivityRecord(START, ActivitySettings())


def assignment(memory_mib=CAP_MIB, **fields):
    return slice_assignment("s", GPU, memory_mib, **{"created_at": START, **fields})


def process(pid):
    return ProcessIdentity(BOOT, pid, 1)


def judge(served, now=START):
    return served.judge(IDLE_AFTER, AGAIN, now, now)


def served_as(holder):
    served = ServedSlice(SliceId("s"), GPU, activity_record(), START)
    served.assign(assignment(holder=holder), START)
    return served


def nothing_moved():
    """No slice is on another card than it was assigned to, and nothing of it is kept."""
    return MovedSlices(Path("/proc/no-such-folder/moved-slices.json"), BOOT)


class Cell:
    """A cell at the gate, and what it was told there."""

    def __init__(self, name="c"):
        self.changes = 0
        self.refusals = []
        self.request = GateRequest("k", name, self._change, process(1), self.refusals.append)

    def _change(self):
        self.changes += 1
