"""The spawner over a fake service, without a hub: what a start, a poll and a stop do."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import psutil
import pytest
from jupyterhub.spawner import SimpleLocalProcessSpawner
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.api import Problem
from sublet_spawner.errors import SubletSpawnerError
from tornado.web import HTTPError

from tests.spawner.real_hub import until
from tests.spawner.spawners import a_spawner, after_a_restart
from tests.support.fake_service import fake_service

pytestmark = pytest.mark.asyncio

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
WORDS = "40 GiB <b>asked</b>, 10 GiB left: pick a smaller size"


@asynccontextmanager
async def a_service_and_spawner(folder, **settings):
    async with fake_service(folder) as service:
        spawner = a_spawner(service, folder, **settings)
        try:
            yield service, spawner
        finally:
            if spawner.proc is not None:
                spawner.proc.kill()
                spawner.proc.wait(10)
            if spawner._releases._later is not None:
                spawner._releases._later.cancel()
            spawner.db.close()


async def refusal_of(spawner) -> HTTPError:
    with pytest.raises(HTTPError) as raised:
        await spawner.start()
    return raised.value


def said(error: HTTPError) -> tuple[int, str]:
    return error.status_code, error.jupyterhub_message


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
        assert psutil.Process(spawner.pid).environ()["SUBLET_SLICE_ID"] == slice_id
        await spawner.stop()
        assert service.released == [slice_id]


async def test_no_choice_is_the_services_default_size(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        await spawner.start()
        assert service.requests[0].size is None
        assert [lease.size for lease in service.slices.values()] == ["small"]


async def test_amounts_reach_the_service_as_they_are(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.user_options = {"memory_mib": 2048, "compute_milli": 100, "gpu_type": "H100"}
        await spawner.start()
        (request,) = service.requests
        assert (request.size, request.memory_mib, request.compute_milli) == (None, 2048, 100)
        assert request.gpu_type == "H100"


@pytest.mark.parametrize(
    ("options", "status", "part"),
    [
        ({"size": 5}, 400, "size is 5"),
        ({"size": ""}, 400, "size is ''"),
        ({"size": ["large"]}, 400, "size is ['large']"),
        ({"size": "x" * 300}, 400, "1 to 255"),
        ({"size": "a\nb"}, 400, "size is 'a\\nb'"),
        ({"size": {"$ne": None}}, 400, "size is {"),
        ({"sudo": True}, 400, "'sudo'"),
        ({"owner": "bob"}, 400, "'owner'"),
        ({"account": {"uid": 0}}, 400, "'account'"),
        ({"memory_mib": "1"}, 400, "memory_mib is '1'"),
        ({"memory_mib": 1.5}, 400, "memory_mib is 1.5"),
        ({"memory_mib": 10**400}, 400, "at most 12 digits"),
        ({"memory_mib": True}, 400, "memory_mib is True"),
        ({"memory_mib": 1, "compute_milli": []}, 400, "compute_milli is []"),
        ({"size": "none"}, 403, "without a GPU are not offered"),
    ],
)
async def test_options_that_are_no_choice_are_refused_before_anything_is_asked(
    tmp_path, options, status, part
):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.user_options = options
        error = await refusal_of(spawner)
        assert error.status_code == status
        assert part in error.jupyterhub_message
        assert service.calls == []
        assert spawner.pid == 0


async def test_an_amount_that_cannot_be_meant_is_refused_in_the_services_words(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.user_options = {"memory_mib": -5, "compute_milli": 100}
        assert said(await refusal_of(spawner)) == (403, "memory is -5: ask for 1 MiB or more.")
        assert service.slices == {}


async def test_a_refusal_is_said_in_the_services_words_and_escaped_for_pages(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.problem = Problem(reason="no-room", message=WORDS)
        error = await refusal_of(spawner)
        assert said(error) == (403, WORDS)
        assert "<b>" not in error.jupyterhub_html_message
        assert "&lt;b&gt;asked" in error.jupyterhub_html_message
        assert getattr(error, "message_html", error.jupyterhub_html_message).count("<") == 0
        assert getattr(error, "reason", None) in {"no-room", None}
        assert spawner.pid == 0
        assert await spawner.poll() == 0
        assert service.released == []


@pytest.mark.parametrize("status", [403, 409])
async def test_a_refused_choice_does_not_become_the_next_default(tmp_path, status):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.problem = Problem(reason="no-room", message=WORDS)
        service.problem_status = status
        spawner.user_options = spawner.orm_spawner.user_options = {"size": "large"}
        assert said(await refusal_of(spawner)) == (403, WORDS)
        assert spawner.orm_spawner.user_options == {}


async def test_a_server_without_gpu_starts_without_asking_where_it_is_allowed(tmp_path):
    async with a_service_and_spawner(tmp_path, allow_no_gpu=True) as (service, spawner):
        spawner.user_options = {"size": "none"}
        await spawner.start()
        environment = psutil.Process(spawner.pid).environ()
        assert environment["CUDA_VISIBLE_DEVICES"] == ""
        assert "SUBLET_SLICE_ID" not in environment
        await spawner.stop()
        assert service.calls == []


async def test_keys_of_other_parts_of_the_configuration_pass(tmp_path):
    settings = {"other_user_options": {"image"}}
    async with a_service_and_spawner(tmp_path, **settings) as (service, spawner):
        spawner.user_options = {"size": "small", "image": "any"}
        await spawner.start()
        assert len(service.slices) == 1


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
        spawner.proc.wait(10)
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
        spawner._releases._later.cancel()
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
        waiting = asyncio.create_task(asyncio.to_thread(spawner.proc.wait, 20))
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
        state["sublet"]["root_start_time"] -= 3600
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

        process = psutil.Process(await until(pid_of_left, 10, "the process that is left behind"))
        os.kill(spawner.pid, signal.SIGKILL)
        spawner.proc.wait(10)
        await spawner.poll()
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
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


async def test_a_refusal_is_a_refusal_also_where_the_service_is_not_required(tmp_path):
    async with a_service_and_spawner(tmp_path, service_required=False) as (service, spawner):
        service.problem = Problem(reason="no-room", message=WORDS)
        assert said(await refusal_of(spawner)) == (403, WORDS)


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
            "The slice waits: others have their turn, place 2, 10 GiB needed and 512 MiB free",
            "The slice is ready on node-1",
        ]


async def test_the_form_reads_as_the_rest_api_does(tmp_path):
    async with a_service_and_spawner(tmp_path) as (_service, spawner):
        assert spawner.run_options_from_form({"size": ["large"], "_xsrf": ["x"]}) == {
            "size": "large"
        }
        assert spawner.run_options_from_form({"memory_mib": ["-3"]}) == {"memory_mib": -3}
        for form in (
            {"size": ["a", "b"]},
            {"memory_mib": ["x"]},
            {"a": [""]},
        ):
            with pytest.raises(HTTPError):
                spawner.run_options_from_form(form)


async def test_the_hubs_own_hook_refuses_the_same_options(tmp_path):
    async with a_service_and_spawner(tmp_path) as (_service, spawner):
        with pytest.raises(HTTPError) as raised:
            await spawner._run_apply_user_options({"size": 5})
        assert raised.value.status_code == 400


async def test_the_form_says_when_the_service_is_away(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.away = True
        with pytest.raises(HTTPError) as raised:
            await spawner.get_options_form()
        assert raised.value.status_code == 503
        spawner.allow_no_gpu = True
        form = await spawner.get_options_form()
        assert "would start without a GPU" in form
        assert 'value="none"' in form


async def test_the_admins_own_form_follows_the_sizes(tmp_path):
    async with a_service_and_spawner(tmp_path) as (_service, spawner):
        spawner.options_form = '<input name="image">'
        assert (await spawner.get_options_form()).endswith('<input name="image">')
