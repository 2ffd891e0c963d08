"""A machine with everything on it, from nothing to a hub that answers."""

import json
import shutil
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from sublet_hub.one_machine.folder_lock import FolderClaim, FolderInUseError, Started
from sublet_hub.one_machine.hub_configuration import hub_configuration_text
from sublet_hub.one_machine.paths import NODE, PRIVATE_FILE, Places
from sublet_hub.one_machine.processes import (
    Part,
    Parts,
    answers,
    listens,
    own_environment,
    stop_with_all_it_started,
)
from sublet_hub.one_machine.signals import made_to_wait

DEFAULT_QUOTA = """\
# The quota document: see quota/quota.schema.json for all that it can say. Changes are taken up
# while the hub runs; a document with an error is refused, and the one before stays in force.
pools:
  interactive:
    memory_overcommit: 2
    idle_after: 1m
    give_back_within: 60s
"""


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """The settings of the hub, agent and GPUs on this machine."""

    places: Places
    simulated: bool
    password: str
    """The password of every user; 8 characters or more."""
    admin_password: str
    """The password of the user ``admin``; 32 characters or more."""
    quota: str = DEFAULT_QUOTA
    speed: float = 1.0
    """How fast the simulated GPU moves memory, 1 being as measured on an H100."""
    gpu_memory_gib: float = 80
    """The memory of the simulated GPU."""
    unsafe_skip_room_check: bool = False
    """Simulated GPUs only: show what happens without the check for room."""


@dataclass(slots=True)
class OneMachine:
    """A context with everything on one machine: all parts run inside, nothing is left outside."""

    settings: MachineSettings
    say: Callable[[str], None]
    claim: FolderClaim = field(init=False)
    parts: Parts = field(init=False)

    def __post_init__(self) -> None:
        """Begin without parts."""
        places = self.settings.places
        self.claim = FolderClaim(places.claim_file)
        self.parts = Parts(places.logs, self.claim.note)

    def __enter__(self) -> Self:
        """Start all parts and wait until they answer. ``FolderInUseError`` where others run."""
        self.claim.take()
        try:
            self._stop_left_over()
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop all parts."""
        self._stop()

    def _stop(self) -> None:
        with made_to_wait():
            self.parts.stop()
            self.claim.give_up()

    def _stop_left_over(self) -> None:
        for each in reversed(self.claim.left_over):
            process = each.find()
            if process is not None:
                self.say(f"A killed run left its {each.name} (process {each.pid}): stopping it ...")
                self._stop_one_left_over(each, process)

    def _stop_one_left_over(self, left: Started, process: psutil.Process) -> None:
        try:
            stop_with_all_it_started(process)
        except psutil.Error as error:
            message = (
                f"{self.settings.places.folder} is in use: the {left.name} of a killed run "
                f"(process {left.pid}) cannot be stopped: {error}. Stop it as who may, such as by "
                f"`sudo kill {left.pid}`, then start again."
            )
            raise FolderInUseError(message) from error

    def _start(self) -> None:
        places = self.settings.places
        places.make()
        if not places.quota_file.exists() or self.settings.quota != DEFAULT_QUOTA:
            places.quota_file.write_text(self.settings.quota, encoding="utf-8")
        python = sys.executable
        environment = own_environment(Path(sys.prefix))
        if shutil.which("configurable-http-proxy", path=environment["PATH"]) is None:
            message = "configurable-http-proxy is not here: run `make setup` first"
            raise FileNotFoundError(message)
        # They start side by side. Who needs another comes after it: the agent asks for GPUs and
        # service at once, and the hub, which takes the longest, for the service only later.
        if self.settings.simulated:
            gpus = self._start_simulated_gpus(python, environment)
        service = self._start_service(python, environment)
        hub = self._start_hub(python, environment)
        if self.settings.simulated:
            self.parts.wait(gpus, lambda: listens(places.simulated_socket))
        health = f"{places.service_listens_at}/services/sublet/health"
        self.parts.wait(service, lambda: answers(health))
        agent = self._start_agent(python, environment)
        self.parts.wait(hub, lambda: answers(f"{places.hub_url}/hub/api/"))
        self.parts.wait(agent, self._gpus_are_known)

    def _start_simulated_gpus(self, python: str, environment: dict[str, str]) -> Part:
        settings, places = self.settings, self.settings.places
        # The cards are new with each start: what failed the last time does not matter to these.
        (places.folder / "agent" / "closed-gpus.json").unlink(missing_ok=True)
        return self.parts.start(
            "simulated-gpus",
            [
                python,
                "-m",
                "sublet_agent.simulated.daemon",
                f"--socket={places.simulated_socket}",
                "--gpus=1",
                f"--memory-gib={settings.gpu_memory_gib}",
                f"--speed={settings.speed}",
            ],
            environment,
        )

    def _start_hub(self, python: str, environment: dict[str, str]) -> Part:
        places = self.settings.places
        for name, password in (
            ("password", self.settings.password),
            ("admin-password", self.settings.admin_password),
        ):
            file = places.folder / "secrets" / name
            file.touch(PRIVATE_FILE)
            file.write_text(password, encoding="utf-8")
        text = hub_configuration_text(places, python=python, simulated=self.settings.simulated)
        places.hub_configuration.write_text(text, encoding="utf-8")
        return self.parts.start(
            "hub",
            [python, "-m", "jupyterhub", "-f", str(places.hub_configuration)],
            environment,
        )

    def _start_service(self, python: str, environment: dict[str, str]) -> Part:
        places = self.settings.places
        command = [
            python,
            "-m",
            "sublet_hub.app.application",
            f"--port={places.ports.service}",
            f"--token-file={places.token_file}",
            f"--state-folder={places.folder / 'service'}",
            f"--quota-file={places.quota_file}",
            f"--hub-api-url=http://127.0.0.1:{places.ports.hub}/hub/api",
            f"--node-secrets-folder={places.node_secrets}",
            f"--agent-socket={places.agent_socket}",
            f"--service-url={places.service_url}",
        ]
        if self.settings.simulated:
            command.append(f"--simulated-socket={places.simulated_socket}")
        return self.parts.start("service", command, environment)

    def _start_agent(self, python: str, environment: dict[str, str]) -> Part:
        settings, places = self.settings, self.settings.places
        command = [
            python,
            "-m",
            "sublet_agent.app.application",
            f"--node={NODE}",
            f"--service-url={places.service_listens_at}/services/sublet/",
            f"--secret-file={places.node_secrets / NODE}",
            f"--state-folder={places.folder / 'agent'}",
            f"--tenant-socket={places.agent_socket}",
            f"--device={'simulated' if settings.simulated else 'nvidia'}",
        ]
        if settings.simulated:
            command.append(f"--simulated-socket={places.simulated_socket}")
        if settings.unsafe_skip_room_check:
            command.append("--unsafe-skip-room-check")
        return self.parts.start("agent", command, environment)

    def _gpus_are_known(self) -> bool:
        """Whether the agent has told the service of its GPUs."""
        places = self.settings.places
        token = places.token_file.read_text(encoding="ascii").strip()
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{places.service_listens_at}/services/sublet/api/hub/offers?owner=nobody",
            headers={"Authorization": f"token {token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=3) as answer:  # noqa: S310 - as above
                return any(offer["allowed"] for offer in json.load(answer)["offers"])
        except OSError:
            return False
