"""The stand-in's server: ``python -m tests.support.nvidia_stand_in.server``.

One machine with two doors: the libraries' (``--door``), and that of the daemon of simulated GPUs
(``--socket``), by which tests see what really is and ask for faults.
"""

import argparse
import asyncio
import os
import signal
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sublet_agent.simulated.daemon import listen
from sublet_agent.simulated.machine.card import Card
from sublet_agent.simulated.machine.machine import SimulatedMachine
from sublet_agent.simulated.machine.memory.store import CardStore
from sublet_agent.simulated.machine.speeds import INSTANT, Speeds
from sublet_agent.simulated.server.host_processes import HostProcesses
from sublet_agent.simulated.server.server import SimulatedGpuServer
from sublet_quota.names.ids import GpuId

from tests.support.nvidia_stand_in.behaviours import Behaviours, CardSwitches
from tests.support.nvidia_stand_in.checkpoint_calls import CheckpointCalls
from tests.support.nvidia_stand_in.cuda_calls import CudaCalls
from tests.support.nvidia_stand_in.door import Door
from tests.support.nvidia_stand_in.nvml_calls import NvmlCalls
from tests.support.nvidia_stand_in.programs import Programs

CARD_GIB = 80
NAME = "NVIDIA H100 80GB HBM3"
_NAMESPACE = uuid.UUID("6f1b2a52-7f0f-5c0e-9a63-3b1f6d5c8e22")


def gpu_id(index: int) -> GpuId:
    """Return the id of a card, the same each time."""
    return GpuId(f"GPU-{uuid.uuid5(_NAMESPACE, str(index))}")


class Control:
    """What a test may switch and ask, by name."""

    def __init__(self, machine: SimulatedMachine, behaviours: Behaviours) -> None:
        self._machine = machine
        self._behaviours = behaviours
        self.door: Door | None = None

    def __call__(self, wish: Mapping[str, Any]) -> Any:
        act = getattr(self, f"do_{wish['do']}")
        return act(**wish["with"])

    def do_switch(self, **switches: Any) -> None:
        self._behaviours.switch(**switches)

    def do_switch_card(self, index: int, **switches: Any) -> None:
        self._behaviours.switch_card(index, **switches)

    def do_answer(self, **rule: Any) -> None:
        self._behaviours.add_rule(**rule)

    def do_release(self) -> None:
        assert self.door is not None
        self.door.release()

    def do_reset(self) -> None:
        """Forget all rules and switches, and let go what is held."""
        self.do_release()
        self._behaviours.reset()
        self._machine.faults.faults.clear()

    def do_calls(self) -> list[dict[str, Any]]:
        return list(self._behaviours.calls)

    def do_forget_calls(self) -> None:
        self._behaviours.calls.clear()

    def do_join_mps(self, pid: int) -> None:
        self._machine.processes[pid].mps = True


def machine_of(options: argparse.Namespace) -> SimulatedMachine:
    """Return the machine that the options describe."""
    gib = options.mib_per_gib
    cards = [
        Card(gpu_id(index), index, NAME, CardStore(CARD_GIB * gib, options.bytes_per_mib))
        for index in range(options.cards)
    ]
    speeds = _speeds(options.speed, gib / 1024) if options.speed else INSTANT
    return SimulatedMachine(cards, speeds, HostProcesses(), gib // 2)


def _speeds(speed: float, size: float) -> Speeds:
    """Return a real card's speeds, ``speed`` times as fast, its memory ``size`` times as large."""
    fast = Speeds().faster(speed)
    return replace(
        fast,
        out_mib_s=fast.out_mib_s * size,
        out_total_mib_s=fast.out_total_mib_s * size,
        back_mib_s=fast.back_mib_s * size,
        back_total_mib_s=fast.back_total_mib_s * size,
    )


async def serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    machine = machine_of(options)
    server = SimulatedGpuServer(machine, os.getuid(), loop)
    behaviours = Behaviours(cards=[CardSwitches() for _ in machine.cards])
    programs: Programs = {}
    cuda = CudaCalls(machine, behaviours, programs)
    checkpoint = CheckpointCalls(machine, behaviours, programs)
    nvml = NvmlCalls(machine, behaviours)
    control = Control(machine, behaviours)
    handlers = {**cuda.handlers, **checkpoint.handlers, **nvml.handlers}
    door = Door(server, behaviours, handlers, control)
    door.left = checkpoint.leave
    control.door = door
    listening = [
        await loop.create_unix_server(connect, sock=listen(Path(path)), backlog=512)
        for path, connect in ((options.socket, server.connect), (options.door, door.connect))
    ]
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    print("ready", flush=True)
    await stopped.wait()
    for each in listening:
        each.close()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--door", required=True)
    parser.add_argument("--cards", type=int, required=True)
    parser.add_argument("--mib-per-gib", type=int, required=True)
    parser.add_argument("--bytes-per-mib", type=int, required=True)
    parser.add_argument("--speed", type=float, required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
