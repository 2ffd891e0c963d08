"""GPUs (the daemon's simulated ones, or those of the stand-in for NVIDIA's driver), a hub service's
link and a real agent, together in a folder.
"""

import ast
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from sublet_agent.devices.interface import Device
from sublet_agent.simulated.machine.operations import OperationKind

from tests.support.fake_service_link import FakeServiceLink, gpu_assignment, slice_assignment
from tests.support.nvidia_stand_in.cards import nvidia_gpus
from tests.support.running_agent import RunningAgent
from tests.support.simulated_gpus import simulated_gpus
from tests.support.tenants import Tenant

_GATE = """
import json, os, socket, time
_line = socket.socket(socket.AF_UNIX); _line.connect(os.environ["SUBLET_AGENT_SOCKET"])
_answers = _line.makefile("rb")
_cells = iter(range(10**9))
_kernel = f"k{os.getpid()}"
_levels = iter(range(time.time_ns() // 10**6, 10**15))
notices = []
def _answer():
    while True:
        message = json.loads(_answers.readline())
        if message.get("notice"):
            notices.append([message["notice"]["crossing"], message["notice"]["message"]])
        if message.get("cell") != "no cell":
            return message
def say(**message):
    _line.sendall(json.dumps(message).encode() + b"\\n")
    return _answer()
def enter():
    global _cell
    _cell, began, waits = f"c{next(_cells)}", time.perf_counter(), []
    _line.sendall(json.dumps(
        {"type": "enter", "kernel": _kernel, "cell": _cell}).encode() + b"\\n")
    while True:
        message = _answer()
        if message["type"] != "wait":
            if message.get("gpu_id"):
                os.environ["SUBLET_GPU_ID"] = message["gpu_id"]
            return [message["type"], time.perf_counter() - began, waits]
        waits.append(message)
def level(busy):
    _line.sendall(json.dumps(
        {"type": "activity", "kernel": _kernel, "sequence": next(_levels), "busy": busy,
         "cell": _cell if busy else None}).encode() + b"\\n")
def run_cell(line):
    kind = enter()[0]
    if kind != "open":
        return [kind, None]
    level(busy=True)
    try:
        return [kind, eval(line, globals())]
    finally:
        level(busy=False)
"""


DIGEST = "held.sha256()"
"""A cell's line that reads the memory whole."""


def digest_and_compute_until(mark: Path) -> str:
    """A cell's line that reads the memory whole, and computes until there is a mark."""
    computes = f"gpu.compute(0.01) for _ in iter(lambda: os.path.exists({str(mark)!r}), True)"
    return f"[{DIGEST}, *({computes})][0]"


def _filling(gib: float, seed: int) -> str:
    return f"(held := gpu.allocate(gib={gib})).fill({seed})"


class Gpus(Protocol):
    """GPUs that tests run an agent beside: simulated ones, or a real card."""

    device: Device
    mib_per_gib: int
    client: str
    """The module by which a program uses them."""
    environment: Mapping[str, str]
    """How a program finds them."""

    @property
    def gpu_id(self) -> str: ...

    @property
    def agent_options(self) -> tuple[str, ...]: ...

    def tenant(self, *, uid: int | None = None, **environment: str) -> Tenant: ...

    def state_word(self, pid: int) -> str | None: ...


@dataclass
class Kernel:
    """A process of a slice that can ask at the gate."""

    tenant: Tenant

    @property
    def pid(self) -> int:
        return self.tenant.pid

    def run(self, line: str) -> Any:
        return self.tenant.run(line)

    def enter(self) -> tuple[float, list[dict[str, Any]]]:
        """Wait at the gate; returns how long and what was told."""
        kind, took_s, waits = ast.literal_eval(self.tenant.run("enter()"))
        assert kind == "open", kind
        return took_s, waits

    def begin_cell(self, line: str) -> None:
        """Wait at the gate, and run a line at once: a little later the slice may be idle, and lent.

        As a kernel does, it says that the cell runs until it is over: where that is lent all the
        same, the agent brings it back sooner or later. The value is ``end_cell``'s, and a literal.
        """
        self.tenant.begin(f"run_cell({line!r})")

    def end_cell(self) -> str:
        """Wait for the cell that was begun, and return its value's representation."""
        kind, value = ast.literal_eval(self.tenant.end())
        assert kind == "open", kind
        return repr(value)

    def reconnect(self) -> None:
        """Speak to the agent that is there now."""
        self.tenant.run(f"exec({_GATE!r})")

    def notices(self) -> list[list[str]]:
        """What was to be said in its cells: what names each, and the words."""
        return ast.literal_eval(self.tenant.run("notices"))

    def ends_cell(self) -> None:
        """Say that its cell is over, as a kernel does; the agent has heard it by then."""
        # What comes by one connection is heard in its order, before what the hub says after.
        self.tenant.run("[level(busy=False), say(type='share')][0]")

    def fill(self, gib: float, seed: int) -> str:
        """Hold memory, and return its hash."""
        # One line: in between, on a busy machine, the slice would be idle, lent, and hold it up.
        return self.tenant.run(_filling(gib, seed))

    def enter_and_fill(self, gib: float, seed: int) -> str:
        """Wait at the gate and hold memory at once, as a cell does; return its hash.

        In one line, too: whoever is idle in between gives up their place to who waits for it.
        """
        self.begin_cell(_filling(gib, seed))
        return self.end_cell()

    def digest(self) -> str:
        return self.tenant.run(DIGEST)

    def enter_and_digest(self) -> str:
        """Wait at the gate and read the memory at once; return its hash."""
        self.begin_cell(DIGEST)
        return self.end_cell()

    def kill(self) -> None:
        self.tenant.kill()


@dataclass
class AgentWorld:
    """The three, and the kernels that a test starts."""

    gpus: Any
    """``Gpus``; tests of what a simulated card alone can do ask it for its administration."""
    service: FakeServiceLink
    agent: RunningAgent
    patience_s: float = 60.0
    """How long things may take: longer where a real card moves real memory."""
    kernels: list[Kernel] = field(default_factory=list)
    """Those that were started, for whoever ends them."""
    gpu_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.gpu_id = self.gpus.gpu_id

    @property
    def gib(self) -> int:
        """A GiB in MiB; on small cards it is less."""
        return self.gpus.mib_per_gib

    def serve(self, *slices: Any, **pool: Any) -> None:
        """Assign slices, and wait until the agent serves them."""
        self.service.gpus = (gpu_assignment(self.gpu_id, **{"idle_after_s": 0.5, **pool}),)
        self._assign(slices)

    def serve_too(self, *slices: Any) -> None:
        """Assign more slices, beside those that are there.

        So comes a job once an owner holds something: with a job waiting, a busy machine could count
        the owner as idle, and suspend it, between its cell's beginning and its first use of the
        card, where it then stands.
        """
        self._assign((*self.service.slices, *slices))

    def give_up(self, slice_id: str) -> None:
        """Let an owner need a slice no more for now: idle at once, unless a cell of it runs."""
        given_up = {"given_up_at": datetime.now(UTC)}
        self.service.assign(
            *(
                each.model_copy(update=given_up) if each.slice_id == slice_id else each
                for each in self.service.slices
            )
        )

    def set_pool(self, **changes: Any) -> None:
        """Change the policy of the pool for what comes now."""
        self.service.gpus = tuple(gpu.model_copy(update=changes) for gpu in self.service.gpus)
        self.service.push()

    def _assign(self, slices: tuple[Any, ...]) -> None:
        self.service.assign(*slices)
        wanted = {s.slice_id for s in slices}
        self.until(lambda: {s.slice_id for s in self.status.slices} == wanted)

    def notebook(self, slice_id: str, gib: int, **fields: Any) -> Any:
        return slice_assignment(slice_id, self.gpu_id, gib * self.gib, **fields)

    def job(self, slice_id: str, gib: int, **fields: Any) -> Any:
        return slice_assignment(slice_id, self.gpu_id, gib * self.gib, holder="job", **fields)

    def kernel(self, slice_id: str, **environment: str) -> Kernel:
        """Start a process of a slice."""
        tenant = self.gpus.tenant(
            SUBLET_SLICE_ID=slice_id,
            SUBLET_AGENT_SOCKET=str(self.agent.tenant_socket),
            **environment,
        )
        kernel = Kernel(tenant)
        self.kernels.append(kernel)
        kernel.reconnect()
        return kernel

    @property
    def status(self) -> Any:
        self.until(lambda: self.service.status is not None)
        return self.service.status

    def report(self, slice_id: str) -> Any:
        said = None

        def is_told() -> bool:
            nonlocal said
            # Asked once: an agent that has just begun may know nothing of it in the next moment.
            said = self.service.report(slice_id)
            return said is not None

        self.until(is_told)
        return said

    def truth(self, pid: int) -> str | None:
        """Return the state of a process as daemon or driver know it."""
        return self.gpus.state_word(pid)

    def is_restored_now(self, kernel: Kernel) -> bool:
        """Whether the simulated driver is bringing a kernel's memory back."""
        process = self.gpus.administration.inspect().process(kernel.pid)
        return process is not None and process.operation == OperationKind.RESTORE

    def events(self, kind: str, slice_id: str | None = None) -> list[Any]:
        return [e for e in self.service.events if e.kind == kind and slice_id in (None, e.slice_id)]

    def until_idle(self, *slice_ids: str) -> None:
        """Wait until none of these slices counts as active, after all that was done before.

        What the agent said before a cell began may be the last that was heard of it.
        """
        asked_at = datetime.now(UTC)
        self.service.push()  # answered by a status
        self.until(
            lambda: (
                self.status.at >= asked_at
                and all(not self.report(each).active for each in slice_ids)
            )
        )

    @property
    def card_gib(self) -> int:
        """The card's memory."""
        return self.gpus.device.gpus()[0].memory_mib // self.gib

    def until(self, holds: Any, within_s: float | None = None) -> None:
        deadline = time.monotonic() + (self.patience_s if within_s is None else within_s)
        while not holds():
            assert time.monotonic() < deadline, f"not in time\n{self.agent.text()[-6000:]}"
            time.sleep(0.005)


@contextmanager
def agent_world(  # noqa: PLR0913 - what a test may want to be otherwise
    folder: Path,
    *agent_options: str,
    module: str = "sublet_agent.app.serving",
    speed: float = 0.0,
    beat_s: float = 5.0,
    nvidia: bool = False,
    cards: int = 1,
) -> Iterator[AgentWorld]:
    """Start all three; ``speed`` 0 moves memory in no time."""
    folder.chmod(0o755)
    service = FakeServiceLink(beat_s=beat_s)
    service.start()
    daemon = ("--speed", str(speed)) if speed else ()
    with (
        (
            nvidia_gpus(speed=speed, cards=cards)
            if nvidia
            else simulated_gpus(
                *daemon, "--gpus", str(cards), "--scale", "16384", instant=not speed
            )
        ) as gpus,
        agent_beside(gpus, folder, *agent_options, module=module, service=service) as world,
    ):
        yield world


@contextmanager
def agent_beside(
    gpus: Gpus,
    folder: Path,
    *agent_options: str,
    module: str = "sublet_agent.app.serving",
    service: FakeServiceLink | None = None,
) -> Iterator[AgentWorld]:
    """Start an agent beside GPUs that are there, real or simulated, and its hub service."""
    folder.chmod(0o755)
    if service is None:
        service = FakeServiceLink()
        service.start()
    agent = RunningAgent(folder, gpus.agent_options, service, agent_options, module)
    agent.start()
    try:
        agent.wait_until_serving()
        yield AgentWorld(gpus, service, agent)
    finally:
        agent.close()
        service.stop()
