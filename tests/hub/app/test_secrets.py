"""What is secret is in no log, no answer and no ledger of a service that really runs.

THREATS 13. Each canary is sent where somebody could send a secret, some of them so that the service
fails; then it is looked for wherever the service writes.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.support.fake_agent import FakeAgent
from tests.support.hub_world import (
    METRICS_TOKEN,
    NODE_SECRET,
    OTHER_SECRET,
    SERVICE_TOKEN,
    FakeHub,
    until,
    user_scopes,
)
from tests.support.hub_world_runner import write_interpreter, write_script
from tests.support.service_process import ServiceProcess, service_process

SENT = {
    "query": "canary-in-a-query-0123456789",
    "header": "canary-in-a-header-0123456789",
    "cookie": "canary-in-a-cookie-0123456789",
    "body": "canary-in-a-body-0123456789",
    "environment": "canary-in-an-environment-0123456789",
    "variable": "canary-in-a-variable-0123456789",
    "errors": "canary-in-errors-0123456789",
    "user": "canary-of-ada-0123456789",
    "agent": "canary-of-an-agent-0123456789",
}
OWN = (SERVICE_TOKEN, NODE_SECRET, OTHER_SECRET, METRICS_TOKEN)


async def _ask(
    service: ServiceProcess, method: str, path: str, headers: dict[str, str], body: Any = None
) -> HTTPResponse:
    client = SimpleAsyncHTTPClient(force_instance=True)
    try:
        return await client.fetch(
            HTTPRequest(
                service.url(path),
                method=method,
                headers=headers,
                body=None if body is None else json.dumps(body),
                request_timeout=120,
            ),
            raise_error=False,
        )
    finally:
        client.close()


def _account(folder: Path, owner: str, python: str, **environment: str) -> dict[str, Any]:
    home = folder / "homes" / owner
    write_script(home / "train.ipynb", ["print", "x"])
    return {
        "uid": home.stat().st_uid,
        "gid": home.stat().st_gid,
        "home": str(home),
        "notebook_dir": str(home),
        "python": python,
        "environment": environment,
    }


def _failing_python(path: Path) -> str:
    """Write an owner's Python that says what others should not hear, and what is no line."""
    said = f"HF_TOKEN={SENT['errors']}\\n2026-11-30 ERROR root: forged\\033[2J\\n"
    path.write_text(f"#!/bin/sh\nprintf '{said}' >&2\nexit 1\n")
    path.chmod(0o755)
    return str(path)


async def _send_everywhere(service: ServiceProcess, hub: FakeHub) -> list[HTTPResponse]:
    ada = {"Authorization": f"token {SENT['user']}"}
    own = {"Authorization": f"token {SERVICE_TOKEN}"}
    hub.add(SENT["user"], "ada", user_scopes("ada"))
    bob = {"Authorization": f"token {hub.add('token-of-bob', 'bob', user_scopes('bob'))}"}
    python = write_interpreter(service.folder / "python")
    environment = {"MY_TOKEN": SENT["environment"], "JUPYTERHUB_API_TOKEN": SENT["user"]}
    leases = [
        {"owner": owner, "server": "", "size": "small", "account": account}
        for owner, account in (
            ("ada", _account(service.folder, "ada", python, **environment)),
            ("bob", _account(service.folder, "bob", _failing_python(service.folder / "failing"))),
        )
    ]
    query = f"access_token={SENT['query']}&token={SENT['query']}&code={SENT['query']}"
    job = {"notebook": "train.ipynb", "environment": {"WANDB_API_KEY": SENT["variable"]}}
    return [
        await _ask(service, "GET", f"api/share?{query}", {}),
        await _ask(service, "GET", f"oauth_callback?{query}&state={SENT['query']}", {}),
        await _ask(service, "GET", f"api/jobs?owner=&{query}", ada),
        await _ask(service, "GET", f"api/events?since=0001-01-01T00:00:00%2b23:59&{query}", ada),
        await _ask(service, "GET", "api/share", {"Authorization": f"token {SENT['header']}"}),
        await _ask(service, "GET", "metrics", {"Authorization": f"Bearer {SENT['header']}"}),
        await _ask(service, "GET", "api/share", {"Cookie": f"service-sublet={SENT['cookie']}"}),
        await _ask(service, "POST", "api/jobs", {**ada, "X-Api-Key": SENT["header"]}, SENT["body"]),
        await _ask(service, "POST", "api/jobs", ada, {"notebook": 3, "token": SENT["body"]}),
        await _ask(service, "POST", "api/hub/slices", own, leases[0]),
        await _ask(service, "POST", "api/hub/slices", own, leases[1]),
        await _ask(service, "POST", "api/jobs", bob, {"notebook": "train.ipynb"}),
        await _ask(service, "POST", "api/jobs", ada, job),
        await _ask(service, "GET", "api/jobs", ada),
        await _ask(service, "GET", "api/slices", ada),
        await _ask(service, "GET", "api/events", ada),
        await _ask(service, "GET", "metrics", {"Authorization": f"Bearer {METRICS_TOKEN}"}),
    ]


def _is_for_the_account_alone(path: Path) -> bool:
    """Whether a file holds an environment, which the service needs to start its owner's job."""
    return path.parent.name == "accounts" or path.name == "environment.json"


@pytest.mark.asyncio
async def test_no_secret_is_in_a_log_an_answer_or_the_ledger(tmp_path: Path, hub: FakeHub) -> None:
    async with service_process(tmp_path, hub, "--log-level=DEBUG") as service:
        agent = FakeAgent(service.link_url, secret=NODE_SECRET)
        stranger = FakeAgent(service.link_url, node="node-x", secret=SENT["agent"])
        try:
            await agent.connect()
            with pytest.raises(Exception, match="401"):
                await stranger.connect()
            answers = await _send_everywhere(service, hub)
            # Its own address is told to who asks; the log must not have it.
            await _ask(service, "GET", f"api/access_token={SENT['query']}", {})
            await until(lambda: "node-a" in service.log())
        finally:
            await agent.close()
            await stranger.close()
    log = service.log()
    said = next(line for line in log.splitlines() if "in its words" in line)
    assert f"under the account {os.getuid()}, " in said
    assert "\\n2026-11-30 ERROR root: forged\\x1b[2J" in said
    assert sum(answer.code < 300 for answer in answers) >= 5
    files = {path for path in (tmp_path / "state").rglob("*") if path.is_file()}
    private = {path for path in files if _is_for_the_account_alone(path)}
    assert len(private) == 3
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    written = {path: path.read_bytes() for path in files - private}
    written[tmp_path / "service.log"] = log.encode()
    written[Path("answers")] = b"\n".join(
        (answer.body or b"") + str(answer.headers).encode() for answer in answers
    )
    found = {
        (path.name, secret)
        for path, content in written.items()
        for secret in (*SENT.values(), *OWN)
        if secret.encode() in content
    }
    assert any("ledger" in path.name for path in written)
    assert not found
