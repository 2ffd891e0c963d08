"""The physics of simulated GPUs with a hand-driven clock, for tests without processes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sublet_agent.simulated.machine.card import CallerIdentity, Card, SimulatedProcess
from sublet_agent.simulated.machine.compute import Kernels
from sublet_agent.simulated.machine.machine import SimulatedMachine
from sublet_agent.simulated.machine.memory.store import CardStore
from sublet_agent.simulated.machine.operations import OperationKind, OperationRequest
from sublet_agent.simulated.machine.replies import Reply
from sublet_agent.simulated.machine.speeds import INSTANT, Speeds
from sublet_agent.simulated.protocol.errors import SimulatedGpuError
from sublet_agent.simulated.server.monitor import Monitor
from sublet_agent.simulated.server.tenant_calls import Caller, TenantCalls
from sublet_quota.names.ids import GpuId

USER = 1000
ROOT = 0


class RecordedReply:
    """Remembers its answer and when it came."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.abandoned = False
        self.result: Mapping[str, object] | None = None
        self.payload = b""
        self.error: SimulatedGpuError | None = None
        self.at_s: float | None = None

    @property
    def done(self) -> bool:
        return self.at_s is not None

    @property
    def ok(self) -> bool:
        return self.result is not None

    @property
    def code(self) -> int | None:
        return None if self.error is None else int(self.error.code)

    def succeed(self, result: Mapping[str, object], payload: bytes = b"") -> None:
        assert not self.done, "answered twice"
        self.result, self.payload, self.at_s = result, payload, self._clock()

    def fail(self, error: SimulatedGpuError) -> None:
        assert not self.done, "answered twice"
        self.error, self.at_s = error, self._clock()


@dataclass
class FakeHost:
    """Processes of the machine, by pid, and who was killed."""

    uids: dict[int, int] = field(default_factory=dict)
    killed: list[int] = field(default_factory=list)
    still: set[int] = field(default_factory=set)
    groups: dict[str, set[int]] = field(default_factory=dict)
    """The control groups that there are, by path, with the processes in each."""

    def uid_of(self, pid: int) -> int | None:
        return self.uids.get(pid)

    def kill(self, pid: int) -> None:
        self.killed.append(pid)

    def stands_still(self, pid: int) -> bool:
        return pid in self.still

    def group_number(self, group: str) -> int | None:
        return id(self.groups[group]) if group in self.groups else None

    def is_in_group(self, pid: int, group: str) -> bool:
        return any(
            pid in pids
            for path, pids in self.groups.items()
            if path == group or path.startswith(f"{group}/")
        )


class Bench:
    """One machine on the test bench: cards of 80 GiB, a KiB of real bytes for each MiB."""

    def __init__(
        self, speeds: Speeds = INSTANT, gpus: int = 1, memory_mib: int = 80 * 1024
    ) -> None:
        self.host = FakeHost()
        cards = [
            Card(GpuId(f"SIM-{index}"), index, "Simulated", CardStore(memory_mib, 1024))
            for index in range(gpus)
        ]
        self.machine = SimulatedMachine(cards, speeds, self.host)
        self.calls = TenantCalls(self.machine)
        self.monitor = Monitor(self.machine)

    @property
    def card(self) -> Card:
        return next(iter(self.machine.cards.values()))

    @property
    def free_mib(self) -> int:
        return self.card.store.free_mib

    def reply(self) -> RecordedReply:
        return RecordedReply(lambda: self.machine.time_s)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with all the copying that falls due on the way."""
        until = self.machine.time_s + seconds
        while (due := self.machine.next_event_s()) <= until:
            self.machine.advance(due)
            self.copy()
        self.machine.advance(until)
        self.copy()

    def copy(self) -> None:
        """Do all copying that is due now."""
        while self.machine.bytes.has_work:
            self.machine.bytes.run_slice()
        self.machine.settle()

    def tenant(
        self,
        pid: int,
        uid: int = USER,
        gpu: str | None = None,
        sees: tuple[str, ...] | None = None,
    ) -> "BenchTenant":
        self.host.uids[pid] = uid
        return BenchTenant(self, Caller(CallerIdentity(pid, uid, pid), gpu, sees))

    def operate(  # noqa: PLR0913 - all that the driver can be asked with
        self,
        kind: OperationKind,
        pid: int,
        *,
        uid: int = ROOT,
        timeout_ms: int = 1000,
        mapping: dict[str, str] | None = None,
        lease_s: float | None = None,
    ) -> RecordedReply:
        """Ask the driver for something, at once."""
        reply = self.reply()
        request = OperationRequest(kind, pid, uid, timeout_ms, mapping or {}, lease_s)
        self.machine.driver.request(request, reply)
        self.copy()
        return reply

    def lock(self, pid: int, timeout_ms: int = 1000) -> RecordedReply:
        return self.operate(OperationKind.LOCK, pid, timeout_ms=timeout_ms)

    def checkpoint(self, pid: int) -> RecordedReply:
        return self.operate(OperationKind.CHECKPOINT, pid)

    def restore(self, pid: int, mapping: dict[str, str] | None = None) -> RecordedReply:
        return self.operate(OperationKind.RESTORE, pid, mapping=mapping)

    def unlock(self, pid: int) -> RecordedReply:
        return self.operate(OperationKind.UNLOCK, pid)

    def state(self, pid: int) -> str:
        return self.machine.processes[pid].state.value

    def suspend(self, pid: int) -> None:
        """Lock and checkpoint, with whatever time that takes."""
        for reply in (self.lock(pid), self.checkpoint_after_lock(pid)):
            assert reply.ok, reply.error

    def checkpoint_after_lock(self, pid: int) -> RecordedReply:
        self.pass_time(1)
        reply = self.checkpoint(pid)
        self.pass_time(120)
        return reply

    def inspect(self, *, verify: bool = True) -> Mapping[str, object]:
        reply = self.reply()
        self.monitor.inspect(reply, verify=verify)
        self.copy()
        assert reply.result is not None
        return reply.result


@dataclass
class BenchTenant:
    """One process on the bench."""

    bench: Bench
    caller: Caller

    @property
    def pid(self) -> int:
        return self.caller.identity.pid

    @property
    def process(self) -> SimulatedProcess:
        return self.bench.machine.processes[self.pid]

    def on(self, gpu: str) -> "BenchTenant":
        """Return the same process as it uses another card."""
        return BenchTenant(self.bench, Caller(self.caller.identity, gpu))

    def call(self, make: Callable[[TenantCalls, Caller, Reply], None]) -> RecordedReply:
        reply = self.bench.reply()
        make(self.bench.calls, self.caller, reply)
        self.bench.copy()
        return reply

    def allocate(self, handle: int, mib: int, *, managed: bool = False) -> RecordedReply:
        return self.call(lambda c, who, r: c.allocate(who, r, handle, mib, managed=managed))

    def free(self, handle: int) -> RecordedReply:
        return self.call(lambda c, who, r: c.free(who, r, handle))

    def fill(self, handle: int, seed: int) -> RecordedReply:
        return self.call(lambda c, who, r: c.fill(who, r, handle, seed))

    def sha256(self, handle: int) -> RecordedReply:
        return self.call(lambda c, who, r: c.sha256(who, r, handle))

    def read(self, handle: int, offset: int, length: int) -> RecordedReply:
        return self.call(lambda c, who, r: c.read(who, r, handle, offset, length))

    def write(self, handle: int, offset: int, data: bytes) -> RecordedReply:
        return self.call(lambda c, who, r: c.write(who, r, handle, offset, data))

    def compute(
        self,
        seconds: float,
        kernel_s: float = 0.001,
        *,
        wait: bool = True,
        launch_s: float = 0.0,
        waits_for_each: bool = False,
    ) -> RecordedReply:
        kernels = Kernels(kernel_s, launch_s, waits_for_each=waits_for_each)
        return self.call(lambda c, who, r: c.compute(who, r, seconds, kernels, wait=wait))

    def synchronize(self) -> RecordedReply:
        return self.call(lambda c, who, r: c.synchronize(who, r))

    def memory_info(self) -> RecordedReply:
        return self.call(lambda c, who, r: c.memory_info(who, r))

    def share(self, handle: int) -> str:
        reply = self.call(lambda c, who, r: c.share(who, r, handle))
        assert reply.result is not None, reply.error
        return str(reply.result["token"])

    def open_shared(self, handle: int, token: str) -> RecordedReply:
        return self.call(lambda c, who, r: c.open_shared(who, r, handle, token))

    def join_mps(self, limit_mib: int | None = None) -> RecordedReply:
        return self.call(lambda c, who, r: c.join_mps(who, r, limit_mib))
