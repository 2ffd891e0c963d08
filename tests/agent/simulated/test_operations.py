"""The checkpoint API: what each state allows, what happens when callers die, and planned faults."""

import math

import pytest
from sublet_agent.simulated.machine.fault_plan import PlannedFault
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.machine.speeds import Speeds
from sublet_agent.simulated.protocol.errors import CudaCode

from tests.support.simulated_machine import Bench

GIB = 1024
SWAPPED = {"SIM-0": "SIM-1", "SIM-1": "SIM-0"}
ALL = (
    OperationKind.LOCK,
    OperationKind.CHECKPOINT,
    OperationKind.RESTORE,
    OperationKind.UNLOCK,
)
ALLOWED = {
    "running": {OperationKind.LOCK},
    "locked": {OperationKind.CHECKPOINT, OperationKind.UNLOCK},
    "checkpointed": {OperationKind.RESTORE},
}


def in_state(bench: Bench, state: str) -> None:
    bench.tenant(1).allocate(1, GIB)
    if state != "running":
        bench.lock(1)
    if state == "checkpointed":
        bench.checkpoint(1)
    assert bench.state(1) == state


@pytest.mark.parametrize("state", ALLOWED)
@pytest.mark.parametrize("kind", ALL)
def test_an_operation_needs_its_state(state: str, kind: OperationKind) -> None:
    bench = Bench()
    in_state(bench, state)
    reply = bench.operate(kind, 1)
    if kind in ALLOWED[state]:
        assert reply.ok
    else:
        assert reply.code == CudaCode.ILLEGAL_STATE
        assert bench.state(1) == state


@pytest.mark.parametrize(
    ("kind", "state", "after"),
    [
        (OperationKind.LOCK, "running", "running"),
        (OperationKind.CHECKPOINT, "locked", "locked"),
        (OperationKind.RESTORE, "checkpointed", "checkpointed"),
        (OperationKind.UNLOCK, "locked", "locked"),
    ],
)
def test_an_operation_that_a_fault_fails_changes_nothing_and_works_the_next_time(
    kind: OperationKind, state: str, after: str
) -> None:
    bench = Bench()
    in_state(bench, state)
    bench.machine.faults.faults.append(PlannedFault(kind, code=CudaCode.OPERATING_SYSTEM))
    assert bench.operate(kind, 1).code == 304
    assert bench.state(1) == after
    assert bench.operate(kind, 1).ok


def test_a_fault_comes_at_the_nth_operation_of_its_kind() -> None:
    bench = Bench()
    in_state(bench, "running")
    fault = PlannedFault(OperationKind.LOCK, nth=3, code=CudaCode.INVALID_VALUE)
    bench.machine.faults.faults.append(fault)
    answers = []
    for _ in range(4):
        answers.append(bench.lock(1).ok)
        bench.unlock(1)
    assert answers == [True, True, False, True]


def test_a_fault_for_one_process_leaves_others_alone() -> None:
    bench = Bench()
    in_state(bench, "running")
    bench.tenant(2).memory_info()
    fault = PlannedFault(OperationKind.LOCK, pid=2, code=CudaCode.INVALID_VALUE)
    bench.machine.faults.faults.append(fault)
    assert bench.lock(1).ok
    assert not bench.lock(2).ok


def test_a_poisoning_fault_loses_the_process_although_there_is_room() -> None:
    bench = Bench()
    in_state(bench, "checkpointed")
    bench.machine.faults.faults.append(PlannedFault(OperationKind.RESTORE, poisons=True))
    assert bench.restore(1).code == 2
    assert bench.restore(1).code == 304


def test_a_delay_makes_an_operation_take_longer() -> None:
    bench = Bench()
    in_state(bench, "running")
    bench.machine.faults.faults.append(PlannedFault(OperationKind.LOCK, delay_s=0.5))
    reply = bench.lock(1)
    bench.pass_time(1)
    assert reply.at_s == pytest.approx(0.5)


def test_where_faults_are_cleared_what_one_delays_takes_its_own_time() -> None:
    bench = Bench(Speeds())
    bench.tenant(1).allocate(1, 30 * GIB)
    bench.lock(1)
    bench.pass_time(1)
    fault = PlannedFault(OperationKind.CHECKPOINT, delay_s=3600)
    bench.machine.faults.faults.append(fault)
    reply = bench.checkpoint(1)
    bench.pass_time(1)
    bench.machine.clear_faults()
    assert not reply.done
    bench.pass_time(20)
    assert reply.ok


def test_an_operation_that_has_begun_goes_on_when_its_caller_dies() -> None:
    bench = Bench(Speeds())
    bench.tenant(1).allocate(1, 30 * GIB)
    bench.lock(1)
    bench.pass_time(1)
    reply = bench.checkpoint(1)
    bench.pass_time(1)
    reply.abandoned = True
    bench.machine.driver.forget_callers()
    bench.pass_time(20)
    assert bench.state(1) == "checkpointed"
    assert bench.restore(1).error is None


def test_the_state_is_told_when_the_operation_under_way_has_ended() -> None:
    bench = Bench(Speeds())
    bench.tenant(1).allocate(1, 30 * GIB)
    bench.lock(1)
    asked = bench.operate(OperationKind.STATE, 1)
    assert not asked.done
    bench.pass_time(1)
    assert asked.result == {"state": "locked"}


def test_an_operation_that_waits_its_turn_is_dropped_with_its_caller() -> None:
    bench = Bench(Speeds())
    bench.tenant(1).memory_info()
    bench.lock(1)
    second = bench.unlock(1)
    second.abandoned = True
    bench.machine.driver.forget_callers()
    bench.pass_time(1)
    assert bench.state(1) == "locked"


def test_a_lock_without_a_bound_is_dropped_with_its_caller() -> None:
    bench = Bench(Speeds())
    tenant = bench.tenant(1)
    tenant.compute(math.inf, math.inf, wait=False)
    bench.pass_time(0.1)
    reply = bench.lock(1, timeout_ms=0)
    waiting = tenant.memory_info()
    reply.abandoned = True
    bench.machine.driver.forget_callers()
    assert waiting.ok
    assert bench.state(1) == "running"


def test_a_suspended_process_can_be_restored_on_another_card_of_the_same_type() -> None:
    bench = Bench(gpus=2)
    tenant = bench.tenant(1, gpu="SIM-0")
    tenant.allocate(1, 30 * GIB)
    filled = tenant.fill(1, 5)
    bench.suspend(1)
    assert bench.restore(1, SWAPPED).ok
    bench.unlock(1)
    assert tenant.sha256(1).result == filled.result
    assert tenant.process.card.gpu_id == "SIM-1"
    assert bench.card.store.free_mib == 80 * GIB


@pytest.mark.parametrize(
    "mapping",
    [
        {"SIM-1": "SIM-0"},
        {"SIM-0": "SIM-1"},
        {"SIM-0": "SIM-1", "SIM-1": "SIM-1"},
        {"SIM-0": "SIM-1", "SIM-1": "SIM-0", "SIM-2": "SIM-2"},
    ],
)
def test_a_mapping_that_does_not_name_every_card_once_is_refused_without_harm(
    mapping: dict[str, str],
) -> None:
    bench = Bench(gpus=2)
    bench.tenant(1, gpu="SIM-0").allocate(1, GIB)
    bench.suspend(1)
    assert bench.restore(1, mapping).code == 1
    assert bench.restore(1).ok


def test_a_mapping_of_a_process_that_sees_some_cards_loses_it() -> None:
    bench = Bench(gpus=2)
    bench.tenant(1, gpu="SIM-0", sees=("SIM-0",)).allocate(1, GIB)
    bench.suspend(1)
    assert bench.monitor.seen_by(1) == ["SIM-0"]
    assert bench.restore(1, SWAPPED).code == 1
    assert bench.restore(1).code == 304


def test_a_process_that_was_moved_knows_the_cards_by_each_others_ids() -> None:
    bench = Bench(gpus=2)
    tenant = bench.tenant(1, gpu="SIM-0")
    tenant.allocate(1, GIB)
    bench.suspend(1)
    assert bench.restore(1, SWAPPED).ok
    bench.unlock(1)
    assert tenant.allocate(2, GIB).ok
    assert tenant.on("SIM-1").allocate(3, 2 * GIB).ok
    first, second = bench.machine.cards.values()
    # The second buffer went where the process is; what it takes for the other card is the first.
    assert 80 * GIB - first.store.free_mib == 2 * GIB + 512
    assert 80 * GIB - second.store.free_mib == 2 * GIB + 512


def test_a_process_that_was_moved_comes_back_to_where_it_was_last_and_home_again() -> None:
    bench = Bench(gpus=2)
    tenant = bench.tenant(1, gpu="SIM-0")
    tenant.allocate(1, GIB)
    filled = tenant.fill(1, 5)
    for mapping, where in ((SWAPPED, "SIM-1"), (None, "SIM-1"), (SWAPPED, "SIM-0")):
        bench.suspend(1)
        assert bench.restore(1, mapping).ok
        bench.unlock(1)
        assert tenant.process.card.gpu_id == where
    assert tenant.sha256(1).result == filled.result


def test_a_move_to_a_card_without_room_loses_the_process() -> None:
    bench = Bench(gpus=2)
    bench.tenant(1, gpu="SIM-0").allocate(1, 30 * GIB)
    bench.tenant(2, gpu="SIM-1").allocate(1, 60 * GIB)
    bench.suspend(1)
    assert bench.restore(1, SWAPPED).code == 2
    assert bench.restore(1).code == 304


def test_a_card_that_vanishes_takes_running_processes_with_it_and_not_suspended_ones() -> None:
    bench = Bench(gpus=2)
    on_card, suspended = bench.tenant(1, gpu="SIM-0"), bench.tenant(2, gpu="SIM-0")
    on_card.allocate(1, GIB)
    suspended.allocate(1, GIB)
    filled = suspended.fill(1, 5)
    bench.suspend(2)
    bench.machine.lose_card(bench.card, "test")
    assert bench.state(1) == "failed"
    assert on_card.memory_info().code == CudaCode.NO_DEVICE
    assert bench.restore(2).code == CudaCode.NO_DEVICE
    assert bench.restore(2, SWAPPED).ok
    bench.unlock(2)
    assert suspended.sha256(1).result == filled.result
    assert [each["kind"] for each in bench.monitor.health(0)] == ["gone"]


def test_a_lost_context_fails_every_call_and_what_waited() -> None:
    bench = Bench()
    tenant = bench.tenant(1)
    tenant.allocate(1, GIB)
    bench.lock(1)
    waiting = tenant.memory_info()
    bench.machine.lose_context(tenant.process, "XID 31")
    assert waiting.code == 700
    assert tenant.allocate(2, 2).code == 700


def test_inspection_finds_bytes_that_were_changed_behind_their_programs_back() -> None:
    bench = Bench()
    tenant = bench.tenant(1)
    tenant.allocate(1, GIB)
    tenant.fill(1, 5)
    assert bench.inspect()["processes"][0]["lost"] is None
    place = tenant.process.buffers[1].place
    next(place.views(4096, 1))[0] ^= 1
    assert bench.inspect()["processes"][0]["lost"] == "its bytes were changed"


def test_inspection_knows_the_hash_of_what_was_written_piecemeal_after_a_suspend() -> None:
    bench = Bench()
    tenant = bench.tenant(1)
    tenant.allocate(1, GIB)
    tenant.write(1, 100, b"some of my variables")
    assert bench.inspect()["processes"][0]["buffers"][0]["intact"] is None
    bench.suspend(1)
    assert bench.inspect()["processes"][0]["buffers"][0]["intact"] is True
    bench.restore(1)
    assert bench.inspect()["processes"][0]["buffers"][0]["intact"] is True


def test_memory_that_was_being_taken_when_its_process_was_suspended_is_not_called_changed() -> None:
    """Its scrambling goes on when it is back."""
    bench = Bench()
    tenant = bench.tenant(1)
    tenant.allocate(1, 1)
    allocated = bench.reply()
    bench.calls.allocate(tenant.caller, allocated, 2, GIB, managed=False)
    bench.machine.bytes.run_slice()
    for kind in (OperationKind.LOCK, OperationKind.CHECKPOINT):
        assert bench.operate(kind, 1).ok
    assert not allocated.done
    for kind in (OperationKind.RESTORE, OperationKind.UNLOCK):
        assert bench.operate(kind, 1).ok
    assert allocated.done
    assert bench.inspect()["processes"][0]["lost"] is None
