"""A lock with a lease is undone when that is over, as by the helper of a real driver."""

import pytest
from sublet_agent.simulated.machine.fault_plan import PlannedFault
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.machine.speeds import Speeds
from sublet_agent.simulated.protocol.errors import CudaCode

from tests.support.simulated_machine import Bench, RecordedReply

LEASE_S = 3.0


@pytest.fixture(params=["at once", "as measured"])
def bench(request: pytest.FixtureRequest) -> Bench:
    made = Bench() if request.param == "at once" else Bench(Speeds())
    made.tenant(1).allocate(1, 1024)
    return made


def lock(bench: Bench, lease_s: float | None = LEASE_S, timeout_ms: int = 1000) -> RecordedReply:
    reply = bench.operate(OperationKind.LOCK, 1, timeout_ms=timeout_ms, lease_s=lease_s)
    bench.pass_time(0.1)
    return reply


def unlock(bench: Bench) -> RecordedReply:
    reply = bench.unlock(1)
    bench.pass_time(0.1)
    return reply


def test_a_lock_is_undone_when_its_lease_is_over_and_its_calls_go_on(bench: Bench) -> None:
    assert lock(bench).ok
    waits = bench.tenant(1).allocate(2, 1024)
    bench.pass_time(LEASE_S - 0.2)
    assert (bench.state(1), waits.done) == ("locked", False)
    bench.pass_time(0.2)
    assert (bench.state(1), waits.ok) == ("running", True)


def test_a_lock_without_a_lease_stays_also_where_it_finds_the_process_locked_by_one(
    bench: Bench,
) -> None:
    lock(bench)
    assert lock(bench, lease_s=None).code == CudaCode.ILLEGAL_STATE
    bench.pass_time(10 * LEASE_S)
    assert bench.state(1) == "locked"


def test_a_lease_is_anew_with_each_lock_and_ends_with_an_unlock(bench: Bench) -> None:
    for _ in range(3):
        lock(bench)
        bench.pass_time(LEASE_S - 1)
        assert bench.state(1) == "locked"
        unlock(bench)
        assert bench.state(1) == "running"
    lock(bench, lease_s=None)
    bench.pass_time(10 * LEASE_S)
    assert bench.state(1) == "locked"


def test_who_is_locked_still_when_it_is_locked_for_another_turn_keeps_a_lease(
    bench: Bench,
) -> None:
    lock(bench)
    bench.pass_time(LEASE_S - 1)
    assert not lock(bench).ok
    bench.pass_time(LEASE_S - 1)
    assert bench.state(1) == "locked"
    bench.pass_time(1.1)
    assert bench.state(1) == "running"


def test_a_lease_ends_with_a_suspend_and_does_not_undo_what_follows(bench: Bench) -> None:
    lock(bench)
    assert bench.checkpoint(1) is not None
    bench.pass_time(10 * LEASE_S)
    assert bench.state(1) == "checkpointed"
    bench.restore(1)
    bench.pass_time(10 * LEASE_S)
    assert bench.state(1) == "locked"


def test_a_lock_that_failed_has_no_lease(bench: Bench) -> None:
    bench.tenant(1).compute(float("inf"), float("inf"))
    assert lock(bench, timeout_ms=50).code == CudaCode.NOT_READY
    assert bench.machine.processes[1].lease is None


def test_who_could_not_be_unlocked_after_its_turn_has_its_lease_again(bench: Bench) -> None:
    lock(bench)
    bench.machine.faults.faults.append(
        PlannedFault(OperationKind.UNLOCK, pid=1, code=CudaCode.NOT_READY)
    )
    bench.pass_time(LEASE_S - 1)
    assert not unlock(bench).ok
    bench.pass_time(LEASE_S - 0.5)
    assert bench.state(1) == "locked"
    bench.pass_time(0.6)
    assert bench.state(1) == "running"


def test_who_cannot_be_unlocked_as_its_lease_is_over_is_tried_again(bench: Bench) -> None:
    lock(bench)
    bench.machine.faults.faults.append(
        PlannedFault(OperationKind.UNLOCK, pid=1, code=CudaCode.NOT_READY)
    )
    bench.pass_time(LEASE_S + 0.1)
    assert bench.state(1) == "locked"
    bench.pass_time(LEASE_S + 0.1)
    assert bench.state(1) == "running"


def test_a_lease_that_is_over_while_its_process_is_stopped_is_kept_up(bench: Bench) -> None:
    lock(bench)
    bench.host.still.add(1)
    bench.pass_time(2 * LEASE_S)
    assert bench.state(1) == "locked"
    bench.host.still.discard(1)
    bench.pass_time(0.1)
    assert bench.state(1) == "running"


def test_who_has_gone_has_no_lease(bench: Bench) -> None:
    lock(bench)
    bench.machine.end(1, "killed")
    bench.pass_time(2 * LEASE_S)
    assert bench.machine.next_event_s() == float("inf")
