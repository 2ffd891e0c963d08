"""A real JupyterHub as processes of its own, for tests: hub, proxy, and what its spawner starts.

Most servers are quick ones: what a hub and its spawner do is the same with a real notebook server,
which takes seconds to be there.
"""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupyterhub
import psutil
import requests

from tests.support import quick_server
from tests.support.fake_service import FakeService
from tests.support.ports import free_ports

CONFIGURATION = """
from pathlib import Path
from sublet_spawner.hub_configuration import SubletOnHub, configure

c.JupyterHub.bind_url = "http://127.0.0.1:{public_port}"
c.JupyterHub.subdomain_host = "{subdomain_host}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_api_port}"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.auth_token = "{proxy_token}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.allow_named_servers = True
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {{"root-of-all"}}
c.JupyterHub.spawner_class = "sublet_spawner.local.SimpleSliceSpawner"
c.Spawner.cmd = {quick_server!r}
c.Spawner.poll_interval = 1
c.Spawner.environment = {{"GLIBC_TUNABLES": "glibc.malloc.check=1"}}
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/homes/{{username}}"
# A refusal is an answer of its own only where it comes before this.
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 60}}
c.JupyterHub.load_groups = {{"g<img src=x onerror=alert(1)>": {{"users": ["ada"]}}}}
c.JupyterHub.services = [{{"name": "tests", "api_token": "{admin_token}"}}]
c.JupyterHub.load_roles = [
    {{
        "name": "tests",
        "scopes": ["admin:users", "admin:servers", "admin:server_state", "read:hub"],
        "services": ["tests"],
    }}
]
configure(
    c,
    SubletOnHub(
        token_file=Path("{token_file}"),
        service_listens_at="{service_origin}",
        service_url="{service_url}",
        agent_socket="{folder}/agent.sock",
        simulated_socket="{folder}/gpus.sock",
        allow_no_gpu=True,
    ),
)


def set_as_the_user_has_it(spawner):
    for name, value in {of_users!r}.get(spawner.user.name, {{}}).items():
        setattr(spawner, name, value)


c.Spawner.pre_spawn_hook = set_as_the_user_has_it
{more}
"""
REAL_SERVER = {
    "cmd": [sys.executable, "-m", "jupyterhub.singleuser"],
    "args": ["--allow-root"],
    "http_timeout": 120,
}
"""A spawner's settings, where a user has a real notebook server."""


def proxy_command() -> str | None:
    beside = Path(sys.executable).parent / "configurable-http-proxy"
    return str(beside) if beside.exists() else shutil.which("configurable-http-proxy")


@dataclass
class RealHub:
    """A hub that can be killed and started again over the same database."""

    folder: Path
    url: str
    admin_token: str
    configuration: Path
    proxy: subprocess.Popen
    hub: subprocess.Popen | None = None
    pids: set[int] = field(default_factory=set)

    def start(self) -> None:
        log = (self.folder / "hub.log").open("ab")
        with log:
            self.hub = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(self.configuration)],
                cwd=self.folder,
                env={**os.environ, "PYTHONWARNINGS": "default"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        self.remember_processes()
        self.hub.send_signal(signal.SIGKILL)
        self.hub.wait(60)

    def remember_processes(self) -> None:
        if self.hub is not None and self.hub.poll() is None:
            for process in psutil.Process(self.hub.pid).children(recursive=True):
                self.pids.add(process.pid)

    def end(self) -> None:
        self.remember_processes()
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in (self.hub, self.proxy):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(60)

    async def ready(self) -> None:
        def answers() -> bool:
            if self.hub.poll() is not None:
                message = f"the hub ended: {self.log()[-3000:]}"
                raise AssertionError(message)
            try:
                return self.call_now("GET", "/info").status_code == 200
            except (requests.ConnectionError, requests.Timeout):
                return False

        await until(lambda: asyncio.to_thread(answers), 120, "the hub to answer")

    def call_now(self, method: str, path: str, token: str | None = None, **more: Any):
        headers = {"Authorization": f"token {token or self.admin_token}"}
        with requests.Session() as session:
            return session.request(
                method, f"{self.url}/hub/api{path}", headers=headers, timeout=120, **more
            )

    async def call(self, method: str, path: str, token: str | None = None, **more: Any):
        return await asyncio.to_thread(self.call_now, method, path, token, **more)

    async def progress(self, user: str) -> AsyncGenerator[str]:
        """The lines of a start's progress, each as soon as it is there."""
        headers = {"Authorization": f"token {self.admin_token}"}
        url = f"{self.url}/hub/api/users/{user}/server/progress"
        with requests.Session() as session:

            def get() -> Iterator[str]:
                answer = session.get(url, headers=headers, timeout=120, stream=True)
                return answer.iter_lines(chunk_size=1, decode_unicode=True)

            lines = await asyncio.to_thread(get)
            while (line := await asyncio.to_thread(next, lines, None)) is not None:
                yield line

    async def spawn(self, user: str, options: Any = None, server: str = ""):
        await self.call("POST", f"/users/{user}")
        where = f"/users/{user}/servers/{server}" if server else f"/users/{user}/server"
        if options is not None and jupyterhub.version_info[0] >= 6:
            options = {"user_options": options}
        return await self.call("POST", where, json=options)

    async def server(self, user: str, name: str = "") -> dict | None:
        answer = await self.call("GET", f"/users/{user}?include_stopped_servers=1")
        return answer.json().get("servers", {}).get(name)

    async def until_ready(self, user: str, name: str = "") -> dict:
        async def is_ready() -> dict | None:
            server = await self.server(user, name)
            return server if server and server["ready"] else None

        return await until(is_ready, 120, f"the server of {user} to be ready", self.log)

    def log(self) -> str:
        return (self.folder / "hub.log").read_text()


async def until(
    check: Callable[[], Awaitable[Any]],
    within_s: float,
    what: str,
    log: Callable[[], str] = str,
) -> Any:
    ends = time.monotonic() + within_s
    while True:
        found = await check()
        if found:
            return found
        if time.monotonic() > ends:
            message = f"waited {within_s} s in vain for {what}\n{log()[-3000:]}"
            raise AssertionError(message)
        await asyncio.sleep(0.1)


def real_hub(
    folder: Path,
    service: FakeService,
    *,
    of_users: Mapping[str, Mapping[str, Any]] | None = None,
    more: str = "",
    subdomain_host: str = "",
) -> RealHub:
    """Write the configuration and start the proxy and the hub; ``ready`` waits for them.

    ``of_users`` are the settings of a user's spawner that are other than the rest's, and
    ``subdomain_host`` is the hub's name where each user has an origin.
    """
    public_port, hub_port, proxy_api_port = free_ports(3)
    admin_token, proxy_token = secrets.token_hex(16), secrets.token_hex(16)
    configuration = folder / "jupyterhub_config.py"
    configuration.write_text(
        CONFIGURATION.format(
            public_port=public_port,
            hub_port=hub_port,
            proxy_api_port=proxy_api_port,
            proxy_token=proxy_token,
            folder=folder,
            admin_token=admin_token,
            token_file=service.token_file,
            service_origin="/".join(service.url.split("/")[:3]),
            service_url=service.url,
            quick_server=quick_server.COMMAND,
            of_users=dict(of_users or {}),
            more=more,
            subdomain_host=subdomain_host and f"http://{subdomain_host}:{public_port}",
        )
    )
    with (folder / "proxy.log").open("ab") as log:
        proxy = subprocess.Popen(
            [
                proxy_command(),
                *("--ip", "127.0.0.1", "--port", str(public_port)),
                *("--api-ip", "127.0.0.1", "--api-port", str(proxy_api_port)),
                *(["--host-routing"] if subdomain_host else []),
            ],
            env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": proxy_token},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    hub = RealHub(folder, f"http://127.0.0.1:{public_port}", admin_token, configuration, proxy)
    hub.start()
    return hub
