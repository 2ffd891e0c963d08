"""A whole Sublet on this machine for the tests that look at it through a browser."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
import requests
from sublet_hub.one_machine.demo.jupyter_client import Person
from sublet_hub.one_machine.machine import OneMachine
from sublet_hub.one_machine.paths import Places
from sublet_hub.one_machine.ports import held_ports
from sublet_hub.one_machine.settings import MachineSettings
from sublet_quota.life_cycles.job_states import ENDED
from sublet_quota.wire.event_kinds import EventKind
from tornado.httpclient import AsyncHTTPClient

QUOTA = """\
gpu_types:
  H100: {match: "*H100*"}
pools:
  - name: interactive
    memory_overcommit: 2
    compute_overcommit: 4
    idle_after: 3s
    turn: 1h
    give_back_within: 60s
    lend_at_least: 2s
sizes:
  - {name: small, title: Small, memory: 10 GiB, compute: 0.25}
  - {name: large, title: Large, memory: 40 GiB, compute: 0.5}
  - {name: night, title: Night shift, memory: 20 GiB, compute: 0.25, for: [speech]}
everyone:
  limit: {memory: 60 GiB}
  jobs: {limit: {cards: 4}}
groups:
  vision: {limit: {memory: 45 GiB}, guaranteed: {H100: 0.25}, jobs: {limit: {cards: 4}}}
  speech: {}
exceptions:
  - {who: [dora], set: {limit: {memory: 20 GiB}, jobs: {most: 2}}, why: tests of limits}
"""
GROUPS = {"vision": ("ada", "bea"), "speech": ("cleo",)}
IN_NO_GROUP = ("dora", "eva", "finn", "gwen")


@dataclass(slots=True)
class BrowserMachine:
    """A running machine, and what its admin can do to it."""

    machine: OneMachine
    token: str
    """Of the user ``admin``."""

    @property
    def settings(self) -> MachineSettings:
        return self.machine.settings

    @property
    def places(self) -> Places:
        return self.machine.settings.places

    def home(self, user: str) -> Path:
        """The folder that a user's JupyterLab shows."""
        return self.places.homes / user

    def call(
        self, method: str, path: str, body: object = None, token: str | None = None
    ) -> requests.Response:
        """Ask the hub, or a service or a server behind it, as the admin or by another's token."""
        answer = self._ask(method, path, body, token)
        assert answer.ok, answer.text
        return answer

    def _ask(
        self, method: str, path: str, body: object = None, token: str | None = None
    ) -> requests.Response:
        with requests.Session() as session:
            return session.request(
                method,
                self.places.hub_url + path,
                json=body,
                headers={"Authorization": f"token {token or self.token}"},
                timeout=120,
            )

    def start_server(self, user: str, size: str) -> None:
        """Start a user's server, unless it runs, and wait until it answers."""
        if not self._server(user):
            self.call("POST", f"/hub/api/users/{user}/server", {"size": size})
        until(lambda: self._starting(user)["ready"], f"the server of {user}")

    def end_kernels(self, user: str) -> None:
        """End what a test before left in memory, while the server runs on."""
        for kernel in self.call("GET", f"/user/{user}/api/kernels").json():
            self.call("DELETE", f"/user/{user}/api/kernels/{kernel['id']}")

    def stop_all(self) -> None:
        """Stop every server and job, so that no test meets what another left."""
        for job_id in self._open_jobs():
            self._cancel(job_id)
        # One that ran is only asked to end.
        until(lambda: not self._open_jobs(), "the jobs to end")
        users = self.call("GET", "/hub/api/users?state=active").json()
        # A server takes seconds to end its kernels: all do so at the same time.
        with ThreadPoolExecutor(max_workers=8) as pool:
            addresses = [f"/hub/api/users/{user['name']}/server" for user in users]
            list(pool.map(partial(self.call, "DELETE"), addresses))
        until(
            lambda: not self.call("GET", "/hub/api/users?state=active").json(),
            "the servers to stop",
        )

    def _open_jobs(self) -> list[str]:
        jobs = self.call("GET", "/services/sublet/api/jobs").json()
        return [job["job_id"] for job in jobs if job["state"] not in ENDED]

    def _cancel(self, job_id: str) -> None:
        answer = self._ask("POST", f"/services/sublet/api/jobs/{job_id}/cancel", {})
        # It may have come to its end by itself since it was seen.
        assert answer.ok or answer.status_code == HTTPStatus.CONFLICT, answer.text

    @contextmanager
    def lending_off(self) -> Iterator[None]:
        """Have lending switched off by the admin meanwhile."""
        self.call("PUT", "/services/sublet/api/lending", {"lending": False})
        try:
            yield
        finally:
            self.call("PUT", "/services/sublet/api/lending", {"lending": True})

    @contextmanager
    def without_service(self) -> Iterator[None]:
        """Have the hub service ended meanwhile, and started again as it was; then it answers."""
        parts = self.machine.parts
        part = next(part for part in parts.running if part.name == "service")
        part.stop()
        try:
            yield
        finally:
            parts.start_again(part)
            until(self._service_answers, "the service to answer")

    def configure_hub(self, more: str) -> None:
        """Add to the hub's configuration, such as roles, and start the hub again with it."""
        with self.places.hub_configuration.open("a", encoding="utf-8") as file:
            file.write(more)
        parts = self.machine.parts
        part = next(part for part in parts.running if part.name == "hub")
        part.stop()
        plan = self.machine.plans["hub"]
        plan.before_start()
        parts.start_again(part)
        until(plan.answers, "the hub to answer")
        until(self._service_answers, "the hub to be reached")

    def _service_answers(self) -> bool:
        headers = {"Authorization": f"token {self.token}"}
        address = self.places.hub_url + "/services/sublet/api/jobs"
        return requests.get(address, headers=headers, timeout=120).ok

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Have a part of the machine stand still meanwhile: it is there, and answers nothing."""
        part = next(part for part in self.machine.parts.running if part.name == name)
        process = psutil.Process(part.process.pid)
        _stop(process)
        # What it has started may end by itself at any moment, as the agent's canary does.
        processes = process.children(recursive=True)
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                _stop(each)
        try:
            yield
        finally:
            for each in reversed(processes):
                with suppress(psutil.NoSuchProcess):
                    each.resume()
            process.resume()

    def run_cells(self, user: str, *cells: str) -> None:
        """Run cells in a new kernel of a user whose server runs, without a page; it stays."""
        person = Person(self.places.hub_url, user, self.settings.password)
        # A browser that runs already has the event loop of this thread.
        with ThreadPoolExecutor(max_workers=1) as apart:
            apart.submit(asyncio.run, _run_cells(person, cells)).result()

    def slice_of(self, user: str) -> dict[str, Any]:
        """The slice of a user's server, as the service tells it."""
        told = self.call("GET", "/services/sublet/api/gpus").json()
        return next(
            each
            for gpu in told
            for each in gpu["slices"]
            if (each["lease"]["owner"], each["lease"]["holder"]) == (user, "notebook")
        )

    def submit(self, user: str, **request: object) -> str:
        """Submit a job as a user who has had a server; give its id."""
        asked = {"note": "as from a command line"}
        token = self.call("POST", f"/hub/api/users/{user}/tokens", asked).json()["token"]
        job = self.call("POST", "/services/sublet/api/jobs", request, token).json()
        return str(job["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """A job, as the service tells it."""
        told: dict[str, Any] = self.call("GET", f"/services/sublet/api/jobs/{job_id}").json()
        return told

    def _starting(self, user: str) -> dict[str, Any]:
        server = self._server(user)
        assert server, f"the server of {user} did not start: the hub's log says why"
        return server

    def _server(self, user: str) -> dict[str, Any]:
        servers: dict[str, Any] = self.call("GET", f"/hub/api/users/{user}").json()["servers"]
        return servers.get("", {})

    def keep_logs(self, folder: Path) -> None:
        """Copy every part's log, to be read after a failure."""
        shutil.copytree(self.places.logs, folder, dirs_exist_ok=True)


@contextmanager
def browser_machine(
    quota: str = QUOTA,
    groups: dict[str, tuple[str, ...]] | None = None,
    speed: float = 1.0,
    gpus: int = 1,
    quota_source: str = "file",
) -> Iterator[BrowserMachine]:
    """Start a hub with simulated GPUs of 80 GiB, and make its groups."""
    # pytest's own folders have longer names than a Unix socket's address may have.
    with tempfile.TemporaryDirectory(prefix="sublet-browser-") as folder, held_ports() as ports:
        settings = MachineSettings(
            Places(Path(folder), ports),
            simulated=True,
            quota=quota,
            speed=speed,
            simulated_gpus=gpus,
            quota_source=quota_source,
        )
        with OneMachine(settings, lambda _: None) as machine:
            admin = Person(settings.places.hub_url, "admin", settings.admin_password)
            # A browser that runs already has the event loop of this thread.
            with ThreadPoolExecutor(max_workers=1) as apart:
                apart.submit(asyncio.run, log_in(admin)).result()
            running = BrowserMachine(machine, admin.token)
            for user in IN_NO_GROUP:
                running.call("POST", f"/hub/api/users/{user}")
            for group, members in (GROUPS if groups is None else groups).items():
                running.call("POST", f"/hub/api/groups/{group}")
                for member in members:
                    running.call("POST", f"/hub/api/users/{member}")
                running.call("POST", f"/hub/api/groups/{group}/users", {"users": members})
            yield running


def returns_of(hub: BrowserMachine, user: str) -> int:
    """How often the memory of a user's slice has come back to the GPU."""
    slice_id = hub.slice_of(user)["lease"]["slice_id"]
    events = hub.call("GET", "/services/sublet/api/events").json()
    return sum((each["kind"], each["slice_id"]) == (EventKind.RESUMED, slice_id) for each in events)


def _stop(process: psutil.Process) -> None:
    """Stop a process, and wait until it stands: until its threads run, it may still answer."""
    process.suspend()
    still = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    until(lambda: process.status() in still, f"{process} to stand still")


def until(found: Callable[[], Any], what: str, within_s: float = 300) -> Any:
    """Ask until there is something, and return it."""
    ends = time.monotonic() + within_s
    while not (answer := found()):
        assert time.monotonic() < ends, f"waited {within_s:g} s in vain for {what}"
        time.sleep(0.3)
    return answer


async def log_in(person: Person) -> None:
    await person.log_in()
    AsyncHTTPClient().close()


async def _run_cells(person: Person, cells: tuple[str, ...]) -> None:
    await person.log_in()
    kernel = await person.open_kernel()
    try:
        for each in cells:
            await kernel.run(each)
    finally:
        # The kernel itself, with all that it holds, stays.
        kernel.close()
        AsyncHTTPClient().close()
