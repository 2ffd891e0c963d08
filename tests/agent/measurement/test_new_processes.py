"""A process that a card lists for the first time may have been left standing still: it is asked."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sublet_agent.devices.interface import ProcessState
from sublet_agent.measurement.sample import Sample, take_sample
from sublet_agent.measurement.update import Consequences, SampleUpdate, request_for
from sublet_agent.moves.plan import UndoSwitch
from sublet_agent.moves.recovery import Recovered, recover
from sublet_agent.residency.activity import ActivitySettings
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.residency.served_gpu import RunningMove, ServedGpu
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.residency.slice_processes import TrackedProcess
from sublet_quota.names.ids import SliceId
from sublet_quota.residency.snapshot import TransitionKind

from tests.support.agent_cases import START, Bench
from tests.support.fake_device import GPU
from tests.support.fake_service_link import slice_assignment
from tests.support.served_slices import nothing_moved, served_as

PID = 7
GIB = 1024


@dataclass
class Residency:
    """As much of a GPU's loop as a measurement needs: its slice, and whether that is looked for."""

    served: ServedSlice
    gpu: ServedGpu
    looked_for: set[SliceId] = field(default_factory=set)

    @property
    def slices(self) -> dict[SliceId, ServedSlice]:
        return {self.served.slice_id: self.served}

    def is_being_looked_for(self, slice_id: SliceId) -> bool:
        return slice_id in self.looked_for


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def one_card(bench: Bench, state: ProcessState) -> Residency:
    """A card with a process of a notebook that was never seen, and stands so."""
    served = served_as("notebook")
    bench.process(served.slice_id, PID, 10 * GIB, state=state)
    bench.table.environments[PID] = {"SUBLET_SLICE_ID": served.slice_id}
    bench.attribution.serve([slice_assignment(served.slice_id, GPU, 40 * GIB, uid=1000)])
    return Residency(served, ServedGpu(bench.device.gpus()[0], bench.device.memory(GPU)))


def sampled(bench: Bench, residency: Any) -> Sample:
    tools = bench.tools
    request = request_for(residency, START, ask_states=False)
    return take_sample(tools.device, tools.table, bench.attribution, tools.tenant_of, request)


def absorbed(bench: Bench, residency: Any, sample: Sample) -> Consequences:
    update = SampleUpdate(residency, ActivitySettings())
    effects = update.absorb(sample, bench.clock.now(), bench.clock.monotonic())
    assert effects is not None
    return effects


def test_one_that_is_paused_is_found_so_at_once(bench: Bench) -> None:
    residency = one_card(bench, ProcessState.PAUSED)
    effects = absorbed(bench, residency, sampled(bench, residency))
    assert [t.identity.pid for t in effects.found_paused] == [PID]


def test_one_of_a_slice_that_is_being_moved_is_not_asked(bench: Bench) -> None:
    residency = one_card(bench, ProcessState.PAUSED)
    residency.gpu.begin_move(
        RunningMove(
            slice_id=residency.served.slice_id,
            kind=TransitionKind.RESUMING,
            undo=UndoSwitch(),
            began=START,
            bytes_mib=GIB,
            expected_s=1.0,
        )
    )
    assert sampled(bench, residency).states == {}


def leaves_while_it_is_listed(bench: Bench, residency: Residency) -> Sample:
    """A sample that lists a process which is suspended by the time it is asked."""
    process = bench.device.processes_here[PID]
    listed = bench.device.processes

    def lists(gpu_id: Any) -> Any:
        found = listed(gpu_id)
        process.state = ProcessState.SUSPENDED
        return found

    bench.device.processes = lists  # type: ignore[method-assign]
    return sampled(bench, residency)


def test_one_that_leaves_meanwhile_needs_its_slices_cap_to_come_back(bench: Bench) -> None:
    residency = one_card(bench, ProcessState.PAUSED)
    absorbed(bench, residency, leaves_while_it_is_listed(bench, residency))
    (away,) = residency.served.processes.away()
    assert away.image_mib == residency.served.cap_mib


def test_where_those_left_behind_are_looked_for_it_is_left_to_that(bench: Bench) -> None:
    residency = one_card(bench, ProcessState.PAUSED)
    residency.looked_for.add(residency.served.slice_id)
    absorbed(bench, residency, leaves_while_it_is_listed(bench, residency))
    assert not list(residency.served.processes)


def stopped_in_the_middle_of_its_move(bench: Bench, on_card_mib: int = 300) -> Residency:
    """A process of which a part is on the card, and that cannot tell how it stands."""
    residency = one_card(bench, ProcessState.PAUSED)
    process = bench.device.processes_here[PID]
    process.memory_mib, process.stopped = on_card_mib, True
    return residency


def is_seen_again(bench: Bench, residency: Residency) -> TrackedProcess:
    absorbed(bench, residency, sampled(bench, residency))
    (process,) = residency.served.processes
    return process


def test_one_that_does_not_tell_how_it_stands_counts_for_its_slices_cap_however_often_it_is_seen(
    bench: Bench,
) -> None:
    residency = stopped_in_the_middle_of_its_move(bench)
    for _ in range(2):
        process = is_seen_again(bench, residency)
        assert process.memory_mib is None
        assert residency.served.reckoned_mib() == residency.served.cap_mib


def test_where_it_was_leaving_it_needs_its_slices_cap_to_come_back(bench: Bench) -> None:
    residency = stopped_in_the_middle_of_its_move(bench)
    is_seen_again(bench, residency)
    process = bench.device.processes_here[PID]
    process.stopped, process.state = False, ProcessState.SUSPENDED
    assert is_seen_again(bench, residency).image_mib == residency.served.cap_mib


def test_a_part_that_is_more_than_the_cap_counts_as_seen(bench: Bench) -> None:
    residency = stopped_in_the_middle_of_its_move(bench, 3 * GIB)
    is_seen_again(bench, residency)
    bench.device.processes_here[PID].memory_mib = 2 * GIB
    process = is_seen_again(bench, residency)
    assert residency.served.reckoned_mib() == 3 * GIB
    assert residency.served.room_for(process) == 3 * GIB


def test_where_it_was_not_it_is_measured_from_then_on(bench: Bench) -> None:
    residency = stopped_in_the_middle_of_its_move(bench)
    is_seen_again(bench, residency)
    bench.device.processes_here[PID].stopped = False
    is_seen_again(bench, residency)
    assert is_seen_again(bench, residency).memory_mib == 300


def test_one_that_told_how_it_stood_before_it_was_stopped_stays_measured(bench: Bench) -> None:
    residency = one_card(bench, ProcessState.RUNNING)
    is_seen_again(bench, residency)
    bench.device.processes_here[PID].stopped = True
    assert is_seen_again(bench, residency).memory_mib == 10 * GIB


def test_one_of_whom_only_the_journal_is_lost_counts_so_from_the_start(bench: Bench) -> None:
    residency: Any = stopped_in_the_middle_of_its_move(bench)
    assigned = slice_assignment(residency.served.slice_id, GPU, 40 * GIB, uid=1000)
    recovered = recover(bench.tools, bench.attribution, [assigned])
    assert [t.identity.pid for t in recovered.untold] == [PID]
    registry = SliceRegistry(
        {GPU: residency}, bench.attribution, bench.table, ActivitySettings(), nothing_moved()
    )
    registry.adopt(recovered, START)
    assert residency.served.reckoned_mib() == residency.served.cap_mib
    assert is_seen_again(bench, residency).memory_mib is None


def test_a_sample_from_before_processes_were_taken_over_counts_none_of_them_as_ended(
    bench: Bench,
) -> None:
    residency: Any = one_card(bench, ProcessState.SUSPENDED)
    before = sampled(bench, residency)
    registry = SliceRegistry(
        {GPU: residency}, bench.attribution, bench.table, ActivitySettings(), nothing_moved()
    )
    registry.adopt(Recovered(suspended=[bench.owners[PID]]), START)
    update = SampleUpdate(residency, ActivitySettings())
    assert update.absorb(before, bench.clock.now(), bench.clock.monotonic()) is None
    absorbed(bench, residency, sampled(bench, residency))
    assert [p.identity.pid for p in residency.served.processes.away()] == [PID]
