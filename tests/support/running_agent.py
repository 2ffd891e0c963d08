"""A real agent in a process of its own, and a tenant's side of its socket."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sublet_agent.app.application import DRIVER_HELPER_NAME
from sublet_agent.cgroups.node_groups import GROUPS_NAME
from sublet_agent.driver_helper.client import DriverHelper
from sublet_agent.processes.peer import credentials_of

from tests.support.fake_service_link import FakeServiceLink
from tests.support.left_over_groups import note_groups
from tests.support.nursery import NurserySprout, nursery

_WATCHED = "sublet_agent.app.application"
_AGENT = "sublet_agent.app.serving"
"""The module that the watchdog runs."""
DRIVER_HELPER = "sublet_agent.driver_helper"
"""The module that makes all calls of NVIDIA's driver."""


@dataclass
class RunningAgent:
    """``sublet-agent`` (or the agent's own process, without its watchdog) in a folder."""

    folder: Path
    device_options: tuple[str, ...]
    """How it finds the node's GPUs."""
    service: FakeServiceLink
    options: tuple[str, ...] = ()
    module: str = _WATCHED
    process: subprocess.Popen[bytes] | NurserySprout | None = None
    logs: list[Path] = field(default_factory=list)

    @property
    def tenant_socket(self) -> Path:
        return self.folder / "run" / "agent.sock"

    @property
    def journal(self) -> Path:
        return self.folder / "state" / "journal.jsonl"

    def start(self) -> None:
        note_groups("node-1", str((self.folder / "state" / GROUPS_NAME).resolve()))
        secret = self.folder / "secret"
        secret.write_text(self.service.secret)
        log = self.folder / f"agent-{len(self.logs)}.log"
        self.logs.append(log)
        argv = [
            f"--service-url={self.service.url}",
            f"--secret-file={secret}",
            "--node=node-1",
            f"--state-folder={self.folder / 'state'}",
            f"--tenant-socket={self.tenant_socket}",
            *self.device_options,
            *self.options,
        ]
        if not any("canary=" in option for option in self.options):
            # Cards are tried in tests of that: in the others they are fit from the first moment.
            argv.append("--SubletAgent.canary=False")
        with log.open("wb") as output:
            if self.module == _WATCHED:
                # Its parent starts programs itself: nothing would be saved.
                command = [sys.executable, "-m", self.module, *argv]
                self.process = subprocess.Popen(command, stdout=output, stderr=output)
            else:
                handle = output.fileno()
                self.process = nursery().start(self.module, argv, stdout=handle, stderr=handle)

    def wait_until_serving(self, within_s: float = 60.0) -> None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.text()
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(self.tenant_socket))
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise AssertionError(self.text())

    def text(self) -> str:
        return "\n".join(log.read_text(errors="replace") for log in self.logs)

    def child_pid(self) -> int:
        """Return the agent's own process below the watchdog, which has the driver helper, too.

        A helper that has died stays there, without its words, until the watchdog wants another.
        """
        assert self.process is not None
        deadline = time.monotonic() + 60
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        while time.monotonic() < deadline:
            for pid in path.read_text().split():
                with contextlib.suppress(OSError):
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                    if _AGENT in words:
                        return int(pid)
            time.sleep(0.005)
        raise AssertionError(self.text())

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def helper_pid(self) -> int | None:
        """Return the driver's helper, which outlives an agent that is killed; ``None``: none is."""
        path = self.folder / "state" / DRIVER_HELPER_NAME / "socket"
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            return credentials_of(probe)[0]
        return None

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90)

    def close(self) -> None:
        """Stop it, with the driver's helper, which outlives an agent that is killed."""
        self.stop()
        DriverHelper(self.folder / "state" / DRIVER_HELPER_NAME).stop()


class TenantLine:
    """One connection to the agent's socket, as a kernel has it."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._reader = self._socket.makefile("rb")

    def send(self, **message: Any) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, within_s: float = 60.0) -> dict[str, Any]:
        self._socket.settimeout(within_s)
        line = self._reader.readline()
        assert line, "the agent closed the connection"
        return json.loads(line)

    def enter(self, cell: str = "c1", kernel: str = "k1", within_s: float = 60.0) -> list[Any]:
        """Ask at the gate and wait until it opens; returns the waits told."""
        self.send(type="enter", kernel=kernel, cell=cell)
        waits = []
        deadline = time.monotonic() + within_s
        while (message := self.receive(deadline - time.monotonic()))["type"] != "open":
            waits.append(message)
        return waits

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


def environment_of(slice_id: str) -> dict[str, str]:
    """Return what the spawner sets for a slice's processes, as far as the agent looks at it."""
    return {**os.environ, "SUBLET_SLICE_ID": slice_id}
