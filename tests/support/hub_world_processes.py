"""The hub service as a process of its own, with a real JupyterHub and its proxy beside it.

Its users' servers are quick ones: to hub and service they are as good as notebook servers.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests
from sublet_hub.host.private_files import write_private

from tests.support import quick_server
from tests.support.hub_world import NODE_SECRET, write_node_secrets
from tests.support.ports import free_ports

BIN = Path(sys.executable).parent
SERVICE_TOKEN = "real-service-token-canary-" + secrets.token_hex(8)
TESTS_TOKEN = secrets.token_hex(16)

CONFIGURATION = """
from pathlib import Path
from sublet_spawner.hub_configuration import SubletOnHub, configure

c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_port = {hub}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_api}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {{"root"}}
c.JupyterHub.spawner_class = "sublet-simple"
c.Spawner.cmd = {quick_server!r}
c.Spawner.poll_interval = 1
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/homes/{{username}}"
c.JupyterHub.services = [{{"name": "tests", "api_token": "{tests_token}"}}]
c.JupyterHub.load_roles = [
    {{"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:servers", "tokens"]}}
]
configure(
    c,
    SubletOnHub(
        token_file=Path("{folder}/token"),
        service_listens_at="http://127.0.0.1:{service}",
        service_url="http://127.0.0.1:{public}/services/sublet/",
        agent_socket="{folder}/agent.sock",
    ),
)
"""


def wait_for(happened: Callable[[], Any], within_s: float, what: str) -> Any:
    ends = time.monotonic() + within_s
    while not (found := happened()):
        if time.monotonic() > ends:
            message = f"waited {within_s} s in vain for {what}"
            raise AssertionError(message)
        time.sleep(0.05)
    return found


@dataclass
class Processes:
    """Service and hub, each to be killed and started again."""

    folder: Path
    ports: dict[str, int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    left: set[psutil.Process] = field(default_factory=set)

    @property
    def api(self) -> str:
        """Through the proxy, as users' processes reach it."""
        return f"http://127.0.0.1:{self.ports['public']}/services/sublet/api"

    @property
    def link_url(self) -> str:
        return f"ws://127.0.0.1:{self.ports['service']}/services/sublet/api/agents/link"

    @property
    def node_secret(self) -> str:
        return NODE_SECRET

    def start_service(self, *more: str) -> None:
        command = [
            str(BIN / "sublet-hub"),
            f"--port={self.ports['service']}",
            f"--hub-api-url=http://127.0.0.1:{self.ports['hub']}/hub/api",
            f"--token-file={self.folder / 'token'}",
            f"--state-folder={self.folder / 'state'}",
            f"--node-secrets-folder={self.folder / 'nodes'}",
            "--SubletHub.hub_check_s=1",
            "--SubletHub.missing_s=1",
            "--log-level=DEBUG",
            *more,
        ]
        self._start("service", command)

    def start_hub(self) -> None:
        command = [
            sys.executable,
            "-m",
            "jupyterhub",
            "-f",
            str(self.folder / "jupyterhub_config.py"),
        ]
        self._start("jupyterhub", command)

    def until_ready(self) -> None:
        wait_for(lambda: self._answers(f"{self.api}/openapi.json"), 180, "the service to answer")

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        self._remember(process)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def end(self) -> None:
        for process in self.running.values():
            self._remember(process)
            process.kill()
            process.wait(10)
        for process in self.left:
            # By its start, too: its pid may be another's by now.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def call(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        return self._request(method, f"{self.api}/{path}", token, body)

    def hub_call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.ports['hub']}/hub/api/{path}"
        return self._request(method, url, TESTS_TOKEN, body)

    def start_server(self, user: str) -> str:
        """Start a user's server through the real spawner; returns the server's own token."""
        self.hub_call("POST", f"users/{user}")
        if not self.is_ready(user):
            status, answer = self.hub_call(
                "POST", f"users/{user}/server", {"user_options": {"size": "small"}}
            )
            assert status in (201, 202), answer
        wait_for(lambda: self.is_ready(user), 120, f"the server of {user}")
        return self.environment_of(user)["JUPYTERHUB_API_TOKEN"]

    def is_ready(self, user: str) -> bool:
        _, found = self.hub_call("GET", f"users/{user}")
        return bool(found["servers"].get("", {}).get("ready"))

    def has_stopped(self, user: str) -> bool:
        """Whether a server is gone, and its token: one that is being stopped is not ready, too."""
        _, found = self.hub_call("GET", f"users/{user}")
        return "" not in found["servers"]

    def environment_of(self, user: str) -> dict[str, str]:
        process = self.server_process(user)
        return process.environ()

    def server_process(self, user: str) -> psutil.Process:
        hub = psutil.Process(self.running["jupyterhub"].pid)
        for process in hub.children(recursive=True):
            # Others of its children may end meanwhile.
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.environ().get("JUPYTERHUB_USER") == user:
                    return process
        message = f"no server of {user}"
        raise AssertionError(message)

    def token_of(self, user: str) -> str:
        self.hub_call("POST", f"users/{user}")
        status, answer = self.hub_call("POST", f"users/{user}/tokens", {"note": "test"})
        assert status == 201, answer
        return str(answer["token"])

    def _start(self, name: str, command: list[str]) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTERHUB_")}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**environment, "PATH": f"{BIN}:{environment['PATH']}"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _remember(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            self.left.update(children)

    def _answers(self, url: str) -> bool:
        for name, process in self.running.items():
            if process.poll() is not None:
                message = f"{name} ended:\n{self.log(name)[-3000:]}"
                raise AssertionError(message)
        try:
            with requests.Session() as session:
                return session.get(url, timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def _request(self, method: str, url: str, token: str, body: Any) -> tuple[int, Any]:
        with requests.Session() as session:
            answer = session.request(
                method,
                url,
                headers={"Authorization": f"token {token}"},
                json=body,
                timeout=30,
            )
            try:
                return answer.status_code, answer.json()
            except json.JSONDecodeError:
                return answer.status_code, answer.text


def make_processes(folder: Path, before: str = "", after: str = "") -> Processes:
    """Write configuration and secrets; nothing runs yet.

    ``before`` and ``after`` are the hub's further configuration, around what Sublet adds.
    """
    names = ("public", "hub", "proxy_api", "service")
    found = Processes(folder, dict(zip(names, free_ports(len(names)), strict=True)))
    write_private(folder / "token", SERVICE_TOKEN.encode())
    write_node_secrets(folder / "nodes")
    configuration = CONFIGURATION.format(
        **found.ports,
        proxy=BIN / "configurable-http-proxy",
        folder=folder,
        quick_server=quick_server.COMMAND,
        tests_token=TESTS_TOKEN,
    )
    before = before.format(**found.ports)
    configuration = configuration.replace("\nconfigure(", f"\n{before}\nconfigure(") + after
    write_private(folder / "jupyterhub_config.py", configuration.encode())
    return found
