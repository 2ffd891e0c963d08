"""A notebook's kernel or a job of the fault walk: checks its own bytes at every turn.

Forked by ``walk_root``. Reads commands, one a line, and answers with one JSON object a line:
``cell N`` tells the agent that a cell runs, as kernels do, asks at its gate (again, while the
agent is away), then checks every buffer by its hash, computes, and changes something within its
cap; now and then it leaves the GPU alone for longer than a slice stays active. ``long N MARK``
computes in a cell until there is a file of that name. ``begin`` makes a
job's context, ``job`` does as cells do for ever, several rounds a cell. A greedy one also takes
and frees memory in between, unasked.
"""

import contextlib
import importlib
import itertools
import json
import os
import random
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sublet_lab.kernel.kernel_link import KernelLink

from tests.support.gated_cell import gated_cell

gpu = importlib.import_module(os.environ["WALK_CLIENT"])
GIB = int(os.environ["WALK_MIB_PER_GIB"])
"""A GiB in MiB; on small cards it is less."""
PROMISED_S = 0.1
"""A bit less than the walk's ``turn_s``, after which others may have an unused promise."""


class Work:
    """Buffers with the hashes that they must have."""

    def __init__(self, cap_mib: int, seed: int) -> None:
        self._cap_mib = cap_mib
        self._rng = random.Random(seed)  # noqa: S311 - a walk, not a secret
        self._buffers: list[tuple[Any, str]] = []

    @property
    def held_mib(self) -> int:
        return sum(b.mib for b, _ in self._buffers)

    def check(self) -> None:
        for buffer, expected in self._buffers:
            found = buffer.sha256()
            if found != expected:
                message = f"LOST: a buffer of {buffer.mib} MiB has {found}, not {expected}"
                raise RuntimeError(message)

    def change(self) -> None:
        wish = self._rng.random()
        room = self._cap_mib - self.held_mib
        if room >= GIB and (wish < 0.6 or not self._buffers):
            mib = self._rng.randrange(GIB // 2, room)
            buffer = gpu.allocate(mib=mib)
            self._buffers.append((buffer, buffer.fill(self._rng.randrange(1 << 30))))
        elif wish < 0.8:
            buffer, _ = self._buffers.pop(self._rng.randrange(len(self._buffers)))
            buffer.free()
        else:
            index = self._rng.randrange(len(self._buffers))
            buffer, _ = self._buffers[index]
            self._buffers[index] = (buffer, buffer.fill(self._rng.randrange(1 << 30)))


def grab_now_and_then(cap_mib: int, seed: int) -> None:
    """Take memory outside of any cell, as a thread that a cell left behind might."""
    rng = random.Random(seed)  # noqa: S311 - a walk, not a secret
    while True:
        time.sleep(rng.random() * 0.06)
        try:
            buffer = gpu.allocate(mib=rng.randrange(GIB, cap_mib))
        except gpu.OutOfMemoryError:
            continue
        time.sleep(rng.random() * 0.12)
        buffer.free()


def enter_gate(path: str, cell: str) -> None:
    """Wait until the agent lets a job's cell run."""
    request = json.dumps({"type": "enter", "kernel": f"k{os.getpid()}", "cell": cell})
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                connection.sendall(request.encode() + b"\n")
                for line in connection.makefile("rb"):
                    kind = json.loads(line)["type"]
                    if kind == "open":
                        return
                    if kind == "unknown":
                        break
        except OSError:
            pass
        time.sleep(0.01)


def think(rng: random.Random) -> None:
    """Leave the GPU alone in the middle of a cell, now and then until the slice counts as idle."""
    if rng.random() < 0.03:
        time.sleep(0.3 + rng.random() * 0.3)


def run_long(link: KernelLink, work: Work, cell: str, mark: Path) -> dict[str, object]:
    """Compute in one cell until there is a mark."""

    def compute() -> None:
        while not mark.exists():
            gpu.compute(0.3)

    # Two fill the card, however late a busy machine lets either go on.
    threads = [threading.Thread(target=compute) for _ in range(2)]
    with gated_cell(link, cell):
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        work.check()
    return {"cell": cell, "held_mib": work.held_mib}


def main() -> None:  # noqa: C901 - one branch a command
    rng = random.Random(os.environ["WALK_SEED"])  # noqa: S311 - a walk, not a secret
    work = Work(int(os.environ["WALK_CAP_MIB"]), int(os.environ["WALK_SEED"]))
    agent = os.environ["SUBLET_AGENT_SOCKET"]
    may_run_out = bool(os.environ.get("WALK_MEMORY_MAY_RUN_OUT"))
    late = True
    """Only a cell in a process with nothing on the GPU yet can lose its promise: it cannot be kept
    from beginning later, and on a busy machine it may take longer than the promise holds."""
    link = KernelLink(agent, f"k{os.getpid()}")
    tolerated = (gpu.OutOfMemoryError,) if may_run_out else ()
    print(json.dumps({"ready": os.getpid()}), flush=True)
    greedy = bool(os.environ.get("WALK_GREEDY"))
    for line in sys.stdin:
        command = line.split()
        try:
            if command[0] == "cell":
                with gated_cell(link, command[1]):
                    opened = time.monotonic()
                    gpu.compute(0.002)
                    late = late and time.monotonic() - opened > PROMISED_S
                    work.check()
                    think(rng)
                    gpu.compute(0.002)
                    think(rng)
                    work.change()
                if greedy:
                    grab = (int(os.environ["WALK_CAP_MIB"]), int(os.environ["WALK_SEED"]))
                    threading.Thread(target=grab_now_and_then, args=grab, daemon=True).start()
                    greedy = False
                answer = {"cell": command[1], "held_mib": work.held_mib}
            elif command[0] == "long":
                answer = run_long(link, work, command[1], Path(command[2]))
            elif command[0] == "begin":
                gpu.compute(0.001)
                answer = {"begun": os.getpid()}
            else:
                for cell in itertools.count():
                    enter_gate(agent, f"job-{cell}")
                    for _ in range(10):
                        work.check()
                        gpu.compute(0.003)
                        with contextlib.suppress(*tolerated):
                            work.change()
        except gpu.OutOfMemoryError as error:
            answer = {"error": f"out of memory: {error}"}
            if may_run_out or late:
                answer = {"cell": "no memory"}
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the walk's finding
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
