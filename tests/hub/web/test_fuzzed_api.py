"""The API as its own document describes it, asked by lot by each role.

No answer is a failure of the service's, each is as described, and to who may see a part, none holds
anything of the others. A seed of its own makes every run the same.

`ada` is of `nlp`, and `lead` administers it; `phil` is of `physics`. What is of physics' alone has
`canary` in it, or is phil's name.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from sublet_hub.security.rate_limits import Rate

from tests.support.described_requests import Asking, document_of, operations_of
from tests.support.hub_world import FakeHub, HubWorld, hub_world
from tests.support.hub_world_runner import write_interpreter, write_script
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

_EACH: Final = 12
QUOTA: Final = """
everyone: {jobs: {most: 50}}
groups:
  science:
    groups:
      nlp: {members: [hub-nlp], budget: {hours: 100}}
  physics: {members: [hub-physics], budget: {hours: 100}}  # note-canary
  law-canary: {members: [hub-law], limit: {cards: 1}}
exceptions:
  - {who: [phil], set: {limit: {cards: 3}}, why: why-canary}
reservations:
  - {name: class-canary, for: physics, guaranteed: {cards: 0}, at: "Mon 14:00-16:00"}
"""


@pytest_asyncio.fixture
async def world(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    settings = settings_with(tmp_path, QUOTA)
    limits = replace(settings.limits, requests=Rate(1e9, 1e9))
    async with hub_world(tmp_path, hub, replace(settings, limits=limits)) as made:
        yield made


async def _things(world: HubWorld) -> dict[str, list[Any]]:
    """Have ada and phil hold a slice and have jobs, and phil be told, refused and warned."""
    agent = await world.agent()
    world.interpreter = write_interpreter(world.folder / "python")
    agent.gpus = (agent.gpus[0].model_copy(update={"lendable_mib": 0}),)
    await agent.report()
    things: dict[str, list[Any]] = {"slice_id": [], "job_id": []}
    for owner, group, server, notebook in (
        ("ada", "hub-nlp", "", "train.ipynb"),
        ("phil", "hub-physics", "server-canary", "notebook-canary.ipynb"),
    ):
        lease = await world.slice_for(owner, server, size="small", groups=[group])
        write_script(world.folder / f"homes/{owner}/{notebook}", ["print", "x"])
        body = {"notebook": notebook, "parameters": {"password": f"{owner}-canary"}}
        status, job = await world.call("POST", "jobs", world.user(owner, (group,)), body)
        assert status == 201, job
        things["slice_id"].append(lease["slice_id"])
        things["job_id"].append(job["job_id"])
    admin = world.admin()
    told = {"text": "told-canary", "audience": "user", "name": "phil"}
    status, answer = await world.call("POST", "announcements", admin, told)
    assert status == 201, answer
    eviction = {"what": "phil/server-canary", "reason": "eviction-canary"}
    status, answer = await world.call("POST", "evictions", admin, eviction)
    assert status == 201, answer
    return things | {
        "announcement_id": [],
        "audience": ["all", "user", "group", "gpu"],
        "expect": [1, 2],
        "group": ["nlp", "physics", "science"],
        "name": ["ada", "nlp", "phil", "physics"],
        "notebook": ["train.ipynb", "notebook-canary.ipynb"],
        "owner": ["ada", "bob", "phil"],
        "revision": [1, 2],
        "server": ["", "server-canary"],
        "text": [QUOTA, "everyone: {}", "groups: {nlp: {members: [hub-nlp], weight: 2}}"],
        "what": ["ada/", "phil/server-canary", *things["slice_id"]],
        "where": ["node-a", agent.gpus[0].gpu_id],
    }


def _token(world: HubWorld, role: str) -> str:
    return {
        "user": lambda: world.user("bob", ("hub-nlp",)),
        "group-admin": lambda: world.group_admin("lead", "hub-nlp"),
        "reader": world.reader,
        "admin": world.admin,
    }[role]()


@pytest.mark.parametrize("role", ["user", "group-admin", "reader", "admin"])
async def test_what_the_document_describes_is_what_there_is(world: HubWorld, role: str) -> None:
    things = await _things(world)
    document = await asyncio.to_thread(document_of, world.base, things)
    asking = Asking(world.base, document)
    token = _token(world, role)
    await asyncio.to_thread(asking.ask_all, token, _EACH)
    assert {each.operation for each in asking.asked} == {
        f"{method} {path}" for method, path in operations_of(document)
    }
    if role in {"user", "group-admin"}:
        _assert_nothing_of_others(asking)


def _assert_nothing_of_others(asking: Asking) -> None:
    for each in asking.asked:
        # What they said themselves may come back to them.
        told = set(re.findall(r"[\w-]*canary[\w-]*|phil", each.answer))
        assert {word for word in told if word not in each.sent} == set(), each
