"""The spawner of The Littlest JupyterHub with slices, over a stand-in for its package."""

import os
import pwd
import sys
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

import psutil
import pytest
import systemdspawner.systemd

from tests.spawner.spawners import a_spawner, stop_trying
from tests.support.fake_service import fake_service
from tests.support.pretended_systemd import PretendedSystemd

pytestmark = pytest.mark.asyncio
TLJH = Path(__file__).parents[1] / "support/pretended_tljh"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Systemd's programs, and the accounts: whoever is asked for is who runs the tests."""
    systemdspawner.systemd.get_systemd_version.cache_clear()
    made = PretendedSystemd(tmp_path / "programs")
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    monkeypatch.setattr(systemdspawner.systemd, "RUN_ROOT", str(tmp_path))
    monkeypatch.syspath_prepend(str(TLJH))
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == "tljh"]:
        del sys.modules[name]
    sys.modules.pop("sublet_spawner.tljh", None)
    systemdspawner.systemd.get_systemd_version.cache_clear()


@pytest.fixture
def accounts(monkeypatch):
    """The accounts are there as soon as The Littlest JupyterHub has made them."""
    own, asked = pwd.getpwuid(os.getuid()), []

    def account(name):
        asked.append(name)
        if name not in import_module("tljh.user").made:
            raise KeyError(name)
        return own

    monkeypatch.setattr(pwd, "getpwnam", account)
    return asked


@asynccontextmanager
async def a_service_and_spawner(folder, user="ada"):
    spawner_class = import_module("sublet_spawner.tljh").TljhSliceSpawner
    async with fake_service(folder) as service:
        spawner = a_spawner(service, folder, spawner_class)
        spawner.user.orm_user.name = user
        spawner.unit_name, spawner.least_uid = f"jupyter-{user}", 0
        try:
            yield service, spawner
        finally:
            await systemdspawner.systemd.stop_service(spawner.unit_name)
            stop_trying(spawner)
            spawner.db.close()


async def test_the_account_is_made_before_a_slice_is_asked_for(programs, accounts, tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        await spawner.start()
        assert accounts[0] == "jupyter-ada"
        (request,) = service.requests
        assert (request.owner, request.account.uid) == ("ada", os.getuid())
        ((slice_id, started),) = service.started.items()
        assert started.unit_group == "/system.slice/jupyter-ada.service"
        assert psutil.Process(started.root_pid).environ()["SUBLET_SLICE_ID"] == slice_id
        assert "NoNewPrivileges=yes" in programs.runs()[0]["properties"]
        await spawner.stop()
        assert service.released == [slice_id]


@pytest.mark.usefixtures("programs")
async def test_a_long_name_has_the_account_that_its_hub_gives_it(accounts, tmp_path):
    long = "a-very-long-name-of-somebody"
    async with a_service_and_spawner(tmp_path, long) as (_, spawner):
        await spawner.account_template()
        assert accounts[0].startswith("jupyter-a-very-long-name-o-")
        assert len(accounts[0]) == 32
