"""Processes that are killed, stopped or at work in the middle of a move, on the physics alone."""

import math

import pytest
from sublet_agent.simulated.machine.memory.buffers import SLICE_BYTES
from sublet_agent.simulated.machine.operations import OperationKind, OperationRequest
from sublet_agent.simulated.machine.speeds import INSTANT, Speeds

from tests.support.memory_patterns import pattern_sha256
from tests.support.simulated_machine import Bench

GIB = 1024
CONTEXT = 512


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("steps", ["lock", "suspend"])
def test_killing_a_locked_or_suspended_process_releases_its_memory_at_once(
    bench: Bench, steps: str
) -> None:
    tenant = bench.tenant(1)
    tenant.allocate(1, 60 * GIB)
    bench.lock(1)
    if steps == "suspend":
        bench.checkpoint(1)
    bench.machine.end(1, "killed")
    assert bench.free_mib == 80 * GIB
    assert 1 not in bench.machine.processes
    assert bench.tenant(2).allocate(1, 79 * GIB).ok


def test_killing_a_process_in_the_middle_of_a_move_releases_everything() -> None:
    bench = Bench(Speeds())
    bench.tenant(1).allocate(1, 30 * GIB)
    bench.lock(1)
    bench.pass_time(1)
    leaving = bench.checkpoint(1)
    bench.pass_time(2)
    bench.machine.end(1, "killed")
    assert leaving.code == 304
    assert bench.free_mib == 80 * GIB


def test_what_a_dead_process_left_cannot_be_read_by_the_next(bench: Bench) -> None:
    first = bench.tenant(1)
    first.allocate(1, 79 * GIB)
    first.write(1, 0, b"canary" * 1000)
    bench.machine.end(1, "killed")
    second = bench.tenant(2)
    second.allocate(1, 79 * GIB)
    found = b"".join(
        second.read(1, offset, 1024 * 1024).payload for offset in range(0, 79 << 20, 1 << 20)
    )
    assert b"canary" not in found


def test_a_call_made_while_suspended_completes_after_restore_and_unlock(bench: Bench) -> None:
    tenant = bench.tenant(1)
    tenant.allocate(1, GIB)
    tenant.fill(1, 3)
    bench.suspend(1)
    call = tenant.sha256(1)
    assert not call.done
    bench.restore(1)
    assert not call.done
    bench.unlock(1)
    bench.copy()
    assert call.result == {"sha256": pattern_sha256(3, GIB * 1024)}


def test_hashing_that_a_suspend_interrupts_goes_on_afterwards_with_the_right_result(
    bench: Bench,
) -> None:
    tenant = bench.tenant(1)
    tenant.allocate(1, 4 * GIB)
    tenant.fill(1, 9)
    reply = bench.reply()
    bench.calls.sha256(tenant.caller, reply, 1)
    for _ in range(5):
        bench.machine.bytes.run_slice()
    bench.suspend(1)
    assert not reply.done
    bench.restore(1)
    bench.unlock(1)
    bench.copy()
    assert reply.result == {"sha256": pattern_sha256(9, 4 * GIB * 1024)}


def test_two_processes_of_one_kernel_are_suspended_and_resumed_together_three_times() -> None:
    bench = Bench(INSTANT)
    pair = [bench.tenant(1), bench.tenant(2)]
    for tenant in pair:
        tenant.allocate(1, 8 * GIB)
        tenant.fill(1, tenant.pid)
    for order in ((1, 2), (2, 1), (1, 2)):
        for pid in order:
            bench.suspend(pid)
        for pid in reversed(order):
            assert bench.restore(pid).ok
            assert bench.unlock(pid).ok
    for tenant in pair:
        expected = pattern_sha256(tenant.pid, 8 * GIB * 1024)
        assert tenant.sha256(1).result == {"sha256": expected}


def test_a_move_by_the_driver_goes_before_programs_work_on_bytes(bench: Bench) -> None:
    busy, leaving = bench.tenant(1), bench.tenant(2)
    busy.allocate(1, 30 * GIB)
    leaving.allocate(1, GIB)
    filling = bench.reply()
    bench.calls.fill(busy.caller, filling, 1, 1)
    bench.lock(2)
    began = [bench.reply(), bench.reply()]
    request = OperationRequest(OperationKind.CHECKPOINT, 2, 0)
    bench.machine.driver.request(request, began[0])
    bench.calls.fill(busy.caller, began[1], 1, 2)
    for _ in range(GIB * 1024 // SLICE_BYTES + 2):
        bench.machine.bytes.run_slice()
    bench.machine.settle()
    assert began[0].ok
    assert not began[1].done


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (OperationKind.STATE, "running"),
        (OperationKind.LOCK, "running"),
        (OperationKind.CHECKPOINT, "locked"),
        (OperationKind.UNLOCK, "locked"),
        (OperationKind.RESTORE, "checkpointed"),
    ],
)
def test_a_process_that_stands_still_does_not_answer_until_it_runs(
    bench: Bench, kind: OperationKind, state: str
) -> None:
    bench.tenant(1).allocate(1, GIB)
    if state != "running":
        bench.lock(1)
    if state == "checkpointed":
        bench.checkpoint(1)
    bench.host.still.add(1)
    reply = bench.operate(kind, 1, timeout_ms=50)
    bench.pass_time(5)
    assert not reply.done
    assert bench.state(1) == state
    bench.host.still.clear()
    bench.pass_time(0.1)
    assert reply.ok


def test_what_is_under_way_ends_when_the_process_runs_again() -> None:
    bench = Bench(Speeds())
    bench.tenant(1).allocate(1, 6 * GIB)
    bench.lock(1)
    bench.pass_time(1)
    reply = bench.checkpoint(1)
    bench.pass_time(0.5)
    bench.host.still.add(1)
    bench.pass_time(60)
    assert not reply.done
    bench.host.still.clear()
    bench.pass_time(0.1)
    assert reply.ok
    assert bench.state(1) == "checkpointed"


def test_a_process_that_stands_still_can_be_killed_and_others_go_on(bench: Bench) -> None:
    bench.tenant(1).allocate(1, GIB)
    bench.tenant(2).allocate(1, GIB)
    bench.host.still.add(1)
    waiting = bench.lock(1)
    assert bench.lock(2).ok
    bench.machine.end(1, "killed")
    assert waiting.code == 304
    assert math.isinf(bench.machine.next_event_s())


def test_an_operation_that_nobody_waits_for_is_not_begun_when_the_process_runs_again(
    bench: Bench,
) -> None:
    bench.tenant(1).allocate(1, GIB)
    bench.host.still.add(1)
    waiting = bench.lock(1)
    waiting.abandoned = True
    bench.machine.driver.forget_callers()
    bench.host.still.clear()
    bench.pass_time(1)
    assert bench.state(1) == "running"
    assert math.isinf(bench.machine.next_event_s())
