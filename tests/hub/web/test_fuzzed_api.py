"""The API as its own document describes it, asked by lot by each role.

No answer is a failure of the service's, each is as described, and to who may see a part, none holds
anything of the others. A seed of its own makes every run the same.

`ada` is of `nlp`, and `lead` administers it; `phil` is of `physics`. What is of physics' alone has
`canary` in it, or is phil's name.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from sublet_hub.security.rate_limits import Rate

from tests.support.described_requests import Asked, Asking
from tests.support.hub_world import FakeHub, HubWorld, hub_world
from tests.support.hub_world_runner import write_interpreter, write_script
from tests.support.quota_settings import settings_with

pytestmark = pytest.mark.asyncio

_EACH: Final = 6
QUOTA: Final = """
gpu_types: {H100: {match: "*H100*"}}
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
  - {name: class-canary, for: physics, guaranteed: {H100: 1/4}, at: "Mon 14:00-16:00"}
"""

_ASKED: Final[dict[str, list[Any]]] = {
    "all": [0, 1],
    "audience": ["all", "owner", "group", "node", "card"],
    "by": ["owner", "group", "kind", "day", "week", "type"],
    "code": ["no-room", "user-limit"],
    "expect": [1, 2],
    "format": ["json", "csv", "text", "html"],
    "group": ["nlp", "physics", "science", "law-canary"],
    "groups": ["hub-nlp", "hub-physics"],
    "limit": [1, 100],
    "name": ["ada", "nlp", "node-a", "phil", "physics"],
    "notebook": ["train.ipynb", "notebook-canary.ipynb"],
    "order": ["newest", "queue"],
    "owner": ["ada", "bob", "phil"],
    "percent": [1, 50],
    "revision": [1, 2],
    "server": ["", "server-canary"],
    "since": ["2026-11-01T00:00:00Z"],
    "state": ["queued", "running"],
    "text": [QUOTA, "everyone: {}", "groups: {nlp: {members: [hub-nlp], weight: 2}}"],
    "until": ["2099-11-08T00:00:00Z", "2026-11-02T00:00:00Z"],
    "week": ["2026-W48"],
    "zone": ["UTC", "Europe/Berlin"],
}
"""What is asked for beside what there is by chance, by the names of parameters and fields."""


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
    told = {"text": "told-canary", "audience": "owner", "name": "phil"}
    status, answer = await world.call("POST", "announcements", admin, told)
    assert status == 201, answer
    eviction = {"what": "phil/server-canary", "reason": "eviction-canary"}
    status, answer = await world.call("POST", "evictions", admin, eviction)
    assert status == 201, answer
    return (
        things
        | _ASKED
        | {
            "card": [agent.gpus[0].gpu_id],
            "what": ["ada/", "phil/server-canary", *things["slice_id"], *things["job_id"]],
            "where": ["node-a", agent.gpus[0].gpu_id],
        }
    )


def _tokens(world: HubWorld) -> dict[str, str]:
    return {
        "user": world.user("bob", ("hub-nlp",)),
        "group-admin": world.group_admin("lead", "hub-nlp"),
        "reader": world.reader(),
        "admin": world.admin(),
    }


_HOSTILE: Final = (
    *(b"", b"0", b"-1", b"99999999999999999999", b"x" * 4000, b"1%0d%0aSet-Cookie:%20a=b"),
    *(b"%00%ff", b"../..", b"%E2%80%AE", b"[]", b"phil", b"<img onerror=a>"),
)
_OF_STREAMS: Final = ("Last-Event-ID", "Accept", "Range", "Cache-Control", "If-None-Match")
_QUERIES: Final = (b"owner", b"since", b"lastEventId", b"_xsrf", b"%zz", b"")
"""The stream has no parameters: what is sent is to change nothing."""


async def test_a_stream_of_changes_is_begun_or_refused_whatever_is_sent(world: HubWorld) -> None:
    """It has no end: its head is read, and what it tells at first."""
    await _things(world)
    asked = [(b"?%b=%b" % (name, value), b"") for name in _QUERIES for value in _HOSTILE]
    asked += [(b"", b"%b: %b" % (name.encode(), e)) for name in _OF_STREAMS for e in _HOSTILE]
    asked += [(b"?" + b"a=b&" * 500, b""), (b"", b"Last-Event-ID: \xff\xfe \xe2\x80\xae")]
    for role, token in {**_tokens(world), "nobody": "", "a stranger": "no-token"}.items():
        for query, header in asked if role in {"user", "admin"} else asked[::7]:
            status, told = await _begun(world, token, query, header)
            expected = {200} if role in _tokens(world) else {401, 403}
            # A space, or what is no ASCII, makes it no request of HTTP's.
            is_http = b" " not in query and header.isascii()
            assert status in expected if is_http else status < 500, (role, query, header, told)
            if role in {"user", "group-admin"}:
                assert set(_of_physics(told)) == set(), (role, query, header)


async def _begun(world: HubWorld, token: str, query: bytes, header: bytes) -> tuple[int, str]:
    """Return the status of a stream, and its first event; where pages were too many, once more."""
    place = urlsplit(world.base)
    lines = [
        b"GET %bapi/changes%b HTTP/1.1" % (place.path.encode(), query),
        b"Host: " + place.netloc.encode(),
        *([b"Authorization: Bearer " + token.encode()] if token else []),
        *([header] if header else []),
    ]
    status, told = 429, b""
    while status == 429:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            async with asyncio.timeout(60):
                writer.write(b"\r\n".join([*lines, b"", b""]))
                head = await reader.readuntil(b"\r\n\r\n")
                status = int(head.split(b" ", 2)[1])
                told = head
                if status == 200:
                    told += await reader.readuntil(b"\n\n")
        finally:
            writer.close()
            await writer.wait_closed()
    return status, told.decode()


async def test_what_the_document_describes_is_what_there_is(world: HubWorld) -> None:
    """Who may do least asks first: an admin leaves other quotas, and other slices."""
    asking = Asking(world.base, await _things(world), _EACH)
    operations = await asyncio.to_thread(asking.make_up)
    for role, token in _tokens(world).items():
        asked = await asyncio.to_thread(asking.ask_all, token)
        assert asking.failures == {}, role
        assert {each.operation for each in asked} == operations
        if role in {"user", "group-admin"}:
            _assert_nothing_of_others(asked)
        else:
            # What is looked for is what there would be to find.
            words = {word for each in asked for word in _of_physics(each.answer)}
            assert words >= {"phil", "notebook-canary", "told-canary", "eviction-canary"}


def _assert_nothing_of_others(asked: Sequence[Asked]) -> None:
    for each in asked:
        # What they said themselves may come back to them.
        assert {word for word in _of_physics(each.answer) if word not in each.sent} == set(), each


def _of_physics(text: str) -> set[str]:
    return set(re.findall(r"[\w-]*canary|phil", text))
