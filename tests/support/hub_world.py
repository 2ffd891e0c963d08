"""The hub service in this process, beside a hand-written JupyterHub that knows a few tokens."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sublet_hub.agents.departed_nodes import ClusterNodes
from sublet_hub.agents.identity import AgentIdentities
from sublet_hub.agents.node_secrets import NodeSecrets
from sublet_hub.app.adapters import Adapters
from sublet_hub.app.assembly import Assembly
from sublet_hub.host.clock import read_boot_id, utc_now
from sublet_hub.host.private_files import write_private
from sublet_hub.jobs.backend import JobRuns
from sublet_hub.security.authentication import ServiceAuth
from sublet_hub.security.client_address import Network
from sublet_hub.security.rate_limits import Rate
from sublet_hub.security.service_auth import make_service_auth
from sublet_hub.settings import JobSettings, OwnerLimits, ServiceSettings
from sublet_hub.slices.jupyterhub_client import HubClient
from sublet_hub.web.console.bundle import Bundle
from sublet_hub.web.server import WebSettings, make_server
from sublet_quota.names import scopes
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from tests.support.closing import close_connections
from tests.support.fake_agent import FakeAgent
from tests.support.migrated_ledger import migrated_ledger

SERVICE_TOKEN = "service-token-canary-0123456789"  # noqa: S105
NODE_SECRET = "node-secret-canary-0123456789"  # noqa: S105
OTHER_SECRET = "other-secret-canary-0123456789"  # noqa: S105
METRICS_TOKEN = "metrics-token-canary-0123456789"  # noqa: S105
PREFIX = "/services/sublet/"
ACCESS = "access:services!service=sublet"


def user_scopes(name: str) -> set[str]:
    own = (scopes.READ, scopes.ACTIVITY, scopes.JOBS, scopes.QUOTA)
    return {ACCESS, *(f"{scope}!user={name}" for scope in own)}


def server_scopes(name: str, server: str = "") -> set[str]:
    return {
        ACCESS,
        f"{scopes.READ}!user={name}",
        f"{scopes.ACTIVITY}!server={name}/{server}",
        f"{scopes.JOBS}!user={name}",
    }


ADMIN_SCOPES = {
    ACCESS,
    scopes.READ,
    scopes.ACTIVITY,
    scopes.JOBS,
    scopes.QUOTA,
    scopes.ADMIN,
}


@dataclass
class FakeHub:
    """What JupyterHub's API says of tokens and servers."""

    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    servers: dict[str, set[str]] = field(default_factory=dict)
    asked: int = 0
    stalled: asyncio.Event | None = None
    """While set and not rung, questions about tokens are not answered."""
    stalled_for: str = ""
    """Only about tokens that begin so."""
    broken: bool = False
    url: str = ""
    service: str = "sublet"
    """Whose the service's token is; empty: nobody's."""
    service_may_list: bool = True
    service_may_stop: bool = True
    service_may_start: bool = True
    groups: set[str] | None = field(default_factory=lambda: {"lab", "research", "teaching"})
    """Its groups; ``None``: the service may not see them."""
    stopped: list[tuple[str, str]] = field(default_factory=list)
    """The servers that the service had stopped, by owner and name."""
    start_status: int = 202
    """How the hub answers who has a server started; by 202 it says that it begins."""
    starts_end_at_once: bool = False
    """Whether what it begins to start has failed by the time that anybody looks."""
    starts_answered: asyncio.Event | None = None
    """While set and not rung, it begins to start what it is asked for, and does not answer."""
    started: list[tuple[str, str, Any]] = field(default_factory=list)
    """The servers that the service had started, with their options."""
    starts_or_stops: set[tuple[str, str]] = field(default_factory=set)
    """The servers that the hub is starting or stopping."""
    slow_to_stop: bool = False
    """Whether what it stops runs on meanwhile."""
    people: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    """The users with their groups; ``None``: such as the service may not see."""
    asked_about: list[str] = field(default_factory=list)
    """The users after whom the service asked one by one."""
    codes: dict[str, str] = field(default_factory=dict)
    """Of logins under way: the token that the service gets for the code."""
    logins: list[dict[str, str]] = field(default_factory=list)
    """What the service sent with the codes."""

    def add(
        self,
        token: str,
        name: str,
        scopes_: set[str],
        groups: tuple[str, ...] | None = None,
        kind: str = "user",
    ) -> str:
        self.tokens[token] = {
            "kind": kind,
            "name": name,
            **({} if groups is None else {"groups": list(groups)}),
            "scopes": sorted(scopes_),
            "token_id": "a1",
            "session_id": None,
        }
        return token


class _UserHandler(RequestHandler):
    async def get(self) -> None:
        hub: FakeHub = self.settings["hub"]
        token = self.request.headers.get("Authorization", "").removeprefix("token ")
        if token == SERVICE_TOKEN and hub.service:
            may = ["delete:servers"] if hub.service_may_stop else []
            may += ["servers"] if hub.service_may_start else []
            may += [] if hub.groups is None else ["list:groups"]
            self.write({"kind": "service", "name": hub.service, "scopes": ["list:users", *may]})
            return
        hub.asked += 1
        if hub.stalled is not None and token.startswith(hub.stalled_for):
            await hub.stalled.wait()
        if token not in hub.tokens:
            self.set_status(403)
            self.write({"status": 403, "message": "Forbidden"})
            return
        self.write(hub.tokens[token])


class _TokenHandler(RequestHandler):
    def post(self) -> None:
        hub: FakeHub = self.settings["hub"]
        sent = {name: self.get_body_argument(name) for name in self.request.body_arguments}
        hub.logins.append(sent)
        if sent["code"] not in hub.codes:
            self.set_status(400)
            return
        self.write({"access_token": hub.codes.pop(sent["code"])})


class _UsersHandler(RequestHandler):
    def get(self) -> None:
        hub: FakeHub = self.settings["hub"]
        if hub.broken:
            self.set_status(503)
            return
        if not hub.service or not hub.service_may_list:
            self.set_status(403)
            self.write({"status": 403, "message": "Forbidden"})
            return
        items = [
            {
                "name": name,
                "servers": {s: {"name": s, "ready": True} for s in servers},
                **({} if (groups := hub.people.get(name)) is None else {"groups": list(groups)}),
            }
            for name, servers in self._told(hub).items()
        ]
        self.write({"items": items, "_pagination": {"next": None}})

    def _told(self, hub: FakeHub) -> dict[str, set[str]]:
        if self.get_query_argument("state", "") == "active":
            return dict(hub.servers)
        return {name: hub.servers.get(name, set()) for name in (*hub.people, *hub.servers)}


class _GroupsHandler(RequestHandler):
    def get(self) -> None:
        hub: FakeHub = self.settings["hub"]
        if hub.broken or hub.groups is None:
            self.set_status(503 if hub.broken else 403)
            return
        items = [{"kind": "group", "name": name} for name in sorted(hub.groups)]
        self.write({"items": items, "_pagination": {"next": None}})


class _OneUserHandler(RequestHandler):
    def get(self, name: str) -> None:
        hub: FakeHub = self.settings["hub"]
        hub.asked_about.append(name)
        if hub.broken:
            self.set_status(503)
            return
        if name not in hub.people:
            self.set_status(404)
            self.write({"status": 404, "message": "Not Found"})
            return
        groups = hub.people[name]
        servers = {
            each: {"name": each, "ready": not pending, "pending": "spawn" if pending else None}
            for each in hub.servers.get(name, set())
            for pending in ((name, each) in hub.starts_or_stops,)
        }
        told = {} if groups is None else {"groups": list(groups)}
        self.write({"name": name, "servers": servers, **told})


class _ServerHandler(RequestHandler):
    def delete(self, owner: str, server: str = "") -> None:
        hub: FakeHub = self.settings["hub"]
        token = self.request.headers.get("Authorization", "").removeprefix("token ")
        if hub.broken:
            self.set_status(503)
        elif token != SERVICE_TOKEN or not hub.service_may_stop:
            self.set_status(403)
        elif server not in hub.servers.get(owner, set()):
            self.set_status(404)
        else:
            hub.stopped.append((owner, server))
            if not hub.slow_to_stop:
                hub.servers[owner].discard(server)
            self.set_status(202 if hub.slow_to_stop else 204)

    async def post(self, owner: str, server: str = "") -> None:
        hub: FakeHub = self.settings["hub"]
        token = self.request.headers.get("Authorization", "").removeprefix("token ")
        status = 503 if hub.broken else hub.start_status if token == SERVICE_TOKEN else 403
        if status == 202:
            options = json.loads(self.request.body or b"null")
            hub.started.append((owner, server, options))
            hub.people.setdefault(owner, None)
            if not hub.starts_end_at_once:
                hub.servers.setdefault(owner, set()).add(server)
                hub.starts_or_stops.add((owner, server))
        if hub.starts_answered is not None:
            await hub.starts_answered.wait()
        self.set_status(status)


@dataclass
class HubWorld:
    """A running service and how to call it."""

    hub: FakeHub
    assembly: Assembly
    base: str
    port: int
    folder: Path
    auth: ServiceAuth
    agents: list[FakeAgent] = field(default_factory=list)
    interpreter: str = sys.executable
    """The owners' Python."""

    @property
    def service(self) -> Any:
        return self.assembly.service

    async def call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        response = await self.raw(method, f"api/{path}", token, body, headers)
        text = response.body.decode()
        return response.code, json.loads(text) if text else None

    async def raw(  # noqa: PLR0913 - all that a request has
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        follow: bool = True,
    ) -> HTTPResponse:
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if method in {"POST", "PUT"} and not isinstance(body, str | bytes):
            body = json.dumps(body if body is not None else {})
        client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=2**26)
        try:
            url = path if path.startswith("http") else self.base + path
            return await client.fetch(
                HTTPRequest(
                    url,
                    method=method,
                    headers=sent,
                    body=body,
                    connect_timeout=300,
                    request_timeout=300,
                    follow_redirects=follow,
                ),
                raise_error=False,
            )
        finally:
            client.close()

    async def hub_call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return await self.call(method, f"hub/{path}", SERVICE_TOKEN, body)

    async def slice_for(self, owner: str, server: str = "", **wish: Any) -> dict[str, Any]:
        self.hub.servers.setdefault(owner, set()).add(server)
        body = {"owner": owner, "server": server, "account": self.account(owner), **wish}
        status, lease = await self.hub_call("POST", "slices", body)
        assert status == 201, lease
        return dict(lease)

    def account(self, owner: str) -> dict[str, Any]:
        home = self.folder / "homes" / owner
        home.mkdir(parents=True, exist_ok=True)
        return {
            "uid": os.getuid(),
            "gid": os.getgid(),
            "home": str(home),
            "notebook_dir": str(home),
            "python": self.interpreter,
            "environment": {"PATH": os.environ["PATH"], "JUPYTERHUB_API_TOKEN": "token-canary"},
        }

    def user(self, name: str, groups: tuple[str, ...] | None = None) -> str:
        return self.hub.add(f"{name}-token-canary", name, user_scopes(name), groups)

    def server(self, name: str, server: str = "") -> str:
        return self.hub.add(f"{name}-{server}-server-canary", name, server_scopes(name, server))

    def admin(self, name: str = "root") -> str:
        return self.hub.add(f"{name}-admin-canary", name, ADMIN_SCOPES)

    def reader(self, name: str = "rita") -> str:
        return self.hub.add(f"{name}-reader-canary", name, {ACCESS, scopes.READ})

    def group_admin(self, name: str, *hub_groups: str) -> str:
        of_groups = {f"{scopes.QUOTA}!group={each}" for each in hub_groups}
        token = f"{name}-group-admin-canary"
        return self.hub.add(token, name, user_scopes(name) | of_groups, groups=())

    @property
    def link_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PREFIX}api/agents/link"

    async def agent(self, **values: Any) -> FakeAgent:
        facts: dict[str, Any] = {"boot_id": read_boot_id(), "secret": NODE_SECRET, **values}
        agent = FakeAgent(self.link_url, **facts)
        self.agents.append(agent)
        await agent.connect()
        if agent.close_reason is None:
            known = self.service.fleet
            await until(lambda: not known.is_silent(agent.node))
            # The first assignments may be of before its cards were told.
            await until(lambda: self._is_told_of_its_cards(agent))
            self.service.capacity.look_for_silence()
        return agent

    def _is_told_of_its_cards(self, agent: FakeAgent) -> bool:
        view, told = self.service.fleet.node(agent.node), agent.assignments
        return told is not None and {gpu.gpu_id for gpu in told.gpus} == view.gpus.keys()


async def until(happened: Any, within_s: float = 60) -> None:
    """Poll: for outcomes that no event tells of."""

    # Not wait_for: before Python 3.12 it loses a cancellation that comes with the end.
    async with asyncio.timeout(within_s):
        while True:
            answer = happened()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            await asyncio.sleep(0.02)


def settings_for(folder: Path, **values: Any) -> ServiceSettings:
    jobs = JobSettings(
        agent_socket=str(folder / "agent.sock"),
        simulated_socket=None,
        service_url="http://127.0.0.1/services/sublet/",
        grace=timedelta(seconds=2),
    )
    settings = ServiceSettings(
        state_folder=folder / "state",
        quota_file=None,
        jobs=jobs,
        limits=OwnerLimits(requests=Rate(1000, 1000)),
        hub_check_period=timedelta(seconds=0.2),
        missing_for=timedelta(seconds=0.5),
        agents_return_within=timedelta(),
    )
    return replace(settings, **values)


def write_node_secrets(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_private(folder / "node-a", NODE_SECRET.encode())
    write_private(folder / "node-b", OTHER_SECRET.encode())
    return folder


@asynccontextmanager
async def fake_hub() -> AsyncIterator[FakeHub]:
    hub = FakeHub()
    routes = [
        ("/hub/api/user", _UserHandler),
        ("/hub/api/users", _UsersHandler),
        ("/hub/api/groups", _GroupsHandler),
        ("/hub/api/users/([^/]+)", _OneUserHandler),
        ("/hub/api/users/([^/]+)/server", _ServerHandler),
        ("/hub/api/users/([^/]+)/servers/([^/]+)", _ServerHandler),
        ("/hub/api/oauth2/token", _TokenHandler),
    ]
    server = HTTPServer(Application(routes, hub=hub, log_function=lambda _: None))
    socket, port = bind_unused_port()
    server.add_socket(socket)
    hub.url = f"http://127.0.0.1:{port}/hub/api"
    try:
        yield hub
    finally:
        server.stop()
        await close_connections(server)


@asynccontextmanager
async def hub_world(  # noqa: PLR0913, PLR0917 - all that a service can be given
    folder: Path,
    hub: FakeHub,
    settings: ServiceSettings | None = None,
    agents: AgentIdentities | None = None,
    runs: JobRuns | None = None,
    nodes: ClusterNodes | None = None,
    proxies: tuple[Network, ...] = (),
    most_connections: int = 512,
    console: Bundle | None = None,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[HubWorld]:
    """Run the service until the block ends; the folder is its state, and can be used again."""
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    database = migrated_ledger(folder / "ledger.sqlite")
    secrets = NodeSecrets(write_node_secrets(folder / "nodes"))
    identities = agents or secrets
    client = HubClient(hub.url, SERVICE_TOKEN)
    outside = Adapters(database, client, identities, now, runs, nodes)
    assembly = Assembly(settings or settings_for(folder), outside)
    auth = make_service_auth(hub.url, SERVICE_TOKEN, PREFIX)
    server = make_server(
        assembly.service,
        auth,
        assembly.connections,
        WebSettings(
            PREFIX, "0", METRICS_TOKEN, b"x" * 32, proxies, most_connections, console=console
        ),
    )
    socket, port = bind_unused_port()
    server.add_socket(socket)
    assembly.start()
    world = HubWorld(hub, assembly, f"http://127.0.0.1:{port}{PREFIX}", port, folder, auth)
    try:
        yield world
    finally:
        for agent in world.agents:
            await agent.close()
        server.stop()
        await assembly.stop()
        await close_connections(server)
