"""The spawner over a fake service, without a hub: what a start, a poll and a stop do."""

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime

import psutil
import pytest
from jupyterhub.spawner import SimpleLocalProcessSpawner
from sublet_quota.reasons.cap_keepers import DRIVER_IF_ABLE
from sublet_quota.reasons.ranks import RankCode
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.rank import tell_rank
from sublet_spawner.errors import SubletSpawnerError

from tests.spawner.real_hub import until
from tests.spawner.spawners import (
    a_service_and_spawner,
    after_a_restart,
    refusal_of,
    said,
)
from tests.support.ended_processes import has_ended
from tests.support.ports import free_port, is_kept_for_its_server, ports_of_this_process

pytestmark = pytest.mark.asyncio
BORROWED = tell_rank(RankCode.BORROWED, "science", "H100")
GRANTED = (
    "Slice granted (size small): 10 GiB and 0.25 GPU of GPU 0 on node-1, "
    "Simulated H100 80GB with 80 GiB (simulated)"
)
LEAVES_A_PROCESS = """
import subprocess, sys, time
sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
process = subprocess.Popen(sleeping, start_new_session=True)
open("left", "w").write(str(process.pid))
time.sleep(600)
"""


async def test_a_start_gets_a_slice_and_tells_the_first_process(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.user_options = {"size": "large"}
        await spawner.start()
        ((slice_id, started),) = service.started.items()
        assert started.root_pid == spawner.pid
        began = psutil.Process(spawner.pid).create_time() - psutil.boot_time()
        assert started.root_start_time == began
        (request,) = service.requests
        assert (request.owner, request.groups, request.size) == ("ada", ("research",), "large")
        assert (request.account.uid, request.account.gid) == (os.getuid(), os.getgid())
        # On one machine no engine keeps anything, and the card tells what does.
        assert (request.cap_kept_by, request.compute_kept_by) == ((), None)
        assert not request.account.driver_memory_limit
        assert psutil.Process(spawner.pid).environ()["SUBLET_SLICE_ID"] == slice_id
        await spawner.stop()
        assert service.released == [slice_id]


async def test_where_the_driver_is_to_keep_the_cap_programs_are_told_no_fraction_of_the_card(
    tmp_path,
):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.driver_memory_limit = True
        await spawner.start()
        (request,) = service.requests
        assert request.cap_kept_by == ("watch", DRIVER_IF_ABLE)
        assert request.account.driver_memory_limit, "jobs have it, too"
        environment = psutil.Process(spawner.pid).environ()
        assert environment["SUBLET_MEMORY_MIB"]
        assert not {"PYTORCH_ALLOC_CONF", "XLA_CLIENT_MEM_FRACTION"} & environment.keys()
        await spawner.stop()


async def test_a_start_given_up_while_the_service_decides_leaves_no_slice_behind(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.granting.clear()
        starting = asyncio.create_task(spawner.start())
        await service.asked.wait()
        assert await spawner.poll() is None
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert await spawner.poll() == 0
        service.granting.set()
        await asyncio.wait_for(service.released_one.wait(), 60)
        assert service.slices == {}


@pytest.mark.parametrize("now", [False, True])
async def test_a_stop_ends_a_start_that_waits_and_no_process_of_the_hub_is_told(
    tmp_path, monkeypatch, now
):
    told = []
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.granting.clear()
        starting = asyncio.create_task(spawner.start())
        await service.asked.wait()
        monkeypatch.setattr(os, "kill", lambda pid, number: told.append((pid, number)))
        await asyncio.wait_for(spawner.stop(now), 60)
        with pytest.raises(SubletSpawnerError, match="was given up"):
            await starting
        assert told == []
        assert await spawner.poll() == 0
        service.granting.set()
        await asyncio.wait_for(service.released_one.wait(), 60)
        assert service.slices == {}
        assert spawner.proc is None


async def test_who_looks_on_from_the_first_moment_sees_what_a_start_says(tmp_path):
    async with a_service_and_spawner(tmp_path) as (_service, spawner):
        starting = asyncio.create_task(spawner.start())
        await asyncio.sleep(0)
        progress = spawner.progress()
        async with asyncio.timeout(60):
            async for event in progress:
                if event.get("message") == GRANTED:
                    break
            else:
                pytest.fail("it was not told of its slice")
        await progress.aclose()
        await starting
        await spawner.stop()


async def test_a_spawner_that_stops_its_own_start_tells_what_went_wrong(tmp_path, monkeypatch):
    """As KubeSpawner does where a hook of the admin fails, from a task of its own."""
    stopped = []

    async def fails(spawner):
        async def work():
            await spawner.stop(now=True)
            message = "the hook failed"
            raise RuntimeError(message)

        await asyncio.create_task(work())

    async def stops(_spawner, *_now):
        stopped.append(True)

    async with a_service_and_spawner(tmp_path) as (service, spawner):
        monkeypatch.setattr(SimpleLocalProcessSpawner, "start", fails)
        monkeypatch.setattr(SimpleLocalProcessSpawner, "stop", stops)
        with pytest.raises(RuntimeError, match="the hook failed"):
            await asyncio.wait_for(spawner.start(), 60)
        assert stopped == [True]
        assert service.slices == {}


async def test_a_server_without_a_pid_is_sent_no_signal(tmp_path, monkeypatch):
    told = []
    async with a_service_and_spawner(tmp_path) as (_service, spawner):
        monkeypatch.setattr(os, "kill", lambda pid, number: told.append((pid, number)))
        assert await spawner._signal(0) is False
        assert told == []


async def test_the_port_of_a_server_is_kept_for_it_until_the_server_has_ended(tmp_path):
    async with a_service_and_spawner(tmp_path) as (_, spawner):
        _, port = await spawner.start()
        assert is_kept_for_its_server(port)
        assert port in ports_of_this_process()
        await spawner.stop()
        spawner.clear_state()
        # Free for anybody: another process may have been given it already.
        assert port not in ports_of_this_process()
        assert spawner.port == 0


async def test_a_port_that_an_admin_chose_is_left_as_it_is(tmp_path):
    async with a_service_and_spawner(tmp_path) as (_, spawner):
        chosen = free_port()
        spawner.port = chosen
        assert (await spawner.start())[1] == chosen
        await spawner.stop()
        spawner.clear_state()
        assert spawner.port == chosen


async def test_a_slice_is_given_back_when_its_server_cannot_be_started(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.cmd = ["/no/such/program"]
        with pytest.raises(FileNotFoundError):
            await spawner.start()
        assert len(service.slices) == 1
        assert await spawner.poll() == 0
        assert service.slices == {}


async def test_a_slice_is_given_back_once_when_a_poll_finds_the_server_dead(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        await spawner.start()
        (slice_id,) = service.slices
        os.kill(spawner.pid, signal.SIGKILL)
        spawner.proc.wait(60)
        assert await spawner.poll() is not None
        assert await spawner.poll() is not None
        assert service.released == [slice_id]
        assert "sublet" not in spawner.get_state()


async def test_a_slice_is_given_back_later_when_the_service_is_away(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        await spawner.start()
        (slice_id,) = service.slices
        service.away = True
        await spawner.stop()
        assert service.released == []
        assert spawner.get_state()["sublet"] == {"to_release": [slice_id]}
        service.away = False
        await asyncio.wait_for(service.released_one.wait(), 60)
        assert service.released == [slice_id]


async def test_a_restarted_hub_gives_back_what_waited(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        await spawner.start()
        (slice_id,) = service.slices
        service.away = True
        await spawner.stop()
        spawner._releases.trying.end()
        service.away = False
        again = after_a_restart(spawner)
        await again.poll()
        assert service.released == [slice_id]


async def test_a_slice_survives_a_restart_of_the_hub(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        await spawner.start()
        (slice_id,) = service.slices
        assert json.loads(json.dumps(spawner.get_state())) == spawner.get_state()
        service.started.clear()
        again = after_a_restart(spawner)
        assert await again.poll() is None
        assert service.started[slice_id].root_pid == spawner.pid
        service.calls.clear()
        assert await again.poll() is None
        assert service.calls == []
        # The child is this process's: it must be waited for, as the first hub cannot.
        waiting = asyncio.create_task(asyncio.to_thread(spawner.proc.wait, 60))
        await again.stop()
        await waiting
        assert service.released == [slice_id]


async def test_the_slice_is_in_the_database_before_the_server_is_started(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.cmd = ["/no/such/program"]
        with pytest.raises(FileNotFoundError):
            await spawner.start()
        spawner.db.expire_all()
        (slice_id,) = service.slices
        assert spawner.orm_spawner.state["sublet"]["slice_id"] == slice_id


async def test_a_pid_that_became_another_process_is_left_alone(tmp_path):
    settings = {"end_left_processes": False}
    async with a_service_and_spawner(tmp_path, **settings) as (service, spawner):
        await spawner.start()
        (slice_id,) = service.slices
        state = spawner.get_state()
        state["sublet"]["root_start_time"] /= 2
        again = after_a_restart(spawner)
        again.load_state(state)
        assert await again.poll() == 0
        assert service.released == [slice_id]
        assert spawner.proc.poll() is None


async def test_processes_that_outlive_the_server_end_before_the_slice_is_given_back(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.cmd = [sys.executable, "-c", LEAVES_A_PROCESS]
        await spawner.start()
        left = tmp_path / "ada" / "left"

        async def pid_of_left() -> int:
            return left.exists() and int(left.read_text() or 0)

        process = psutil.Process(await until(pid_of_left, 60, "the process that is left behind"))
        os.kill(spawner.pid, signal.SIGKILL)
        spawner.proc.wait(60)
        await spawner.poll()
        assert has_ended(process)
        assert len(service.released) == 1


@pytest.mark.parametrize("failure", [500, 502, 503])
async def test_a_service_that_is_away_is_said_clearly(tmp_path, failure):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.failures = [failure] * 10
        status, words = said(await refusal_of(spawner))
        assert status == 503
        assert "Try again in a minute" in words
        assert service.token not in words


async def test_a_server_starts_without_gpu_while_the_service_is_away_where_that_is_wanted(tmp_path):
    async with a_service_and_spawner(tmp_path, service_required=False) as (service, spawner):
        service.away = True
        await spawner.start()
        assert psutil.Process(spawner.pid).environ()["SUBLET_NO_GPU_REASON"]
        events = [event["message"] for event in spawner._start_log._events]
        assert events[-1].endswith("starting without a GPU")


async def test_a_first_process_that_could_not_be_told_is_told_at_a_later_poll(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.user_options = {"size": "small"}
        service.granting.clear()
        starting = asyncio.create_task(spawner.start())
        await service.asked.wait()
        service.failures = [503] * 3
        service.granting.set()
        await starting
        assert service.started == {}
        assert await spawner.poll() is None
        assert len(service.started) == 1


async def test_progress_tells_of_the_slice_and_of_what_it_waits_for(tmp_path):
    settings = {"wait_report_interval_s": 0.2}
    async with a_service_and_spawner(tmp_path, **settings) as (service, spawner):
        await spawner.start()
        (slice_id,) = service.slices
        report = {
            "slice_id": slice_id,
            "state": "suspended",
            "active": True,
            "since": datetime.now(UTC),
            "gate_open": False,
            "memory_mib": 0,
        }
        wait = {"reason": "turn", "place": 2, "need_mib": 10240, "free_mib": 512}
        service.reports[slice_id] = SliceReport(**report, wait=wait)
        service.ranks[slice_id] = BORROWED
        messages, reached = [], []
        progress = spawner.progress()
        async for event in progress:
            messages.append(event["message"])
            reached.append(event["progress"])
            assert "html_message" not in event
            if "waits" in event["message"]:
                service.reports[slice_id] = SliceReport(**report)
            if "ready" in event["message"]:
                break
        await progress.aclose()
        assert reached == sorted(reached)
        assert reached[-1] > 0
        assert "Spawning server..." in messages
        assert [message for message in messages if message != "Spawning server..."] == [
            "Asking for a GPU slice: the default size",
            GRANTED,
            BORROWED.meaning,
            "The slice waits: others have their turn, place 2, 10 GiB needed and 512 MiB free",
            "The slice is ready on node-1",
        ]
