"""What questions work with: targets on the card, and calls about them that may never come back."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.gpu.probe.driver import Monitor, open_monitor
from tests.support.tenants import Tenant, TenantError

ANSWERS_WITHIN_S: Final = 5.0
"""A call that has not come back by then is taken to hang, unless bytes are moved."""
MOVES_WITHIN_S: Final = 30.0
SMALL_MIB: Final = 256
_ROOT: Final = Path(__file__).parents[3]
_CLIENTS: Final = {
    "cuda": "tests.support.cuda_client",
    "simulated": "sublet_agent.simulated.client",
}
_MOVES: Final = frozenset({"checkpoint", "restore"})


@dataclass
class RunningCall:
    """A call that has begun."""

    operation: str
    process: subprocess.Popen[str]
    began: float = field(default_factory=time.monotonic)

    def result(self, within_s: float | None = None) -> dict[str, Any] | None:
        """Return what came back, or ``None`` where nothing did in time."""
        patience = MOVES_WITHIN_S if self.operation in _MOVES else ANSWERS_WITHIN_S
        assert self.process.stdout is not None
        wait_s = patience if within_s is None else within_s
        if not select.select([self.process.stdout], [], [], wait_s)[0]:
            return None
        line = self.process.stdout.readline()
        if not line:
            return {"call": self.operation, "code": -1, "word": "", "died": self.process.wait()}
        return dict(json.loads(line))

    def threads(self) -> list[str]:
        """Return state and ``wchan`` of each of its threads."""
        return threads_of(self.process.pid)

    def cpu_s(self) -> float:
        """Return the CPU time that it has used."""
        return cpu_s_of(self.process.pid)

    def kill(self) -> bool:
        """End it; returns whether it ended (a process may stand in the kernel for ever)."""
        self.process.kill()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            return False
        return True


@dataclass
class Lab:
    """The card, the targets of a question, and its calls."""

    kind: str
    may_change_settings: bool = False
    monitor: Monitor = field(init=False)
    targets: list[Tenant] = field(default_factory=list)
    calls: list[RunningCall] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.monitor = open_monitor(self.kind)

    @property
    def simulated(self) -> bool:
        return self.kind == "simulated"

    def why_not_changed(self, setting: str, value: int | str) -> str | None:
        """Return why a setting that has this value is left alone; ``None``: it may be changed."""
        if isinstance(value, str):
            return f"{setting} is {value}: it could not be put back"
        if not self.may_change_settings:
            return f"{setting} is {value}, and settings are left alone: --change-settings"
        return None

    def sized(self, mib: int) -> int:
        """Return so much, or less where the card is small."""
        return min(mib, self.monitor.free_mib() // 6)

    def target(self, mib: int = SMALL_MIB, *, uid: int | None = None, **environment: str) -> Tenant:
        """Start a process that holds memory with known bytes."""
        tenant = self.empty_target(uid=uid, **environment)
        tenant.run(f"b = gpu.allocate(mib={mib}); h = b.fill(7)")
        return tenant

    def empty_target(self, *, uid: int | None = None, **environment: str) -> Tenant:
        """Start a process that has not called CUDA yet."""
        more = {
            "CUDA_VISIBLE_DEVICES": "0",
            "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
            "PYTHONPATH": str(_ROOT),
            **environment,
        }
        tenant = Tenant.start(_CLIENTS[self.kind], more, uid=uid)
        self.targets.append(tenant)
        return tenant

    def begin(self, operation: str, pid: int, *words: str, timeout_ms: int = 2000) -> RunningCall:
        """Begin a call in a process of its own; returns as soon as it is about to be made."""
        command = [sys.executable, "-m", "tests.gpu.probe.caller", self.kind, operation, str(pid)]
        process = subprocess.Popen(
            [*command, str(timeout_ms), *words],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        call = RunningCall(operation, process)
        self.calls.append(call)
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            message = f"the call of {operation} did not begin: exit code {process.wait()}"
            raise RuntimeError(message)
        call.began = time.monotonic()
        return call

    def call(
        self,
        operation: str,
        pid: int,
        *words: str,
        timeout_ms: int = 2000,
        within_s: float | None = None,
    ) -> dict[str, Any]:
        """Make a call; where nothing comes back, ``code`` is ``None``, and it is given up."""
        running = self.begin(operation, pid, *words, timeout_ms=timeout_ms)
        result = running.result(within_s)
        if result is not None:
            return result
        told = {"call": operation, "code": None, "word": "", "threads": running.threads()}
        return {**told, "could be killed": running.kill()}

    def suspend(self, pid: int) -> None:
        """Lock and checkpoint; ``RuntimeError`` where that does not work."""
        for operation in ("lock", "checkpoint"):
            self.must(operation, pid)

    def must(self, operation: str, pid: int) -> dict[str, Any]:
        """Make a call that is not the question; ``RuntimeError`` where it fails."""
        result = self.call(operation, pid)
        if result["code"] != 0:
            message = f"{operation} before the question: {result}"
            raise RuntimeError(message)
        return result

    def bring_back(self, target: Tenant) -> dict[str, Any]:
        """Bring a target to where it runs, whatever state it is in, and look at its bytes."""
        steps = {}
        for _ in range(3):
            state = self.call("get-state", target.pid)
            steps[f"state {len(steps)}"] = state["word"] or state["code"]
            following = {"checkpointed": "restore", "locked": "unlock"}.get(state["word"])
            if following is None:
                break
            done = self.call(following, target.pid)
            steps[following] = done["code"]
            if done["code"] != 0:
                break
        state = self.call("get-state", target.pid)
        if state["word"] in {"locked", "checkpointed"}:
            return {**steps, "bytes": f"out of reach: {state['word']}"}
        return {**steps, "bytes": bytes_of(target)}

    def close(self) -> None:
        """End targets and calls."""
        for call in self.calls:
            call.process.kill()
        for target in self.targets:
            with contextlib.suppress(ProcessLookupError):
                os.kill(target.pid, signal.SIGCONT)
            target.process.kill()


def bytes_of(target: Tenant) -> str:
    """Return whether a target's bytes are ``intact``, or what else came of asking."""
    if target.process.poll() is not None:
        return f"the process has ended: {target.process.returncode}"
    assert target.process.stdout is not None
    try:
        target.begin("b.sha256() == h")
        if not select.select([target.process.stdout], [], [], MOVES_WITHIN_S)[0]:
            return "no answer"
        return "intact" if target.end() == "True" else "DIFFERENT"
    except (TenantError, OSError) as error:
        return f"error: {error}"


def threads_of(pid: int) -> list[str]:
    """Return state and ``wchan`` of each thread of a process."""
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
            found.append(f"{state}:{(thread / 'wchan').read_text() or '-'}")
    return sorted(found)


def cpu_s_of(pid: int) -> float:
    """Return the CPU time that a process has used."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


@contextlib.contextmanager
def lab(kind: str, *, may_change_settings: bool = False) -> Iterator[Lab]:
    """Open a lab, and end all that it started."""
    opened = Lab(kind, may_change_settings)
    try:
        yield opened
    finally:
        opened.close()
