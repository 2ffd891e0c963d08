"""Spawner objects of a real JupyterHub user, over a database in memory and without a hub."""

import sys
from contextlib import asynccontextmanager
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.objects import Hub
from jupyterhub.user import User
from sublet_spawner.local import SimpleSliceSpawner
from tornado.web import HTTPError
from traitlets.config import Config

from tests.support.fake_service import FakeService, fake_service

WORDS = "40 GiB <b>asked</b>, 10 GiB left: pick a smaller size"
LONG_LIVED = [sys.executable, "-c", "import time; time.sleep(600)"]


def a_spawner(service: FakeService, folder, spawner_class=SimpleSliceSpawner, **settings: Any):
    """The spawner of ada, of group ``research``; ``settings`` go to its traits."""
    config = Config()
    config.SliceSpawnerMixin = Config(
        {
            "service_url": "http://127.0.0.1:8000/services/sublet/",
            "service_api_url": service.url,
            "service_token_file": str(service.token_file),
            "service_retry_waits_s": [0.0, 0.0],
            **settings,
        }
    )
    config.Spawner.cmd = LONG_LIVED
    config.LocalProcessSpawner.interrupt_timeout = 1
    config.SimpleLocalProcessSpawner.home_dir_template = f"{folder}/{{username}}"
    session = orm.new_session_factory("sqlite:///:memory:")()
    entry = orm.User(name="ada", groups=[orm.Group(name="research")])
    session.add(entry)
    session.commit()
    user = User(entry, {"spawner_class": spawner_class, "config": config, "hub": Hub()}, db=session)
    return user.spawner


def after_a_restart(spawner):
    """The spawner as a hub that starts again makes it, from what is in the database."""
    spawner.orm_spawner.state = spawner.get_state()
    spawner.db.commit()
    user = spawner.user
    user.spawners.pop("")
    return user.spawner


@asynccontextmanager
async def a_service_and_spawner(folder, **settings):
    async with fake_service(folder) as service:
        spawner = a_spawner(service, folder, **settings)
        try:
            yield service, spawner
        finally:
            if spawner.proc is not None:
                spawner.proc.kill()
                spawner.proc.wait(60)
            stop_trying(spawner)
            spawner.db.close()


def server_of_same_user(spawner, name: str):
    """Another server of the same user, with a name."""
    spawner.db.add(orm.Spawner(name=name, user=spawner.user.orm_user))
    spawner.db.commit()
    return spawner.user.spawners[name]


def stop_trying(spawner) -> None:
    """End what is tried again in the background."""
    spawner._releases.trying.end()
    spawner._line.trying.end()


async def refusal_of(spawner) -> HTTPError:
    with pytest.raises(HTTPError) as raised:
        await spawner.start()
    return raised.value


def said(error: HTTPError) -> tuple[int, str]:
    return error.status_code, error.jupyterhub_message
