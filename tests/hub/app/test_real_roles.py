"""Roles as a real JupyterHub tells of them: by scopes, filters and groups, and its own tokens."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.fake_agent import FakeAgent
from tests.support.hub_world_processes import BIN, Processes, make_processes

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(
        not (BIN / "configurable-http-proxy").exists(), reason="needs configurable-http-proxy"
    ),
]

ACCESS = "access:services!service=sublet"
QUOTA = """
groups:
  science:
    members: []
    admins: {users: [dean], groups: [hub-deans]}
    groups: {nlp: {members: [hub-nlp]}, vision: {members: [hub-v]}}
"""
BEFORE = """
c.JupyterHub.load_groups = {{"hub-nlp": {{"users": ["ada"]}}, "hub-deans": {{"users": ["dora"]}}}}
c.JupyterHub.load_roles.append(
    {{
        "name": "leads-nlp",
        "scopes": ["access:services!service=sublet", "custom:sublet:quota!group=hub-nlp"],
        "users": ["lead"],
    }}
)
"""
AFTER = """
c.JupyterHub.load_roles[-1]["users"] = ["rita"]
assert c.JupyterHub.load_roles[-1]["name"] == "sublet-reader"
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    folder = tmp_path_factory.mktemp("roles")
    processes = make_processes(folder, BEFORE, AFTER)
    (folder / "quota.yaml").write_text(QUOTA)
    try:
        processes.start_service(
            f"--quota-file={folder / 'quota.yaml'}", "--SubletHub.quota_source=database"
        )
        processes.start_hub()
        processes.until_ready()
        yield processes
    finally:
        processes.end()


async def role(real: Processes, token: str) -> tuple[str, list[str]]:
    status, found = await asyncio.to_thread(real.call, "GET", "role", token)
    assert status == 200, found
    return found["role"], found["groups"]


async def token_of(real: Processes, user: str, *scopes: str) -> str:
    if not scopes:
        return await asyncio.to_thread(real.token_of, user)
    body: dict[str, Any] = {"note": "test", "scopes": list(scopes)}
    await asyncio.to_thread(real.hub_call, "POST", f"users/{user}")
    status, answer = await asyncio.to_thread(real.hub_call, "POST", f"users/{user}/tokens", body)
    assert status == 201, answer
    return str(answer["token"])


async def test_each_is_who_the_hub_and_the_document_say(real: Processes) -> None:
    told = {
        user: await role(real, await token_of(real, user))
        for user in ("root", "rita", "lead", "dean", "dora", "ada", "bob")
    }
    assert told == {
        "root": ("admin", ["science"]),
        "rita": ("reader", []),
        "lead": ("group-admin", ["nlp"]),
        "dean": ("group-admin", ["science"]),
        "dora": ("group-admin", ["science"]),
        "ada": ("user", []),
        "bob": ("user", []),
    }


async def test_a_token_for_less_is_less(real: Processes) -> None:
    filtered = "custom:sublet:quota!group=hub-nlp"
    lead = await token_of(real, "lead", ACCESS, filtered)
    assert await role(real, lead) == ("group-admin", ["nlp"])
    root = await token_of(real, "root", ACCESS, filtered)
    assert await role(real, root) == ("group-admin", ["nlp"])
    dean = await token_of(real, "dean", ACCESS, "custom:sublet:read!user")
    assert await role(real, dean) == ("user", [])
    rita = await token_of(real, "rita", ACCESS, "custom:sublet:read!user")
    assert await role(real, rita) == ("user", [])


async def test_a_servers_own_token_administers_nothing(real: Processes) -> None:
    agent = await FakeAgent(real.link_url, real.node_secret).connect()
    try:
        for user in ("dean", "lead"):
            token = await asyncio.to_thread(real.start_server, user)
            assert await role(real, token) == ("user", [])
            status, _ = await asyncio.to_thread(real.call, "GET", "quota", token)
            assert status == 403
    finally:
        await agent.close()


async def test_an_admin_of_a_group_sets_what_is_below_it_with_their_token(
    real: Processes,
) -> None:
    token = await token_of(real, "dean")
    _, found = await asyncio.to_thread(real.call, "GET", "quota", token)
    values = yaml.safe_load(found["text"])
    values["groups"]["science"]["groups"]["nlp"]["weight"] = 2
    body = {"text": yaml.safe_dump(values), "reason": "a paper", "expect_part": found["part"]}
    status, answer = await asyncio.to_thread(real.call, "POST", "quota/revisions", token, body)
    assert (status, answer["about"]["role"]) == (200, "group-admin")
    values["groups"]["science"]["weight"] = 2
    body |= {"text": yaml.safe_dump(values), "expect_part": answer["part"]}
    status, problem = await asyncio.to_thread(real.call, "POST", "quota/revisions", token, body)
    assert (status, problem["reason"]) == (403, "not-theirs")
