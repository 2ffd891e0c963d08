"""One call at a time for each process, each within its time, and nothing forgotten that is late."""

import asyncio
import fcntl
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from sublet_agent.driver_helper.messages import (
    NOT_BEGUN,
    DriverAnswer,
    DriverRequest,
    Operation,
    Outcome,
    now_s,
)
from sublet_agent.driver_helper.service import DriverService

pytestmark = pytest.mark.asyncio
AT_ONCE = 0.01
LONG = 60.0
DONE = DriverAnswer(outcome=Outcome.DONE)


@dataclass
class Calls:
    """Calls that end when the test says so."""

    begun: list[tuple[Operation, int]] = field(default_factory=list)
    ends: dict[tuple[Operation, int], asyncio.Future[DriverAnswer]] = field(default_factory=dict)
    all_ends: list[asyncio.Future[DriverAnswer]] = field(default_factory=list)

    async def call(self, request: DriverRequest, given_up: asyncio.Event) -> DriverAnswer:
        del given_up
        key = (request.operation, request.pid)
        self.begun.append(key)
        end = self.ends.pop(key, None)
        return DONE if end is None else await end

    def hang(self, operation: Operation, pid: int) -> asyncio.Future[DriverAnswer]:
        """Let the next such call last until the future that is returned has a result."""
        end = asyncio.get_running_loop().create_future()
        self.ends[operation, pid] = end
        self.all_ends.append(end)
        return end


@dataclass
class AskedHelper:
    service: DriverService
    calls: Calls
    folder: Path

    async def ask(self, operation: Operation, pid: int, within_s: float = LONG) -> DriverAnswer:
        return await self.service.answer(a_request(operation, pid, within_s))

    async def begin(self, operation: Operation, pid: int) -> asyncio.Task[DriverAnswer]:
        """Ask for a call, and wait until it is under way."""
        asking = asyncio.create_task(self.ask(operation, pid))
        while (operation, pid) not in self.calls.begun:  # noqa: ASYNC110 - one turn
            await asyncio.sleep(0)
        return asking


def a_request(operation: Operation, pid: int, within_s: float) -> DriverRequest:
    timeout_ms = 100 if operation is Operation.LOCK else 0
    return DriverRequest(
        operation=operation, pid=pid, start_ticks=7, within_s=within_s, timeout_ms=timeout_ms
    )


@pytest_asyncio.fixture
async def helper(tmp_path: Path) -> AsyncIterator[AskedHelper]:
    calls = Calls()
    yield AskedHelper(DriverService(tmp_path, calls), calls, tmp_path)
    for end in calls.all_ends:
        if not end.done():
            end.set_result(DONE)


async def test_a_process_has_one_call_at_a_time_and_others_do_not_wait_for_it(
    helper: AskedHelper,
) -> None:
    end = helper.calls.hang(Operation.CHECKPOINT, 1)
    first = await helper.begin(Operation.CHECKPOINT, 1)
    second = asyncio.create_task(helper.ask(Operation.STATE, 1))
    assert await helper.ask(Operation.STATE, 2) == DONE
    assert helper.calls.begun == [(Operation.CHECKPOINT, 1), (Operation.STATE, 2)]
    assert not helper.service.is_idle
    end.set_result(DONE)
    assert [await first, await second] == [DONE, DONE]
    assert helper.calls.begun[-1] == (Operation.STATE, 1)
    assert helper.service.is_idle


async def test_who_waited_long_enough_is_told_what_is_under_way(helper: AskedHelper) -> None:
    helper.calls.hang(Operation.RESTORE, 1)
    for operation in (Operation.RESTORE, Operation.STATE):
        answer = await helper.ask(operation, 1, AT_ONCE)
        assert answer.outcome is Outcome.NO_ANSWER
        assert "restore of process 1 is under way" in answer.detail
    assert helper.calls.begun == [(Operation.RESTORE, 1)]


async def test_what_nobody_waits_for_any_more_is_not_begun(helper: AskedHelper) -> None:
    end = helper.calls.hang(Operation.RESTORE, 1)
    restoring = await helper.begin(Operation.RESTORE, 1)
    answer = await helper.ask(Operation.UNLOCK, 1, AT_ONCE)
    assert answer.outcome is Outcome.NO_ANSWER
    end.set_result(DONE)
    await restoring
    assert await helper.ask(Operation.STATE, 1) == DONE
    assert helper.calls.begun == [(Operation.RESTORE, 1), (Operation.STATE, 1)]


async def test_what_was_to_end_before_its_turn_came_is_not_begun(helper: AskedHelper) -> None:
    late = a_request(Operation.RESTORE, 1, LONG).model_copy(update={"until_s": now_s()})
    assert await helper.service.answer(late) == NOT_BEGUN
    assert helper.calls.begun == []


async def test_what_waits_for_somebody_who_has_left_is_not_begun(helper: AskedHelper) -> None:
    end = helper.calls.hang(Operation.STATE, 1)
    asking = await helper.begin(Operation.STATE, 1)
    restoring = asyncio.create_task(helper.ask(Operation.RESTORE, 1))
    await asyncio.sleep(0)
    restoring.cancel()
    await asyncio.wait({restoring})
    end.set_result(DONE)
    await asking
    assert await helper.ask(Operation.STATE, 1) == DONE
    assert (Operation.RESTORE, 1) not in helper.calls.begun


async def test_a_lock_whose_asker_has_left_is_for_who_reads_its_journal(
    helper: AskedHelper,
) -> None:
    end = helper.calls.hang(Operation.LOCK, 1)
    locking = await helper.begin(Operation.LOCK, 1)
    locking.cancel()
    await asyncio.wait({locking})
    end.set_result(DONE)
    assert await helper.ask(Operation.STATE, 1) == DONE
    assert helper.calls.begun == [(Operation.LOCK, 1), (Operation.STATE, 1)]


async def test_a_lock_that_comes_too_late_is_taken_back_before_anything_else(
    helper: AskedHelper,
) -> None:
    end = helper.calls.hang(Operation.LOCK, 1)
    assert (await helper.ask(Operation.LOCK, 1, AT_ONCE)).outcome is Outcome.NO_ANSWER
    state = asyncio.create_task(helper.ask(Operation.STATE, 1))
    end.set_result(DONE)
    assert await state == DONE
    assert helper.calls.begun == [
        (Operation.LOCK, 1),
        (Operation.UNLOCK, 1),
        (Operation.STATE, 1),
    ]


async def test_a_lock_that_would_wait_for_ever_is_not_asked_for() -> None:
    with pytest.raises(ValueError, match="would wait for ever"):
        DriverRequest(operation=Operation.LOCK, pid=1, start_ticks=7, within_s=LONG)


async def test_a_lock_that_failed_late_is_not_undone(helper: AskedHelper) -> None:
    end = helper.calls.hang(Operation.LOCK, 1)
    await helper.ask(Operation.LOCK, 1, AT_ONCE)
    end.set_result(DriverAnswer(outcome=Outcome.FAILED, code=600))
    await helper.ask(Operation.STATE, 1)
    assert (Operation.UNLOCK, 1) not in helper.calls.begun


async def test_what_a_helper_before_this_one_began_ends_before_anything_is_asked(
    helper: AskedHelper,
) -> None:
    path = helper.folder / "1-7"
    path.write_text(json.dumps({"operation": "restore"}))
    with path.open("r+") as worker:
        fcntl.flock(worker, fcntl.LOCK_EX)
        (left,) = await helper.service.take_over()
        assert (left.pid, left.operation) == (1, Operation.RESTORE)
        answer = await helper.ask(Operation.STATE, 1, AT_ONCE)
        assert "restore of process 1 is under way" in answer.detail
        assert await helper.ask(Operation.STATE, 2) == DONE
    assert await helper.ask(Operation.STATE, 1) == DONE
    assert not path.exists()
    assert helper.service.is_idle


async def test_a_call_that_is_not_written_down_yet_is_waited_for_too(helper: AskedHelper) -> None:
    path = helper.folder / "1-7"
    path.touch()
    with path.open("r+") as worker:
        fcntl.flock(worker, fcntl.LOCK_EX)
        await helper.service.take_over()
        answer = await helper.ask(Operation.STATE, 1, AT_ONCE)
        assert "a call of process 1 is under way" in answer.detail
    assert await helper.ask(Operation.STATE, 1) == DONE
    assert not path.exists()


async def test_what_is_left_of_a_dead_worker_keeps_nobody_waiting(helper: AskedHelper) -> None:
    (helper.folder / "1-7").write_text(json.dumps({"operation": "restore"}))
    (helper.folder / "half").write_text("{")
    await helper.service.take_over()
    assert await helper.ask(Operation.STATE, 1) == DONE
    assert list(helper.folder.iterdir()) == []


LEASE_S = 0.05


async def until(helper: AskedHelper, operation: Operation) -> None:
    """Wait until the last call that was begun is this one."""
    async with asyncio.timeout(LONG):
        while helper.calls.begun[-1][0] is not operation:  # noqa: ASYNC110 - a call tells nobody
            await asyncio.sleep(0.005)


async def lock(helper: AskedHelper, lease_s: float | None = LEASE_S) -> DriverAnswer:
    request = a_request(Operation.LOCK, 1, LONG).model_copy(update={"lease_s": lease_s})
    return await helper.service.answer(request)


async def test_a_lock_is_undone_when_its_lease_is_over(helper: AskedHelper) -> None:
    assert await lock(helper) == DONE
    assert not helper.service.is_idle
    await until(helper, Operation.UNLOCK)
    assert helper.calls.begun == [(Operation.LOCK, 1), (Operation.UNLOCK, 1)]
    async with asyncio.timeout(LONG):
        while not helper.service.is_idle:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)


async def test_a_lock_without_a_lease_stays_also_where_it_finds_the_process_locked_by_one(
    helper: AskedHelper,
) -> None:
    await lock(helper)
    end = helper.calls.hang(Operation.LOCK, 1)
    again = asyncio.create_task(lock(helper, None))
    # The lease is over while that is under way.
    await asyncio.sleep(2 * LEASE_S)
    end.set_result(DriverAnswer(outcome=Outcome.FAILED, code=401))
    assert (await again).code == 401
    assert helper.service.is_idle
    assert (Operation.UNLOCK, 1) not in helper.calls.begun


async def test_a_lease_is_anew_with_each_lock_and_ends_with_an_unlock(helper: AskedHelper) -> None:
    for _ in range(3):
        await lock(helper)
        await helper.ask(Operation.UNLOCK, 1)
    assert helper.service.is_idle
    await lock(helper, LONG)
    assert await helper.ask(Operation.STATE, 1) == DONE
    assert not helper.service.is_idle
    await helper.ask(Operation.UNLOCK, 1)
    assert helper.service.is_idle


async def test_a_lease_counts_for_an_asker_that_has_left_too(helper: AskedHelper) -> None:
    end = helper.calls.hang(Operation.LOCK, 1)
    locking = asyncio.create_task(lock(helper))
    while not helper.calls.begun:  # noqa: ASYNC110 - one turn
        await asyncio.sleep(0)
    locking.cancel()
    await asyncio.wait({locking})
    end.set_result(DONE)
    await until(helper, Operation.UNLOCK)


async def test_a_lock_that_failed_has_no_lease(helper: AskedHelper) -> None:
    helper.calls.hang(Operation.LOCK, 1).set_result(DriverAnswer(outcome=Outcome.FAILED, code=600))
    await lock(helper)
    assert helper.service.is_idle


STANDS_STILL = DriverAnswer(outcome=Outcome.STANDS_STILL)
REFUSED = DriverAnswer(outcome=Outcome.FAILED, code=401)


@pytest.mark.parametrize("answer", [STANDS_STILL, REFUSED], ids=["stands-still", "refused"])
async def test_who_could_not_be_unlocked_after_its_turn_has_its_lease_again(
    helper: AskedHelper, answer: DriverAnswer
) -> None:
    await lock(helper)
    helper.calls.hang(Operation.UNLOCK, 1).set_result(answer)
    assert await helper.ask(Operation.UNLOCK, 1) == answer
    assert not helper.service.is_idle
    async with asyncio.timeout(LONG):
        while not helper.service.is_idle:  # noqa: ASYNC110 - a call tells nobody
            await asyncio.sleep(0.005)
    unlock = Operation.UNLOCK, 1
    assert helper.calls.begun == [(Operation.LOCK, 1), unlock, unlock]


async def test_who_is_locked_still_when_it_is_locked_for_another_turn_keeps_a_lease(
    helper: AskedHelper,
) -> None:
    await lock(helper, LONG)
    helper.calls.hang(Operation.UNLOCK, 1).set_result(STANDS_STILL)
    await helper.ask(Operation.UNLOCK, 1)
    helper.calls.hang(Operation.LOCK, 1).set_result(REFUSED)
    assert await lock(helper) == REFUSED
    assert not helper.service.is_idle
    await until(helper, Operation.UNLOCK)


async def test_a_lease_that_is_over_while_its_process_is_stopped_is_kept_up(
    helper: AskedHelper,
) -> None:
    helper.calls.hang(Operation.UNLOCK, 1).set_result(STANDS_STILL)
    await lock(helper)
    async with asyncio.timeout(LONG):
        while not helper.service.is_idle:  # noqa: ASYNC110 - a call tells nobody
            await asyncio.sleep(0.005)
    unlock = Operation.UNLOCK, 1
    assert helper.calls.begun == [(Operation.LOCK, 1), unlock, unlock]


async def test_a_lease_goes_on_where_a_lock_for_good_could_not_be_asked_for(
    helper: AskedHelper,
) -> None:
    await lock(helper)
    helper.calls.hang(Operation.LOCK, 1).set_result(STANDS_STILL)
    assert await lock(helper, None) == STANDS_STILL
    await until(helper, Operation.UNLOCK)


async def test_who_has_gone_has_no_lease(helper: AskedHelper) -> None:
    await lock(helper, LONG)
    gone = DriverAnswer(outcome=Outcome.GONE)
    helper.calls.hang(Operation.UNLOCK, 1).set_result(gone)
    assert await helper.ask(Operation.UNLOCK, 1) == gone
    assert helper.service.is_idle
