"""How long an owner waits for their GPU when they run a cell while training has it.

Real hub, service, agent and kernels on this machine; the GPU is simulated, with moves that take
no time (what Sublet adds) and at an H100's speed. The baseline is the same cell on the same hub in
a kernel without Sublet's gate, with no training beside it. Times are in milliseconds.

The simulated device really moves its bytes, at its scale: what it alone takes to do so, asked
directly in the same run, is printed beside and left out of what is added.
"""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sublet_hub.one_machine.demo.jupyter_client import Kernel, Person
from sublet_hub.one_machine.machine import OneMachine
from sublet_hub.one_machine.paths import Places
from sublet_hub.one_machine.ports import held_ports
from sublet_hub.one_machine.settings import MachineSettings

from tests.support.simulated_gpus import simulated_gpus

BASELINE_ROUNDS = 24
QUOTA = """
pools:
  - {name: interactive, idle_after: 1s, give_back_within: 120s, lend_at_least: 0s}
sizes:
  - {name: mine, memory: 40 GiB, compute: 0.5}
"""
CELL = """
import json, time
import sublet_agent.simulated.client as gpu
gpu.compute(seconds=0.0001)
print(json.dumps(time.time()))
"""
TRAIN = """
import sublet_agent.simulated.client as gpu
held = gpu.allocate(gib=hold_gib)
while True:
    gpu.compute(seconds=0.01)
"""
HOLD = """
import sys
import sublet_agent.simulated.client as gpu
held = gpu.allocate(gib=int(sys.argv[1]))
held.fill(1)
print("ready", flush=True)
sys.stdin.readline()
"""
OWN_GIB = 10


@dataclass(frozen=True, slots=True)
class Scene:
    name: str
    job_memory_mib: int | str
    hold_gib: int
    moves_out: bool = False
    moves_back: bool = False


SCENES = (
    Scene("training beside the slice: paused", 30 * 1024, 20),
    Scene("training on the whole GPU: paused, slice comes back", "whole", 20, moves_back=True),
    Scene(
        "training on the whole GPU: suspended, slice comes back",
        "whole",
        60,
        moves_out=True,
        moves_back=True,
    ),
)


def notebook() -> dict:
    def cell(source: str, *tags: str) -> dict:
        return {
            "cell_type": "code",
            "id": f"cell-{len(source)}",
            "execution_count": None,
            "metadata": {"tags": list(tags)},
            "outputs": [],
            "source": source,
        }

    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "cells": [cell("hold_gib = 1", "parameters"), cell(TRAIN)],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def device_alone_ms(gib: int, speed: float) -> tuple[float, float]:
    """Say how long the device takes to move so much out and back, with nobody in between."""
    out, back = [], []
    with simulated_gpus("--speed", str(speed), instant=False) as gpus:
        environment = {**os.environ, "SUBLET_SIMULATED_SOCKET": str(gpus.socket)}
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(gib)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        with holder:
            holder.stdout.readline()
            for _ in range(3):
                began = time.perf_counter()
                gpus.device.pause(holder.pid, 1000)
                gpus.device.suspend(holder.pid)
                out.append((time.perf_counter() - began) * 1000)
                began = time.perf_counter()
                gpus.device.resume(holder.pid)
                gpus.device.unpause(holder.pid)
                back.append((time.perf_counter() - began) * 1000)
            holder.kill()
    return statistics.median(out), statistics.median(back)


def device_ms(scene: Scene, speed: float) -> float:
    out_ms = device_alone_ms(scene.hold_gib, speed)[0] if scene.moves_out else 0.0
    back_ms = device_alone_ms(OWN_GIB, speed)[1] if scene.moves_back else 0.0
    return out_ms + back_ms


async def timed_cell(kernel: Kernel) -> tuple[float, float]:
    """Return when the cell was sent (epoch) and how long until its GPU call had returned."""
    sent = time.time()
    outcome = await kernel.run(CELL)
    return sent, (outcome.value() - sent) * 1000


async def until(holds, patience_s: float = 60) -> object:
    ends = time.monotonic() + patience_s
    while time.monotonic() < ends:
        found = await holds()
        if found:
            return found
        await asyncio.sleep(0.1)
    message = f"waited {patience_s} s in vain for {holds}"
    raise TimeoutError(message)


async def training_runs(ada: Person, job_id: str, hold_gib: int) -> bool:
    job = await ada.service("GET", f"jobs/{job_id}")
    report = (job["slice"] or {}).get("report") or {}
    share = await ada.service("GET", "share")
    mine = next(s["report"] for s in share["slices"] if s["lease"]["holder"] == "notebook")
    holds = report.get("memory_mib", 0) >= hold_gib * 1024
    return bool(holds and report["gate_open"] and mine and not mine["active"])


async def play_scene(
    ada: Person, kernel: Kernel, scene: Scene, rounds: int
) -> tuple[list[float], list[float]]:
    request = {
        "notebook": "endless.ipynb",
        "parameters": {"hold_gib": scene.hold_gib},
        "memory_mib": scene.job_memory_mib,
    }
    job = await ada.service("POST", "jobs", request)
    waits, stops = [], []
    for _ in range(rounds):
        await until(lambda: training_runs(ada, job["job_id"], scene.hold_gib))
        sent, wait_ms = await timed_cell(kernel)
        waits.append(wait_ms)
        await asyncio.sleep(0.3)
        paused = [
            datetime.fromisoformat(e["at"]).timestamp()
            for e in await ada.service("GET", "events")
            if e["kind"] == "paused"
        ]
        stops.extend((at - sent) * 1000 for at in paused if at >= sent)
    await ada.service("POST", f"jobs/{job['job_id']}/cancel")

    async def ended() -> bool:
        seen = await ada.service("GET", f"jobs/{job['job_id']}")
        return seen["state"] == "cancelled"

    await until(ended)
    return waits, stops


async def measure(settings: MachineSettings, speed: float, rounds: int) -> None:
    places = settings.places
    ada = Person(places.hub_url, "ada", settings.password)
    await ada.log_in()
    await ada.start_server({"size": "mine"})
    await ada.put_notebook("endless.ipynb", notebook())
    plain = places.homes / "ada" / ".local" / "share" / "jupyter" / "kernels" / "plain"
    plain.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {
        "argv": command,
        "display_name": "no gate",
        "language": "python",
        "env": {"SUBLET_AGENT_SOCKET": ""},
    }
    (plain / "kernel.json").write_text(json.dumps(spec))
    baseline = await ada.open_kernel("plain")
    await timed_cell(baseline)
    without = [(await timed_cell(baseline))[1] for _ in range(BASELINE_ROUNDS)]
    baseline.close()
    kernel = await ada.open_kernel()
    await kernel.run(
        f"import sublet_agent.simulated.client as gpu; mine = gpu.allocate(gib={OWN_GIB})"
    )
    base = statistics.median(without)
    print(
        f"  {'':55} {'stopped':>9} {'first GPU call':>15} {'device':>7} {'added':>7} {'worst':>7}"
    )
    print(f"  {'the same cell without Sublet (baseline)':55} {'-':>9} {base:15.1f}")
    again = [(await timed_cell(kernel))[1] for _ in range(BASELINE_ROUNDS)]
    show("slice active already, no training", (again, []), base, 0.0)
    for scene in SCENES:
        found = await play_scene(ada, kernel, scene, rounds)
        show(scene.name, found, base, device_ms(scene, speed))
    kernel.close()


def show(name: str, found: tuple[list[float], list[float]], base: float, device: float) -> None:
    waits, stops = found
    stopped = f"{statistics.median(stops):.1f}" if stops else "-"
    wait = statistics.median(waits)
    added = wait - base - device
    print(
        f"  {name:55} {stopped:>9} {wait:15.1f} {device:7.1f} {added:7.1f} {max(waits):7.1f}",
        flush=True,
    )


def main() -> None:
    # Told to stop, it still stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A full card leaves and comes back in half a minute at an H100's speed: a few times will do.
    runs = (("moves take no time", 1e6, 8), ("moves at an H100's speed", 1.0, 3))
    for words, speed, rounds in runs:
        print(f"owner's wait, {words}: medians of {rounds} rounds in ms from execute_request")
        with tempfile.TemporaryDirectory() as folder, held_ports() as ports:
            settings = MachineSettings(
                Places(Path(folder), ports),
                simulated=True,
                quota=QUOTA,
                speed=speed,
            )
            with OneMachine(settings, print):
                asyncio.run(measure(settings, speed, rounds))


if __name__ == "__main__":
    main()
