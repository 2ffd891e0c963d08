"""What the service is told of a card: who else uses it, and whether slices are frozen there."""

from dataclasses import replace

import pytest
from sublet_agent.devices.interface import Gpu, GpuMemory
from sublet_agent.hub_link.reports import report_gpu
from sublet_agent.residency.served_gpu import CardReading, ServedGpu
from sublet_agent.residency.snapshots import NodeConditions
from sublet_quota.reasons.closed_gpus import ClosedGpu, GpuFault
from sublet_quota.reasons.fitness import Unfit, UnfitReason
from sublet_quota.reasons.not_frozen import NotFrozen
from sublet_quota.wire.agent_link import ForeignProcesses, GpuReport
from sublet_quota.wire.schema import MOST_MIB

from tests.support.agent_cases import START
from tests.support.fake_device import GPU

MEMORY = GpuMemory(80_000, 0, 80_000)
NODE = NodeConditions(START, lending=True, margin_mib=1000, host_free_mib=1000)


@pytest.fixture
def gpu() -> ServedGpu:
    return ServedGpu(Gpu(GPU, 0, "Fake GPU", 80_000, simulated=True), MEMORY)


def test_a_card_that_slices_alone_use_has_nobody_foreign_and_freezes(gpu: ServedGpu) -> None:
    report = report_gpu(gpu, (), NODE)
    assert (report.foreign_processes, report.unfrozen) == (None, None)


def test_who_else_uses_a_card_is_counted_added_up_and_named_by_pid(gpu: ServedGpu) -> None:
    gpu.read(CardReading(MEMORY, foreign={9: 100, 7: 300}))
    foreign = report_gpu(gpu, (), NODE).foreign_processes
    assert foreign == ForeignProcesses(count=2, pids=(7, 9), held_mib=400)
    gpu.read(CardReading(MEMORY, foreign={9: 100, 7: 300}, foreign_percent=50))
    foreign = report_gpu(gpu, (), NODE).foreign_processes
    assert foreign is not None
    assert foreign.utilisation_percent == 50


def test_what_a_card_does_not_tell_is_not_told_and_never_zero(gpu: ServedGpu) -> None:
    gpu.read(CardReading(MEMORY, utilisation_percent=None, foreign={9: 100, 7: None}))
    report = report_gpu(gpu, (), NODE)
    assert report.utilisation_percent is None
    assert report.foreign_processes == ForeignProcesses(
        count=2, pids=(7, 9), held_mib=100, memory_told=False
    )


@pytest.mark.parametrize(("told", "passed_on"), [(41, 41), (-5, -5), (None, None), (2**31, None)])
def test_a_temperature_is_told_where_a_card_can_have_it(
    gpu: ServedGpu, told: int | None, passed_on: int | None
) -> None:
    gpu.read(CardReading(MEMORY, temperature_c=told))
    assert report_gpu(gpu, (), NODE).temperature_c == passed_on


def test_of_many_processes_twenty_are_named_and_all_are_counted(gpu: ServedGpu) -> None:
    gpu.read(CardReading(MEMORY, foreign=dict.fromkeys(range(1, 31), 10)))
    foreign = report_gpu(gpu, (), NODE).foreign_processes
    assert foreign == ForeignProcesses(count=30, pids=tuple(range(1, 21)), held_mib=300)


def test_the_nodes_host_memory_is_told_with_each_card(gpu: ServedGpu) -> None:
    assert report_gpu(gpu, (), NODE).host_memory_mib is None
    told = replace(NODE, host_in_all_mib=5000)
    assert report_gpu(gpu, (), told).host_memory_mib == 5000
    beyond = replace(NODE, host_in_all_mib=2**60)
    assert report_gpu(gpu, (), beyond).host_memory_mib == MOST_MIB


def test_why_a_card_is_not_fit_is_told_by_codes_and_that_it_is_by_none(gpu: ServedGpu) -> None:
    assert report_gpu(gpu, (), NODE).unfit == ()
    gpu.note_unfit((UnfitReason(Unfit.DRIVER, "595.71"), UnfitReason(Unfit.EXCLUSIVE)))
    report = GpuReport.model_validate_json(report_gpu(gpu, (), NODE).model_dump_json())
    assert report.unfit_reasons == gpu.unfit
    assert report.lendable_mib == 0
    assert report.closed is not None
    assert report.closed.startswith("unfit: ")
    assert report.closed_for_good


@pytest.mark.parametrize("fault", GpuFault)
def test_whether_a_closed_card_opens_by_itself_is_told(gpu: ServedGpu, fault: GpuFault) -> None:
    passes = fault in {GpuFault.GONE, GpuFault.UNREADABLE}
    assert not report_gpu(gpu, (), NODE).closed_for_good
    gpu.close(ClosedGpu(fault, "79"))
    report = report_gpu(gpu, (), NODE)
    assert (report.closed, report.closed_for_good) == (f"{fault.value}: 79", not passes)


def test_why_slices_are_not_frozen_is_told_by_its_code(gpu: ServedGpu) -> None:
    told = report_gpu(gpu, (), NODE, unfrozen=NotFrozen.NO_ACCESS).model_dump_json()
    assert GpuReport.model_validate_json(told).unfrozen is NotFrozen.NO_ACCESS
