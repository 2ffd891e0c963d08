"""What the policy sees of a GPU that does not tell everything: never less than may be so."""

import pytest
from sublet_agent.devices.interface import Gpu, GpuMemory
from sublet_agent.residency.served_gpu import CardReading, ServedGpu
from sublet_agent.residency.snapshots import NodeConditions, assemble, lendable_mib
from sublet_quota.reasons.fitness import Unfit, UnfitReason
from sublet_quota.residency.cap_watch import CapLevel
from sublet_quota.residency.snapshot import Rank

from tests.support.agent_cases import START
from tests.support.fake_device import GPU
from tests.support.served_slices import CAP_MIB, activity_record, assignment, process

TOTAL_MIB = 80_000
NODE = NodeConditions(START, lending=True, margin_mib=1000, host_free_mib=1000)


@pytest.fixture
def gpu() -> ServedGpu:
    memory = GpuMemory(TOTAL_MIB, 0, TOTAL_MIB)
    return ServedGpu(Gpu(GPU, 0, "Fake GPU", TOTAL_MIB, simulated=True), memory)


def used(mib: int) -> GpuMemory:
    return GpuMemory(TOTAL_MIB, mib, TOTAL_MIB - mib)


def test_a_slice_whose_memory_is_not_told_holds_its_cap_at_least(gpu, owners):
    known, unknown = owners.processes.track(process(1)), owners.processes.track(process(2))
    known.note_measured(100)
    unknown.note_measured(None)
    assert assemble(gpu, [owners], NODE).slices[0].held_mib == CAP_MIB
    known.note_measured(CAP_MIB + 1)
    assert assemble(gpu, [owners], NODE).slices[0].held_mib == CAP_MIB + 1


def test_what_others_hold_and_is_not_told_is_all_that_nobody_else_accounts_for(gpu, owners):
    owners.processes.track(process(1)).note_measured(3000)
    gpu.read(CardReading(used(10_000), foreign={7: 500, 8: None}))
    snapshot = assemble(gpu, [owners], NODE)
    assert (snapshot.foreign_present, snapshot.foreign_mib) == (True, 7000)


def test_what_others_hold_is_at_least_what_is_told(gpu):
    gpu.read(CardReading(used(400), foreign={7: 500, 8: None}))
    assert assemble(gpu, [], NODE).foreign_mib == 500


def test_a_process_whose_memory_is_not_told_needs_its_slices_cap_to_come_back(owners):
    unknown = owners.processes.track(process(1))
    unknown.note_measured(None)
    (target,) = owners.targets([unknown])
    assert target.image_mib == CAP_MIB


def test_a_slice_may_be_over_its_cap_by_what_is_told_alone(owners):
    owners.processes.track(process(1)).note_measured(None)
    assert owners.check_cap(START).told is None
    owners.processes.track(process(2)).note_measured(CAP_MIB + 1)
    assert owners.check_cap(START).told is CapLevel.OVER
    assert owners.over_cap


def test_who_was_suspended_over_its_cap_is_seen_to_be_over_it(gpu, owners):
    tracked = owners.processes.track(process(1))
    tracked.note_measured(CAP_MIB + 1)
    tracked.goes_away(CAP_MIB + 1)
    (view,) = assemble(gpu, [owners], NODE).slices
    assert (view.is_over_cap, view.is_away) == (True, True)


def test_a_card_that_leaves_memory_to_others_is_not_lent(gpu):
    assert lendable_mib(gpu, [], NODE) > 0
    gpu.note_unfit((UnfitReason(Unfit.MEMORY_LEFT),))
    assert lendable_mib(gpu, [], NODE) == 0


@pytest.mark.parametrize("rank", Rank)
def test_a_slice_has_the_rank_that_the_hub_tells_and_is_borrowed_where_it_tells_none(
    gpu, owners, rank
):
    assert assemble(gpu, [owners], NODE).slices[0].rank is Rank.BORROWED
    owners.assign(assignment(rank=rank), START)
    assert assemble(gpu, [owners], NODE).slices[0].rank is rank
    owners.release(activity_record())
    assert assemble(gpu, [owners], NODE).slices[0].rank is Rank.BORROWED
