"""The real service in a process of its own, with its agents and the slices of many users.

JupyterHub's API and Kubernetes' are played by the process that measures; agents are those of the
benchmark of scale, in one more process. No card lends anything, so jobs wait.
"""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import requests
from load_parts.plan import KINDS, Asker
from scale_parts.service import agents
from sublet_hub.host.private_files import write_private

from tests.support.fake_kube_api import FakeKube
from tests.support.hub_world import PREFIX, SERVICE_TOKEN, FakeHub, server_scopes
from tests.support.ports import free_port

NAMESPACE: Final = "hub"
CARDS_A_NODE: Final = 4
SLICES_A_CARD: Final = 16
OPEN_FILES: Final = 1024
"""What a process may have open where nobody has said otherwise."""
QUOTA: Final = """
sizes:
  - {name: some, memory: 4 GiB, compute: 0.05}
everyone: {jobs: {most: unlimited}}
"""
_BIN: Final = Path(sys.executable).parent
_AT_ONCE: Final = 4
_STARTS_WITHIN_S: Final = 120.0
_ENDS_WITHIN_S: Final = 30.0
_ACCOUNT: Final[Mapping[str, Any]] = {
    "uid": 1000,
    "gid": 100,
    "home": "/home/jovyan",
    "notebook_dir": "/home/jovyan",
    "python": "/opt/conda/bin/python",
    "environment": {},
}
_TEMPLATE: Final[Mapping[str, Any]] = {
    "namespace": NAMESPACE,
    "image": "registry.example/notebook:1",
    "volumes": [{"name": "home", "emptyDir": {}}],
    "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}],
}


@dataclass
class Service:
    """The running service, and its users."""

    port: int
    process: psutil.Process
    hub: FakeHub
    session: requests.Session
    log: Path
    askers: list[Asker] = field(default_factory=list)

    def call(self, method: str, path: str, token: str, body: Any = None) -> requests.Response:
        """Call, and fail where that is refused."""
        url = f"http://127.0.0.1:{self.port}{PREFIX}api/{path}"
        headers = {"Authorization": f"token {token}"}
        answer = self.session.request(method, url, headers=headers, json=body, timeout=60)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def add_users(self, names: list[str]) -> None:
        """Start a server for each, as the spawner does."""
        with ThreadPoolExecutor(_AT_ONCE) as at_once:
            self.askers += at_once.map(self._add_user, names)

    def _add_user(self, owner: str) -> Asker:
        self.hub.servers[owner] = {""}
        token = self.hub.add(f"token-of-{owner}-canary", owner, server_scopes(owner))
        request = {"owner": owner, "server": "", "size": "some", "account": _ACCOUNT}
        lease = self.call("POST", "hub/slices", SERVICE_TOKEN, request).json()
        pod = {
            "pod_uid": secrets.token_hex(16),
            "namespace": NAMESPACE,
            "pod_name": f"jupyter-{owner}",
        }
        path = f"hub/slices/{lease['slice_id']}/pod"
        self.call("POST", path, SERVICE_TOKEN, {**pod, "template": _TEMPLATE})
        self.call("POST", path, SERVICE_TOKEN, {**pod, "node": lease["node"]})
        return Asker(token, lease["slice_id"])

    def answers(self) -> dict[str, str]:
        """What is answered to one request of each kind."""
        asker = self.askers[0]
        return {
            kind: self.call("GET", path.replace("{slice}", asker.slice_id), asker.token).text
            for kind, (path, _) in KINDS.items()
        }


@contextmanager
def service(hub: FakeHub, kube: FakeKube, users: int, folder: Path) -> Iterator[Service]:
    """Start the service with its agents; nobody has a slice yet."""
    nodes = [f"load-{number:03}" for number in range(-(-users // (CARDS_A_NODE * SLICES_A_CARD)))]
    tokens = {node: secrets.token_hex(16) for node in nodes}
    (folder / "nodes").mkdir(mode=0o700)
    for node, token in tokens.items():
        write_private(folder / "nodes" / node, token.encode())
    write_private(folder / "token", SERVICE_TOKEN.encode())
    (folder / "quota.yaml").write_text(QUOTA)
    port, log = free_port(), folder / "service.log"
    options = {
        "port": port,
        "hub-api-url": hub.url,
        "token-file": folder / "token",
        "state-folder": folder / "state",
        "quota-file": folder / "quota.yaml",
        "node-secrets-folder": folder / "nodes",
        "SubletHub.kubeconfig": _kubeconfig(kube, folder),
        "SubletHub.kube_namespace": NAMESPACE,
        "SubletHub.job_backend": "kubernetes",
        "SubletHub.homes_are_shared": True,
        "SubletHub.job_priority_class": "",
    }
    words = [str(_BIN / "sublet-hub"), *(f"--{name}={value}" for name, value in options.items())]
    with (
        log.open("wb") as said,
        subprocess.Popen(words, cwd=folder, stdout=said, stderr=said) as program,
        requests.Session() as session,
    ):
        session.trust_env = False
        found = Service(port, psutil.Process(program.pid), hub, session, log)
        found.process.rlimit(psutil.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        try:
            _await(program, found)
            link = f"ws://127.0.0.1:{port}{PREFIX}api/agents/link"
            with agents(link, tokens, CARDS_A_NODE, folder):
                yield found
        finally:
            _end(program)


@contextmanager
def bare_server(answers: Mapping[str, str], folder: Path) -> Iterator[int]:
    """Start the baseline; yields its port."""
    port, file = free_port(), folder / "answers.json"
    file.write_text(json.dumps(answers))
    command = [sys.executable, str(Path(__file__).with_name("bare_server.py"))]
    command += [str(port), PREFIX, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline(), "the baseline's server has ended"
            yield port
        finally:
            _end(program)


def environment() -> dict[str, str]:
    """Return the environment of the benchmark's own programs."""
    parts = Path(__file__).parents[1]
    return {**os.environ, "PYTHONPATH": f"{parts}{os.pathsep}{parts.parents[1]}"}


@dataclass
class Memory:
    """What a process has in memory, in MiB, as it was seen from time to time."""

    seen: list[float] = field(default_factory=list)

    def after(self, part: float) -> float:
        """Return what it had when this part of the time was over."""
        return self.seen[int((len(self.seen) - 1) * part)]


@contextmanager
def watched_memory(process: psutil.Process, every_s: float = 0.5) -> Iterator[Memory]:
    """Look meanwhile, and once at the end."""
    memory, over = Memory(), threading.Event()

    def look() -> None:
        memory.seen.append(process.memory_info().rss / 2**20)

    def look_again_and_again() -> None:
        while not over.wait(every_s):
            look()

    look()
    watcher = threading.Thread(target=look_again_and_again, daemon=True)
    watcher.start()
    try:
        yield memory
    finally:
        over.set()
        watcher.join()
        look()


def _await(program: "subprocess.Popen[bytes]", found: Service) -> None:
    ends_s = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < ends_s:
        assert program.poll() is None, f"the service has ended:\n{found.log.read_text()[-3000:]}"
        try:
            if found.session.get(f"http://127.0.0.1:{found.port}{PREFIX}health", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    message = f"the service did not answer:\n{found.log.read_text()[-3000:]}"
    raise AssertionError(message)


def _end(program: "subprocess.Popen[Any]") -> None:
    program.terminate()
    try:
        program.wait(_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        program.kill()


def _kubeconfig(kube: FakeKube, folder: Path) -> Path:
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": kube.url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    write_private(path, json.dumps(told).encode())
    return path
