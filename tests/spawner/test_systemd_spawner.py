"""Servers as systemd units: over pretended programs, and over systemd where it runs.

`tests/end_to_end` runs this file once more under a real systemd, which it starts for that.
"""

import asyncio
import os
import pwd
import shutil
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import systemdspawner.systemd
from jupyterhub import orm
from sublet_quota.wire.environment import NO_GPU
from sublet_spawner.errors import SubletSpawnerError
from sublet_spawner.systemd import SystemdSliceSpawner
from tornado.web import HTTPError

from tests.spawner.real_hub import until
from tests.spawner.spawners import a_spawner, after_a_restart, stop_trying
from tests.support.ended_processes import has_ended
from tests.support.fake_service import fake_service
from tests.support.pretended_systemd import PretendedSystemd

pytestmark = pytest.mark.asyncio
ACCOUNT = pwd.getpwuid(os.getuid())
UNIT = f"jupyter-test-{os.getpid()}"
IS_REAL = Path("/run/systemd/system").is_dir() and shutil.which("systemd-run") is not None


@pytest.fixture(params=["pretended", "real"] if IS_REAL else ["pretended"])
def systemd(request, tmp_path, monkeypatch):
    """The programs of systemd: what was started is told by the pretended ones alone."""
    systemdspawner.systemd.get_systemd_version.cache_clear()
    if request.param == "real":
        yield None
        return
    programs = PretendedSystemd(tmp_path / "programs")
    monkeypatch.setenv("PATH", f"{programs.folder}:{os.environ['PATH']}")
    monkeypatch.setattr(systemdspawner.systemd, "RUN_ROOT", str(tmp_path))
    yield programs
    systemdspawner.systemd.get_systemd_version.cache_clear()


def shared_memory_of(pid):
    """Return which file system a process sees at ``/dev/shm``."""
    return Path(f"/proc/{pid}/root/dev/shm").stat().st_dev


@asynccontextmanager
async def a_service_and_spawner(folder, **settings):
    async with fake_service(folder) as service:
        spawner = a_spawner(service, folder, SystemdSliceSpawner)
        usual = {"username_template": ACCOUNT.pw_name, "least_uid": 0}
        for name, value in {**usual, **settings}.items():
            setattr(spawner, name, value)
        spawner.unit_name = UNIT
        try:
            yield service, spawner
        finally:
            await systemdspawner.systemd.stop_service(UNIT)
            stop_trying(spawner)
            spawner.db.close()


async def test_a_start_gets_a_slice_and_tells_the_unit_and_its_first_process(systemd, tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.user_options = {"size": "large"}
        await spawner.start()
        ((slice_id, started),) = service.started.items()
        assert started.unit_group == f"/system.slice/{UNIT}.service"
        process = psutil.Process(started.root_pid)
        assert process.environ()["SUBLET_SLICE_ID"] == slice_id
        assert started.root_start_time == process.create_time() - psutil.boot_time()
        (request,) = service.requests
        assert (request.account.uid, request.account.home) == (ACCOUNT.pw_uid, ACCOUNT.pw_dir)
        if systemd is None:
            assert started.unit_group in groups_of(process.pid)
        await spawner.stop()
        assert service.released == [slice_id]
        assert has_ended(process)


async def test_a_unit_counts_as_started_when_its_program_runs(systemd, tmp_path):
    async with a_service_and_spawner(tmp_path) as (_, spawner):
        await spawner.start()
        assert psutil.Process(spawner._started.root_pid).cmdline()[0] == sys.executable
        if systemd is not None:
            ((run,), wanted) = systemd.runs(), {"Type=exec", "NoNewPrivileges=yes"}
            kept = {"LimitCORE=0", "MemorySwapMax=0", "TemporaryFileSystem=/dev/shm:mode=1777"}
            assert wanted | kept <= set(run["properties"])
            assert not any(each.startswith("Delegate") for each in run["properties"])
        else:
            assert shared_memory_of(spawner._started.root_pid) != shared_memory_of(os.getpid())
        await spawner.stop()


@pytest.mark.usefixtures("systemd")
async def test_a_slice_is_given_back_when_its_unit_does_not_start(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.cmd = ["/no/such/program"]
        with pytest.raises(SubletSpawnerError, match=f"journalctl -u {UNIT}"):
            await spawner.start()
        assert await spawner.poll() == 1
        assert service.slices == {}


@pytest.mark.usefixtures("systemd")
async def test_a_slice_is_given_back_when_a_poll_finds_the_unit_ended(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        await spawner.start()
        (slice_id,) = service.slices
        os.kill(spawner._started.root_pid, 9)
        await until(unit_has_ended, 60, "the unit to end")
        assert await spawner.poll() == 1
        assert service.released == [slice_id]


@pytest.mark.usefixtures("systemd")
async def test_a_hub_that_starts_again_finds_the_unit_and_tells_it_again(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        await spawner.start()
        told = dict(service.started)
        service.started.clear()
        again = after_a_restart(spawner)
        assert await again.poll() is None
        assert service.started == told
        assert again.unit_name == UNIT
        await again.stop()
        assert service.slices == {}


@pytest.mark.usefixtures("systemd")
async def test_a_start_that_is_given_up_leaves_neither_unit_nor_slice(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.granting.clear()
        starting = asyncio.create_task(spawner.start())
        await service.asked.wait()
        await asyncio.wait_for(spawner.stop(), 60)
        with pytest.raises(SubletSpawnerError, match="was given up"):
            await starting
        service.granting.set()
        await asyncio.wait_for(service.released_one.wait(), 60)
        assert service.slices == {}
        assert await unit_has_ended()


@pytest.mark.usefixtures("systemd")
async def test_jobs_run_as_the_units_processes_do(tmp_path):
    settings = {"extra_paths": ["/opt/{USERNAME}/bin"], "user_workingdir": "/srv/{USERNAME}"}
    async with a_service_and_spawner(tmp_path, **settings) as (service, spawner):
        account = await spawner.account_template()
        assert account.environment["PATH"].startswith("/opt/ada/bin:")
        assert account.environment["HOME"] == ACCOUNT.pw_dir
        assert account.notebook_dir == "/srv/ada"
        assert service.requests == []


@pytest.mark.usefixtures("systemd")
async def test_an_account_that_is_not_there_is_a_refusal(tmp_path):
    async with a_service_and_spawner(tmp_path, username_template="no-such-account") as (_, spawner):
        refusal = await spawner.account_template()
        assert "no-such-account" in refusal.message


@pytest.mark.usefixtures("systemd")
async def test_accounts_that_do_not_last_are_refused(tmp_path):
    async with a_service_and_spawner(tmp_path, dynamic_users=True) as (service, spawner):
        with pytest.raises(SubletSpawnerError, match="dynamic_users"):
            await spawner.start()
        assert service.slices == {}


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize("size", ["large", NO_GPU])
@pytest.mark.skipif(ACCOUNT.pw_uid != 0, reason="a hub that is not root's has one account alone")
async def test_no_server_runs_as_an_account_of_the_systems(tmp_path, size):
    async with a_service_and_spawner(tmp_path, least_uid=1000) as (service, spawner):
        spawner.user_options = {"size": size}
        with pytest.raises(HTTPError) as refused:
            await spawner.start()
        assert refused.value.status_code == 403
        assert "has uid 0, and those below 1000 are the system's" in refused.value.log_message
        assert (service.slices, spawner.unit) == ({}, None)


@pytest.mark.usefixtures("systemd")
async def test_named_servers_have_units_of_their_own(tmp_path):
    async with fake_service(tmp_path) as service:
        spawner = a_spawner(service, tmp_path, SystemdSliceSpawner)
        user, servers = spawner.user, ["", "x", "x/y", "x_y"]
        spawner.db.add_all(orm.Spawner(name=name, user=user.orm_user) for name in servers[1:])
        spawner.db.commit()
        names = {user._new_spawner(name).unit_name for name in servers}
        assert len(names) == 4
        assert "jupyter-ada-singleuser" in names
        assert all("/" not in name for name in names)
        spawner.db.close()


def groups_of(pid):
    return Path(f"/proc/{pid}/cgroup").read_text()


async def unit_has_ended():
    return not await systemdspawner.systemd.service_running(UNIT)
