"""The daemon ``sublet-simulated-gpus``: simulated cards behind a Unix socket.

Wherever the daemon says anything, it says that it is simulated. Its one socket is for everybody on
the machine: what each may do follows from the user that the kernel says they are.
"""

import asyncio
import errno
import os
import resource
import signal
import socket
import sys
import uuid
from pathlib import Path
from typing import Final

from sublet_quota.amounts.gpu_amounts import MIB_PER_GIB
from sublet_quota.names.ids import GpuId
from traitlets import Bool, Float, Int, Unicode, validate
from traitlets.config import Application

from sublet_agent.processes.core_dumps import leave_no_core_dump
from sublet_agent.simulated.machine.card import Card
from sublet_agent.simulated.machine.card_kinds import MOST_CARDS, CardKind, card_kinds
from sublet_agent.simulated.machine.machine import CONTEXT_MIB, SimulatedMachine
from sublet_agent.simulated.machine.memory.store import CardStore
from sublet_agent.simulated.machine.speeds import INSTANT, Speeds
from sublet_agent.simulated.server.host_processes import HostProcesses
from sublet_agent.simulated.server.server import SimulatedGpuServer

_BYTES_PER_MIB: Final = 1024 * 1024
_NAMESPACE: Final = uuid.UUID("6f1b2a52-7f0f-5c0e-9a63-3b1f6d5c8e21")


def simulated_gpu_id(index: int, name: str = "") -> GpuId:
    """Return the id of a simulated card: always the same for the same machine name and index."""
    return GpuId(f"SIM-{uuid.uuid5(_NAMESPACE, f'{name}/{index}')}")


class SimulatedGpus(Application):
    """The daemon's application: reads its options, then serves until it is told to stop."""

    name = "sublet-simulated-gpus"
    description = "Simulated GPUs for machines without one: real bytes at a stated scale."
    aliases = {
        "socket": "SimulatedGpus.socket",
        "gpus": "SimulatedGpus.gpus",
        "cards": "SimulatedGpus.cards",
        "memory-gib": "SimulatedGpus.memory_gib",
        "type": "SimulatedGpus.type",
        "speed": "SimulatedGpus.speed",
        "scale": "SimulatedGpus.scale",
        "context-mib": "SimulatedGpus.context_mib",
        "machine-name": "SimulatedGpus.machine_name",
    }
    flags = {
        "instant": (
            {"SimulatedGpus": {"instant": True}},
            "Lock and move memory in no time at all.",
        ),
    }

    socket = Unicode(help="Path of the Unix socket to serve.").tag(config=True)
    gpus = Int(1, min=1, max=MOST_CARDS, help="How many cards to simulate.").tag(config=True)
    cards = Unicode(
        "",
        help="Cards of several types, as NUMBERxMODEL:GIB, such as 2xH100:80,4xL4:24; in place of"
        " --gpus, --type and --memory-gib.",
    ).tag(config=True)
    memory_gib = Float(80.0, help="Memory of each card, in simulated GiB.").tag(config=True)
    type = Unicode("Simulated H100 80GB", help="What the cards call themselves.").tag(config=True)
    speed = Float(
        1.0, help="How fast locks and moves are, 1.0 being as measured on a real card."
    ).tag(config=True)
    instant = Bool(False, help="Lock and move memory in no time at all.").tag(config=True)
    scale = Int(
        1024,
        min=1,
        max=_BYTES_PER_MIB,
        help="Simulated bytes for each real one. 1024: a simulated GiB is a real MiB.",
    ).tag(config=True)
    context_mib = Int(
        CONTEXT_MIB, min=1, help="What a process's CUDA context takes, in simulated MiB."
    ).tag(config=True)
    machine_name = Unicode(
        "", help="Part of the cards' ids, where several machines' daemons serve one hub."
    ).tag(config=True)

    @validate("scale")
    def _check_scale(self, proposal: dict[str, int]) -> int:
        if _BYTES_PER_MIB % proposal["value"]:
            message = f"scale is {proposal['value']}: give a power of two up to {_BYTES_PER_MIB}"
            raise ValueError(message)
        return proposal["value"]

    def start(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        if not self.socket:
            sys.exit(f"{self.name}: say which socket to serve: --socket PATH")
        try:
            machine = self.machine()
        except ValueError as error:
            sys.exit(f"{self.name}: {error}")
        path = Path(self.socket)
        _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
        try:
            asyncio.run(self._serve(path, machine))
        finally:
            path.unlink(missing_ok=True)

    def machine(self) -> SimulatedMachine:
        """Return the machine that the options describe."""
        kinds = [kind for kind in self._kinds() for _ in range(kind.number)]
        cards = [
            Card(
                simulated_gpu_id(index, self.machine_name),
                index,
                kind.type,
                CardStore(round(kind.memory_gib * MIB_PER_GIB), _BYTES_PER_MIB // self.scale),
            )
            for index, kind in enumerate(kinds)
        ]
        speeds = INSTANT if self.instant else Speeds().faster(self.speed)
        return SimulatedMachine(cards, speeds, HostProcesses(), self.context_mib)

    def _kinds(self) -> tuple[CardKind, ...]:
        if self.cards:
            return card_kinds(self.cards)
        return (CardKind(self.gpus, self.type, self.memory_gib),)

    async def _serve(self, path: Path, machine: SimulatedMachine) -> None:
        loop = asyncio.get_running_loop()
        server = SimulatedGpuServer(machine, os.getuid(), loop)
        listening = listen(path)
        serving = await loop.create_unix_server(server.connect, sock=listening, backlog=512)
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        ids = " ".join(machine.cards)
        kinds = ", ".join(
            f"{kind.number} simulated GPU(s) of type {kind.type!r} with {kind.memory_gib:g} GiB"
            for kind in self._kinds()
        )
        print(  # noqa: T201
            f"ready: {kinds} at {path}: {ids}",
            flush=True,
        )
        await stopped.wait()
        serving.close()
        server.close()


def listen(path: Path) -> socket.socket:
    """Return a listening socket at ``path`` that everybody may connect to.

    The socket of a daemon that has died is replaced; that of one that lives is not.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            listening.close()
            raise
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(path)) == 0:
                listening.close()
                sys.exit(f"sublet-simulated-gpus: another daemon serves {path}")
        path.unlink()
        listening.bind(str(path))
    path.chmod(0o666)
    listening.listen(512)
    return listening


def main() -> None:
    """Entry point."""
    # All that is on its cards is in this process.
    leave_no_core_dump()
    SimulatedGpus.launch_instance()


if __name__ == "__main__":
    main()
