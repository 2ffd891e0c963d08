"""A helper starts once, where it is allowed, and says what keeps it from that."""

import asyncio
import fcntl
import os
from pathlib import Path

import pytest
from sublet_agent.devices.interface import (
    NoAnswerError,
    ProcessState,
)
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_agent.driver_helper.client import CLAIM_NAME, DriverHelper, NoHelperError
from sublet_agent.driver_helper.messages import DriverAnswer, Outcome
from sublet_agent.driver_helper.workers import WorkerDidNotStartError, WorkerProcess, Workers

from tests.support.driver_helper_calls import (
    AT_ONCE,
    LONG,
    UNLOCK,
    a_new_helper,
    holding,
)
from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn


class BegunError(Exception):
    """A helper would be started now."""


def test_a_restore_works_without_persistence_mode(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    del helper
    stand_in.card(0, persistence=False)
    tenant = holding(stand_in)
    device.pause(tenant.pid, 1000)
    device.suspend(tenant.pid)
    device.resume(tenant.pid)
    device.unpause(tenant.pid)
    assert tenant.run("b.sha256() == h") == "True"


def test_a_driver_that_does_not_start_is_told_and_not_waited_for_without_end(
    stand_in: NvidiaStandIn,
    helper: DriverHelper,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del helper
    monkeypatch.setattr("sublet_agent.driver_helper.workers._START_WITHIN_S", 0.5)
    stand_in.hold("cuInit")
    with pytest.raises(WorkerDidNotStartError, match="the driver does not start"):
        asyncio.run(Workers(tmp_path, 1).make_ready(1))


def test_no_more_workers_are_made_ready_than_calls_may_be_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Path] = []

    async def start(folder: Path) -> tuple[object, DriverAnswer]:
        started.append(folder)
        return object(), DriverAnswer(outcome=Outcome.DONE)

    async def made_ready() -> None:
        workers = Workers(tmp_path, 3)
        await workers.make_ready(2)
        for _ in range(2):
            await workers.make_others_ready()

    monkeypatch.setattr(WorkerProcess, "start", start)
    asyncio.run(made_ready())
    assert len(started) == 3


def test_while_a_helper_starts_no_other_is_started(
    stand_in: NvidiaStandIn, helper: DriverHelper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del stand_in, helper
    monkeypatch.setattr("sublet_agent.driver_helper.client._START_WITHIN_S", 0.3)

    def begin(folder: Path) -> None:
        raise BegunError(folder)

    monkeypatch.setattr("sublet_agent.driver_helper.client.start_helper", begin)
    with (tmp_path / CLAIM_NAME).open("w") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX)
        with pytest.raises(NoHelperError, match="no driver helper answers"):
            DriverHelper(tmp_path).first_word()
    monkeypatch.setattr("sublet_agent.driver_helper.client._START_WITHIN_S", LONG)
    with pytest.raises(BegunError):
        DriverHelper(tmp_path).first_word()


def test_a_driver_without_the_checkpoint_api_is_refused_with_its_version(
    stand_in: NvidiaStandIn, helper: DriverHelper, tmp_path: Path
) -> None:
    del helper
    stand_in.versions("550.54", 12040)
    with a_new_helper(tmp_path) as fresh, pytest.raises(NoHelperError, match=r"speaks CUDA 12\.4"):
        fresh.first_word()


def test_a_driver_that_does_not_tell_its_version_is_refused_with_what_it_said(
    stand_in: NvidiaStandIn, helper: DriverHelper, tmp_path: Path
) -> None:
    del helper
    stand_in.answer("cuDriverGetVersion", 34)
    with a_new_helper(tmp_path) as fresh, pytest.raises(NoHelperError, match="STUB_LIBRARY"):
        fresh.first_word()


def test_a_module_that_is_missing_is_named_with_what_brings_it(
    stand_in: NvidiaStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del stand_in
    shadow = tmp_path / "shadow" / "cuda"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(shadow.parent))
    with a_new_helper(tmp_path / "helper") as fresh:
        wanted = r"module cuda\.bindings .*`sublet\[nvidia\]`.*cuda-bindings"
        with pytest.raises(NoHelperError, match=wanted):
            fresh.first_word()


def test_bindings_that_could_suspend_and_not_bring_back_are_refused(
    stand_in: NvidiaStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del stand_in
    # As 13.0.0 and 13.0.1 are.
    shadow = tmp_path / "shadow" / "cuda" / "bindings"
    shadow.mkdir(parents=True)
    for folder in (shadow.parent, shadow):
        (folder / "__init__.py").touch()
    names = (
        "cuCheckpointProcessGetState",
        "cuCheckpointProcessLock",
        "cuCheckpointProcessCheckpoint",
    )
    (shadow / "driver.py").write_text("".join(f"{name} = print\n" for name in names))
    monkeypatch.setenv("PYTHONPATH", str(shadow.parents[1]))
    with a_new_helper(tmp_path / "helper") as fresh:
        wanted = r"cuda-bindings here has no cuCheckpointProcessRestore: .*`sublet\[nvidia\]`"
        with pytest.raises(NoHelperError, match=wanted):
            fresh.first_word()


def test_nobody_but_the_agents_account_and_root_may_ask(
    stand_in: NvidiaStandIn, helper: DriverHelper
) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to be somebody else")
    helper.first_word()
    folder = stand_in.folder / "driver-helper"
    for each in (folder, *folder.iterdir()):
        assert each.stat().st_mode & 0o077 == 0, each


def test_a_call_that_nobody_can_make_is_an_error_of_the_device(
    stand_in: NvidiaStandIn, device: NvidiaDevice, helper: DriverHelper
) -> None:
    del helper
    tenant = holding(stand_in)
    stand_in.hold(UNLOCK, pid=tenant.pid)
    device.pause(tenant.pid, 1000)

    def stands() -> bool:
        # As in ``hang``.
        with pytest.raises(NoAnswerError) as told:
            device.unpause(tenant.pid)
        return "unlock of process" in str(told.value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sublet_agent.devices.nvidia_checkpoint._SHORT_WITHIN_S", AT_ONCE)
        stand_in.until(stands, LONG)
    stand_in.release()
    assert device.state(tenant.pid) is ProcessState.RUNNING
