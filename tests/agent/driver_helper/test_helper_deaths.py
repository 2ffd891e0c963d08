"""What is under way goes on when the helper, a worker or who asked dies; nobody's is begun."""

import os
import signal

import psutil
import pytest
from sublet_agent.devices.interface import (
    ProcessState,
)
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_agent.driver_helper.__main__ import CALLS_AT_ONCE
from sublet_agent.driver_helper.client import DriverHelper
from sublet_agent.driver_helper.messages import Operation, Outcome

from tests.support.driver_helper_calls import (
    AT_ONCE,
    CHECKPOINTED,
    RESTORE,
    STATE,
    assert_back_whole,
    connections,
    hang,
    helper_process,
    holding,
    request,
    restore_under_way,
    start_asker,
    stop,
    take_away,
    workers_of,
)
from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn


def test_a_restore_goes_on_when_who_asked_for_it_is_killed(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    with restore_under_way(stand_in, device, tenant) as asker:
        asker.kill()
    answer = helper.ask(request(Operation.STATE, tenant.pid, AT_ONCE))
    assert "restore of process" in answer.detail
    stand_in.release()
    assert_back_whole(device, tenant)


def test_a_restore_goes_on_when_the_helper_is_killed_and_the_next_one_knows(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    with restore_under_way(stand_in, device, tenant) as asker:
        first = helper_process(stand_in)
        first.kill()
        assert asker.communicate()[0].strip() == "no answer"
    answer = helper.ask(request(Operation.STATE, tenant.pid, AT_ONCE))
    assert "restore of process" in answer.detail
    assert helper_process(stand_in).pid != first.pid
    stand_in.release()
    assert_back_whole(device, tenant)
    assert len(stand_in.calls(RESTORE)) == 1


def test_a_helper_that_is_told_to_stop_breaks_no_call_off(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    with restore_under_way(stand_in, device, tenant) as asker:
        helper.stop()
        assert asker.communicate()[0].strip() == "no answer"
    stand_in.release()
    assert_back_whole(device, tenant)


def test_a_worker_that_is_killed_in_a_call_is_told_and_the_driver_is_asked(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    with restore_under_way(stand_in, device, tenant) as asker:
        (call,) = stand_in.calls(RESTORE)
        os.kill(call["pid"], signal.SIGKILL)
        assert asker.communicate()[0].strip() == "worker died"
    stand_in.release()
    assert device.state(tenant.pid) is ProcessState.SUSPENDED
    assert helper.ask(request(Operation.RESTORE, tenant.pid)).outcome is Outcome.DONE


def test_a_helper_that_is_stopped_is_waited_for_no_longer_than_was_said(
    stand_in: NvidiaStandIn, helper: DriverHelper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sublet_agent.driver_helper.client._BEYOND_S", 0.1)
    tenant = holding(stand_in)
    assert helper.ask(request(Operation.STATE, tenant.pid)).outcome is Outcome.DONE
    stopped = helper_process(stand_in)
    stop(stand_in, stopped)
    try:
        answer = helper.ask(request(Operation.STATE, tenant.pid, AT_ONCE))
    finally:
        stopped.resume()
    assert answer.outcome is Outcome.NO_ANSWER
    assert helper.ask(request(Operation.STATE, tenant.pid)).outcome is Outcome.DONE


def test_a_restore_that_nobody_waits_for_any_more_is_not_begun(
    stand_in: NvidiaStandIn,
    device: NvidiaDevice,
    helper: DriverHelper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sublet_agent.driver_helper.client._BEYOND_S", 0.1)
    tenant = holding(stand_in, 40)
    take_away(device, tenant)
    assert helper.ask(request(Operation.STATE, tenant.pid)).state == CHECKPOINTED
    stand_in.forget_calls()
    stopped = helper_process(stand_in)
    stop(stand_in, stopped)
    try:
        answer = helper.ask(request(Operation.RESTORE, tenant.pid, AT_ONCE))
        assert answer.outcome is Outcome.NO_ANSWER
        thief = holding(stand_in, 60)
    finally:
        stopped.resume()
    # Of the same process, so it is behind the other in turn.
    assert helper.ask(request(Operation.STATE, tenant.pid)).state == CHECKPOINTED
    assert stand_in.calls(RESTORE) == []
    thief.kill()
    assert helper.ask(request(Operation.RESTORE, tenant.pid)).outcome is Outcome.DONE


def test_a_restore_that_waits_for_its_turn_ends_with_who_asked_for_it(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in, 40)
    take_away(device, tenant)
    stand_in.hold(STATE, pid=tenant.pid)
    stand_in.forget_calls()
    with start_asker(stand_in, request(Operation.STATE, tenant.pid)) as looking:
        stand_in.until(lambda: stand_in.calls(STATE))
        with start_asker(stand_in, request(Operation.RESTORE, tenant.pid)) as asking:
            # What it sleeps for is the answer: it has asked.
            stand_in.until(lambda: psutil.Process(asking.pid).status() == psutil.STATUS_SLEEPING)
            connected = connections(stand_in)
            asking.kill()
        stand_in.until(lambda: connections(stand_in) < connected)
        stand_in.release()
        assert looking.communicate()[0].strip() == "done"
    assert helper.ask(request(Operation.STATE, tenant.pid)).state == CHECKPOINTED
    assert stand_in.calls(RESTORE) == []


def test_a_call_whose_worker_starts_too_late_is_not_made(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    tenant = holding(stand_in)
    take_away(device, tenant)
    hanging = 0
    # There may be more of them than calls at once: one that began too late for its call is kept.
    while hanging < max(CALLS_AT_ONCE, workers_of(stand_in)):
        silent = holding(stand_in)
        hang(stand_in, helper, STATE, request(Operation.STATE, silent.pid, AT_ONCE))
        hanging += 1
    stand_in.hold("cuInit")
    stand_in.forget_calls()
    answer = helper.ask(request(Operation.RESTORE, tenant.pid, 1.0))
    assert answer.outcome is Outcome.NO_ANSWER
    stand_in.release()
    assert helper.ask(request(Operation.STATE, tenant.pid)).state == CHECKPOINTED
    assert stand_in.calls(RESTORE) == []
