"""A machine with everything on it, from nothing to a hub that answers."""

import json
import shutil
import sys
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from sublet_hub.one_machine.adopted import adopt_orphans, end_adopted, no_zombies
from sublet_hub.one_machine.folder_lock import FolderClaim, FolderInUseError, Started
from sublet_hub.one_machine.hub_configuration import hub_configuration_text
from sublet_hub.one_machine.part_keeper import PartKeeper
from sublet_hub.one_machine.plans import Plan, plans_of
from sublet_hub.one_machine.ports import is_taken
from sublet_hub.one_machine.processes import (
    Part,
    PartDidNotStartError,
    Parts,
    own_environment,
    stop_with_all_it_started,
)
from sublet_hub.one_machine.settings import DEFAULT_QUOTA, MachineSettings
from sublet_hub.one_machine.signals import made_to_wait


@dataclass(slots=True)
class OneMachine:
    """A context with everything on one machine: all parts run inside, nothing is left outside."""

    settings: MachineSettings
    say: Callable[[str], None]
    adopts: bool = False
    """Whether this program is there for the machine alone, and so takes over what dead parts have
    left: that ends with the machine, too.
    """
    claim: FolderClaim = field(init=False)
    parts: Parts = field(init=False)
    plans: dict[str, Plan] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Begin without parts."""
        places = self.settings.places
        self.claim = FolderClaim(places.claim_file)
        self.parts = Parts(places.logs, self.claim.note)

    def __enter__(self) -> Self:
        """Start all parts and wait until they answer. ``FolderInUseError`` where others run."""
        if self.adopts:
            adopt_orphans()
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
            if self.adopts:
                with no_zombies(self.parts.pids):
                    self.parts.stop()
                end_adopted()
            else:
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
        settings, places = self.settings, self.settings.places
        places.make()
        if not places.quota_file.exists() or settings.quota != DEFAULT_QUOTA:
            places.quota_file.write_text(settings.quota, encoding="utf-8")
        path = own_environment(Path(sys.prefix))["PATH"]
        if shutil.which("configurable-http-proxy", path=path) is None:
            message = "configurable-http-proxy is not here: run `make setup` first"
            raise FileNotFoundError(message)
        if is_taken(places.ports.public):
            message = (
                f"port {places.ports.public} is another program's: end that one, or name another "
                "port: make up UP_OPTIONS='--port 8001'"
            )
            raise PartDidNotStartError(message)
        text = hub_configuration_text(places, python=sys.executable, simulated=settings.simulated)
        places.hub_configuration.write_text(text, encoding="utf-8")
        self.plans = plans_of(settings)
        # They start side by side, but for who needs another at once.
        started: dict[str, Part] = {}
        for plan in self.plans.values():
            if plan.name == "agent":
                self._wait_for(started, "service", "simulated-gpus")
            plan.before_start()
            started[plan.name] = self.parts.start(plan.launch)
        self._wait_for(started, "proxy", "hub")
        self.parts.wait(started["agent"], self._gpus_are_known)

    def _wait_for(self, started: Mapping[str, Part], *names: str) -> None:
        for name in names:
            if name in started:
                self.parts.wait(started[name], self.plans[name].answers)

    def keep_running(self, stop: threading.Event) -> None:
        """Start again what ends, until told to stop. ``PartGoneError``: a vital part is gone.

        Returns, too, where the hub was told to stop, such as on its admin page.
        """
        PartKeeper(self.parts, self.plans, self.say, self.claim.note).keep(stop)

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
