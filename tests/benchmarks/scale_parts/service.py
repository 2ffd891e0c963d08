"""The service of the benchmark, in a process of its own, and what it takes of the machine."""

import json
import secrets
import statistics
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
from scale_parts.cluster import SERVICE, Cluster
from scale_parts.size import JOB_MIB, QUOTA
from sublet_hub.host.private_files import write_private

from tests.support.hub_world import FakeHub, user_scopes
from tests.support.kube.processes import Program, wait_for

PORT: Final = 17201
PREFIX: Final = "/services/sublet/"
_BIN: Final = Path(sys.executable).parent
_HERE: Final = Path(__file__).parent
_AT_ONCE: Final = 4
_LONG_S: Final = 900.0
_ACCOUNT: Final[Mapping[str, Any]] = {
    "uid": 1000,
    "gid": 100,
    "home": "/home/jovyan",
    "notebook_dir": "/home/jovyan",
    "python": "/opt/conda/bin/python",
    "environment": {"TEAM": "vision"},
}
_TEMPLATE: Final[Mapping[str, Any]] = {
    "image": "registry.example/notebook:1",
    "volumes": [{"name": "home", "emptyDir": {}}],
    "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}],
    "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
}


@dataclass(frozen=True)
class Taken:
    """What a process took in a time."""

    seconds: float
    cores: float
    rss_mib: float
    """The most that was seen in this time."""
    answers_ms: list[float]
    """How long the service took to answer small questions meanwhile."""


def measure(process: psutil.Process, seconds: float, ask: Any = None) -> Taken:
    """Look on for a while."""
    answers, rss = [], []
    began, before = time.monotonic(), process.cpu_times()
    while (left_s := began + seconds - time.monotonic()) > 0:
        if ask is not None:
            asked = time.perf_counter()
            ask()
            answers.append(1000 * (time.perf_counter() - asked))
        rss.append(process.memory_info().rss / 2**20)
        time.sleep(min(0.5, left_s))
    after = process.cpu_times()
    took = time.monotonic() - began
    used = after.user + after.system - before.user - before.system
    return Taken(took, used / took, max(rss), answers)


@dataclass
class Agents:
    """The process of all pretended agents."""

    process: subprocess.Popen[str]
    said: list[dict[str, Any]] = field(default_factory=list)

    def lend(self, rooms: Mapping[str, int]) -> float:
        """Have nodes' agents lend so much on each card; returns when all had said so."""
        before = len(self.said)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"room": rooms}) + "\n")
        self.process.stdin.flush()
        wait_for(lambda: len(self.said) > before, _LONG_S, "the agents to lend")
        return float(self.said[-1]["told_at"])

    def sent(self) -> int:
        """How many reports they have sent so far."""
        self.lend({})
        return int(self.said[-1]["sent"])

    @property
    def lost(self) -> list[str]:
        """Why they were hung up on so far, as of the last that they said."""
        return list(self.said[-1]["lost"])

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))


@contextmanager
def agents(
    url: str, tokens: Mapping[str, str], cards: int, folder: Path
) -> Iterator[tuple[Agents, float]]:
    """Connect agents; yields them, and how long that took."""
    file = folder / "agents-tokens"
    write_private(file, "\n".join(f"{n} {t}" for n, t in tokens.items()).encode())
    command = [sys.executable, str(_HERE / "agents.py"), url, str(file), str(cards)]
    began = time.monotonic()
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=_environment()) as made:
        found = Agents(made)
        threading.Thread(target=found.read, daemon=True).start()

        def connected() -> bool:
            assert made.poll() is None, "the agents have ended"
            return bool(found.said)

        try:
            wait_for(connected, _LONG_S, "the agents to connect")
            yield found, time.monotonic() - began
        finally:
            made.kill()


@contextmanager
def reading_server(slices: int) -> Iterator[tuple[str, psutil.Process]]:
    """Start the baseline's server; yields where agents reach it, and its process."""
    command = [sys.executable, str(_HERE / "reading_server.py"), str(PORT), str(slices)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            url = f"ws://127.0.0.1:{PORT}{PREFIX}api/agents/link"
            threading.Thread(target=server.stdout.read, daemon=True).start()
            yield url, psutil.Process(server.pid)
        finally:
            server.kill()


def _environment() -> dict[str, str]:
    paths = f"{_HERE.parent}:{_HERE.parent.parent.parent}"
    return {"PATH": f"{_BIN}:/usr/bin:/bin", "PYTHONPATH": paths}


@dataclass
class Service:
    """The running service, and who asks it."""

    cluster: Cluster
    hub: FakeHub
    program: Program
    token: str
    session: requests.Session
    slices: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    """On which nodes servers are."""

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.program.process.pid)

    @property
    def url(self) -> str:
        return f"http://{self.cluster.plane.network.own_address}:{PORT}{PREFIX}"

    @property
    def link_url(self) -> str:
        return f"{self.url.replace('http', 'ws', 1)}api/agents/link"

    def call(self, method: str, path: str, token: str, body: Any = None) -> Any:
        answer = self.session.request(
            method,
            f"{self.url}api/{path}",
            headers={"Authorization": f"token {token}"},
            json=body,
            timeout=300,
        )
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def start_servers(self, count: int) -> list[float]:
        """Ask for slices and tell of pods, as the spawner does; returns how long each took."""
        with ThreadPoolExecutor(_AT_ONCE) as at_once:
            return list(at_once.map(self._start_server, range(count)))

    def _start_server(self, number: int) -> float:
        owner = f"user{number:05}"
        self.hub.servers[owner] = {""}
        began = time.perf_counter()
        request = {"owner": owner, "server": "", "size": "most", "account": _ACCOUNT}
        lease = self.call("POST", "hub/slices", self.token, request)
        pod = {
            "pod_uid": secrets.token_hex(16),
            "namespace": self.cluster.api.namespace,
            "pod_name": f"jupyter-{owner}",
        }
        path = f"hub/slices/{lease['slice_id']}/pod"
        template = {"namespace": self.cluster.api.namespace, **_TEMPLATE}
        self.call("POST", path, self.token, {**pod, "template": template})
        self.call("POST", path, self.token, {**pod, "node": lease["node"]})
        took = time.perf_counter() - began
        self.slices.append(lease["slice_id"])
        self.nodes.append(lease["node"])
        return took

    def submit_jobs(self, count: int) -> list[float]:
        """Submit jobs, one of each owner; returns how long each took."""
        with ThreadPoolExecutor(_AT_ONCE) as at_once:
            return list(at_once.map(self._submit, range(count)))

    def _submit(self, number: int) -> float:
        owner = f"user{number:05}"
        token = self.hub.add(f"token-of-{owner}-canary", owner, user_scopes(owner))
        began = time.perf_counter()
        self.call("POST", "jobs", token, {"notebook": "train.ipynb", "memory_mib": JOB_MIB})
        return time.perf_counter() - began

    def ask(self) -> None:
        """Ask for one slice, as the hub does."""
        self.call("GET", f"hub/slices/{self.slices[0]}", self.token)

    def jobs(self) -> dict[str, int]:
        """How many jobs there are in each state, as the service's metrics tell."""
        text = self.session.get(f"{self.url}metrics", timeout=60).text
        lines = [line for line in text.splitlines() if line.startswith("sublet_jobs{")]
        return {line.split('"')[1]: int(float(line.split()[-1])) for line in lines}


@contextmanager
def service(cluster: Cluster, hub: FakeHub, folder: Path) -> Iterator[Service]:
    """Start the service as the chart has it run."""
    folder.mkdir()
    token, address = secrets.token_hex(16), cluster.plane.network.own_address
    write_private(folder / "token", token.encode())
    (folder / "quota.yaml").write_text(QUOTA)
    options = {
        "ip": address,
        "port": PORT,
        "hub-api-url": hub.url,
        "token-file": folder / "token",
        "state-folder": folder / "state",
        "quota-file": folder / "quota.yaml",
        "SubletHub.kubeconfig": cluster.api.account_kubeconfig(SERVICE),
        "SubletHub.kube_namespace": cluster.api.namespace,
        "SubletHub.agent_identity": "kubernetes",
        "SubletHub.writer_lease": f"writer-{folder.name}",
        "SubletHub.job_backend": "kubernetes",
        "SubletHub.homes_are_shared": True,
        "SubletHub.job_priority_class": "",
        "SubletHub.job_pending_s": 3600,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    program = cluster.plane.programs.start(f"hub-{folder.name}", [_BIN / "sublet-hub", *words])
    session = requests.Session()
    session.trust_env = False
    found = Service(cluster, hub, program, token, session)

    def answers() -> bool:
        program.must_run()
        try:
            return session.get(f"{found.url}health", timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        wait_for(answers, 120, program.tail)
        yield found
    finally:
        program.stop(60)
        cluster.plane.programs.running.remove(program)
        session.close()


def median(values: list[float]) -> float:
    return statistics.median(values)


def at(values: list[float], part: float) -> float:
    """Return the value below which a part of them lies."""
    return sorted(values)[int((len(values) - 1) * part)]
