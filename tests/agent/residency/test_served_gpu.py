"""A served GPU has one move at a time, learns what is measured, is changed by its verbs alone."""

from datetime import timedelta

import pytest
from sublet_agent.devices.interface import Gpu, GpuMemory
from sublet_agent.errors import SubletAgentError
from sublet_agent.moves.plan import UndoSwitch
from sublet_agent.residency.served_gpu import CardReading, RunningMove, ServedGpu
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.closed_gpus import ClosedGpu, GpuFault
from sublet_quota.reasons.fitness import Unfit, UnfitReason
from sublet_quota.residency.snapshot import PoolSettings, TransitionKind

from tests.support.agent_cases import START
from tests.support.fake_device import GPU

MEMORY = GpuMemory(80_000, 0, 80_000)


def move_of(slice_id, kind=TransitionKind.SUSPENDING, bytes_mib=1000):
    return RunningMove(
        slice_id=SliceId(slice_id),
        kind=kind,
        undo=UndoSwitch(),
        began=START,
        bytes_mib=bytes_mib,
        expected_s=1.0,
    )


@pytest.fixture
def gpu():
    return ServedGpu(Gpu(GPU, 0, "Fake GPU", 80_000, simulated=True), MEMORY, first_mib_per_s=1000)


PUBLIC = [name for name in dir(ServedGpu) if not name.startswith("_")]


@pytest.mark.parametrize("name", [*PUBLIC, "anything_else"])
def test_nothing_of_a_gpu_can_be_assigned_from_elsewhere(gpu, name):
    with pytest.raises(AttributeError):
        setattr(gpu, name, None)


def test_a_move_is_its_slices_from_its_beginning_to_its_end(gpu):
    move = move_of("a")
    gpu.begin_move(move)
    assert gpu.move is move
    assert (gpu.is_moving(SliceId("a")), gpu.is_moving(SliceId("b"))) == (True, False)
    gpu.end_move()
    assert gpu.move is None
    assert not gpu.is_moving(SliceId("a"))


def test_a_sample_from_before_a_moves_beginning_or_end_is_of_another_generation(gpu):
    seen = [gpu.generation]
    gpu.begin_move(move_of("a"))
    seen.append(gpu.generation)
    gpu.end_move()
    seen.append(gpu.generation)
    assert len(set(seen)) == 3


def test_no_move_begins_while_another_is_in_flight(gpu):
    gpu.begin_move(move_of("a"))
    with pytest.raises(SubletAgentError, match="slice b cannot move while a does"):
        gpu.begin_move(move_of("b"))
    assert gpu.is_moving(SliceId("a"))


@pytest.mark.parametrize(
    ("kind", "away_mib", "moved_mib"),
    [
        (TransitionKind.SUSPENDING, 300, 300),
        (TransitionKind.SUSPENDING, 1200, 1000),
        (TransitionKind.RESUMING, 300, 700),
        (TransitionKind.RESUMING, 1200, 0),
    ],
)
def test_how_far_a_move_has_come_follows_from_what_is_away(kind, away_mib, moved_mib):
    move = move_of("a", kind)
    move.note_away(away_mib)
    assert move.moved_mib == moved_mib


def test_each_direction_learns_its_own_rate(gpu):
    gpu.learn_rate(TransitionKind.SUSPENDING, 4000, 2)
    gpu.learn_rate(TransitionKind.RESUMING, 8000, 2)
    assert gpu.suspend_mib_per_s == pytest.approx(1300)
    assert gpu.resume_mib_per_s == pytest.approx(1900)


@pytest.mark.parametrize(("moved_mib", "moved_s"), [(255, 1), (4000, 0)])
def test_a_move_that_says_nothing_of_the_rate_changes_none(gpu, moved_mib, moved_s):
    gpu.learn_rate(TransitionKind.SUSPENDING, moved_mib, moved_s)
    assert gpu.suspend_mib_per_s == 1000


def test_a_card_is_measured_once_it_has_answered(gpu):
    assert not gpu.measured
    reading = CardReading(GpuMemory(80_000, 7, 79_993), 50, 3)
    assert not gpu.read(reading)
    assert gpu.measured
    assert gpu.reading is reading


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        (CardReading(MEMORY, foreign={1: 100}, strays=frozenset({SliceId("s")})), False),
        (CardReading(MEMORY, foreign={1: 900}, strays=frozenset({SliceId("s")})), False),
        (CardReading(MEMORY, foreign={2: 100}, strays=frozenset({SliceId("s")})), True),
        (CardReading(MEMORY, foreign={1: 100}), True),
    ],
)
def test_it_is_told_when_other_processes_are_foreign_here(gpu, reading, told):
    gpu.read(CardReading(MEMORY, foreign={1: 100}, strays=frozenset({SliceId("s")})))
    assert gpu.read(reading) is told


def test_the_driver_takes_the_least_that_was_ever_unaccounted_for(gpu):
    seen = []
    for used_mib, listed_mib in ((500, 100), (900, 100), (350, 100), (50, 100)):
        gpu.read(CardReading(GpuMemory(80_000, used_mib, 80_000 - used_mib)))
        gpu.note_unaccounted(listed_mib)
        seen.append(gpu.overhead_mib)
    assert seen == [400, 400, 250, 0]


def test_settings_of_the_pool_are_taken_over_and_told_where_the_policy_sees_others(gpu):
    pool = PoolSettings(lend=False)
    assert gpu.set_pool(pool, timedelta(seconds=5))
    assert not gpu.set_pool(pool, timedelta(seconds=6))
    assert (gpu.pool, gpu.idle_after) == (pool, timedelta(seconds=6))


def test_a_card_is_closed_for_a_reason_until_it_is_opened_again(gpu):
    gpu.close(ClosedGpu(GpuFault.XID, "XID 79"))
    assert gpu.closed == ClosedGpu(GpuFault.XID, "XID 79")
    gpu.reopen()
    assert gpu.closed is None


def test_a_card_that_is_not_fit_is_closed_where_users_would_get_errors(gpu):
    assert gpu.note_unfit((UnfitReason(Unfit.MPS),))
    assert not gpu.note_unfit((UnfitReason(Unfit.MPS),))
    assert gpu.closed is None
    assert gpu.note_unfit((UnfitReason(Unfit.MPS), UnfitReason(Unfit.EXCLUSIVE, "it is so")))
    assert gpu.closed.fault is GpuFault.UNFIT
    assert "it is so" in gpu.closed.detail
    assert gpu.fault is None
    assert gpu.note_unfit(())
    assert gpu.closed is None


def test_a_fault_of_the_card_is_told_before_how_it_is_set_up(gpu):
    gpu.note_unfit((UnfitReason(Unfit.EXCLUSIVE),))
    gpu.close(ClosedGpu(GpuFault.ECC, "uncorrectable"))
    assert gpu.closed == gpu.fault == ClosedGpu(GpuFault.ECC, "uncorrectable")


def test_what_is_left_of_released_slices_is_noted(gpu):
    gpu.note_orphans(300)
    assert gpu.orphans_mib == 300
