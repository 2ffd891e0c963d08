"""The requests over the socket: one table from verb to the physics, with who may ask.

Tenants' verbs act on the calling process alone. The driver's verbs are allowed by the driver (root,
or the same user). Administration is for root and the daemon's own user.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sublet_agent.simulated.machine.card import (
    CallerIdentity,
    CardSetup,
    ComputeMode,
    Figure,
)
from sublet_agent.simulated.machine.compute import Kernels
from sublet_agent.simulated.machine.fault_plan import PlannedFault
from sublet_agent.simulated.machine.machine import SimulatedMachine
from sublet_agent.simulated.machine.operations import OperationKind, OperationRequest
from sublet_agent.simulated.machine.replies import Reply
from sublet_agent.simulated.machine.speeds import KERNEL_S
from sublet_agent.simulated.protocol.errors import CudaCode, NotPermittedError, SimulatedGpuError
from sublet_agent.simulated.protocol.wire import MOST_PAYLOAD_BYTES
from sublet_agent.simulated.server.fields import Fields
from sublet_agent.simulated.server.monitor import Monitor
from sublet_agent.simulated.server.tenant_calls import Caller, TenantCalls

_MOST_HANDLE: Final = 2**53
_MOST_MIB: Final = 2**30
_LEAST_KERNEL_S: Final = 1e-4
_MOST_LAUNCH_S: Final = 60.0
_MOST_SEED: Final = 2**62


@dataclass(frozen=True, slots=True)
class Request:
    """A request, with what the kernel says of the process that sent it."""

    peer: CallerIdentity
    message: Mapping[str, object]
    payload: bytes

    @property
    def fields(self) -> Fields:
        """The request's fields, to be read with care."""
        return Fields(self.message)


class Requests:
    """The answers to every request there is."""

    def __init__(self, machine: SimulatedMachine, admin_uid: int) -> None:
        self._machine: Final = machine
        self._admin_uid: Final = admin_uid
        self.calls: Final = TenantCalls(machine)
        self._monitor: Final = Monitor(machine)
        self._verbs: Final[dict[str, Callable[[Request, Reply], None]]] = {
            "hello": self._hello,
            "allocate": self._allocate,
            "free": self._free,
            "reset": lambda request, reply: self.calls.reset(self._caller(request), reply),
            "memory_info": lambda request, reply: self.calls.memory_info(
                self._caller(request), reply
            ),
            "fill": self._fill,
            "sha256": lambda request, reply: self.calls.sha256(
                self._caller(request), reply, self._handle(request)
            ),
            "read": self._read,
            "write": self._write,
            "compute": self._compute,
            "synchronize": lambda request, reply: self.calls.synchronize(
                self._caller(request), reply
            ),
            "share": lambda request, reply: self.calls.share(
                self._caller(request), reply, self._handle(request)
            ),
            "open_shared": lambda request, reply: self.calls.open_shared(
                self._caller(request), reply, self._handle(request), request.fields.text("token")
            ),
            "join_mps": self._join_mps,
            "lock": self._operate,
            "checkpoint": self._operate,
            "restore": self._operate,
            "unlock": self._operate,
            "state": self._operate,
            "gpus": lambda _, reply: reply.succeed({"gpus": self._monitor.gpus()}),
            "memory": lambda request, reply: reply.succeed(
                self._monitor.memory(self._gpu(request))
            ),
            "processes": lambda request, reply: reply.succeed(
                {"processes": self._monitor.processes(self._gpu(request))}
            ),
            "away": lambda request, reply: reply.succeed(
                {"mib": self._monitor.away_mib(request.fields.pid())}
            ),
            "sees": lambda request, reply: reply.succeed(
                {"sees": self._monitor.seen_by(request.fields.pid())}
            ),
            "utilisation": lambda request, reply: reply.succeed(
                {"percent": self._monitor.utilisation_percent(self._gpu(request))}
            ),
            "energy": lambda request, reply: reply.succeed(
                {"energy_mj": self._monitor.energy_mj(self._gpu(request))}
            ),
            "temperature": lambda request, reply: reply.succeed(
                {"celsius": self._monitor.temperature_c(self._gpu(request))}
            ),
            "health": lambda request, reply: reply.succeed(
                {"events": self._monitor.health(request.fields.whole("after", 0, _MOST_HANDLE))}
            ),
            "inspect": self._inspect,
            "plan_fault": self._plan_fault,
            "clear_faults": self._clear_faults,
            "break_card": self._break_card,
            "lose_context": self._lose_context,
            "limit_host_memory": self._limit_host_memory,
            "setup": lambda request, reply: reply.succeed(self._monitor.setup(self._gpu(request))),
            "set_up": self._set_up,
            "memory_limit": lambda request, reply: reply.succeed(
                self._monitor.memory_limit(self._gpu(request), request.fields.text("group"))
            ),
            "set_memory_limit": self._set_memory_limit,
            "silence": self._silence,
            "hide_memory": self._hide_memory,
            "leave_memory": self._leave_memory,
        }

    def answer(self, request: Request, reply: Reply) -> None:
        """Answer one request, now or later."""
        verb = request.message.get("verb")
        act = self._verbs.get(verb) if isinstance(verb, str) else None
        if act is None:
            message = f"there is no verb {str(verb)[:40]!r}; there are {', '.join(self._verbs)}"
            reply.fail(SimulatedGpuError(message, CudaCode.INVALID_VALUE))
            return
        try:
            act(request, reply)
        except SimulatedGpuError as error:
            reply.fail(error)

    @staticmethod
    def _caller(request: Request) -> Caller:
        return Caller(
            request.peer, request.fields.text_or_none("gpu_id"), request.fields.names("sees")
        )

    @staticmethod
    def _handle(request: Request) -> int:
        return request.fields.whole("handle", 1, _MOST_HANDLE)

    @staticmethod
    def _gpu(request: Request) -> str:
        return request.fields.text("gpu_id")

    def _hello(self, _: Request, reply: Reply) -> None:
        stores = [card.store for card in self._machine.cards.values()]
        reply.succeed(
            {
                "simulated": True,
                "bytes_per_mib": stores[0].bytes_per_mib,
                "context_mib": self._machine.context_mib,
            }
        )

    def _allocate(self, request: Request, reply: Reply) -> None:
        fields = request.fields
        self.calls.allocate(
            self._caller(request),
            reply,
            self._handle(request),
            fields.whole("mib", 1, _MOST_MIB),
            managed=fields.flag("managed"),
        )

    def _free(self, request: Request, reply: Reply) -> None:
        self.calls.free(self._caller(request), reply, self._handle(request))

    def _fill(self, request: Request, reply: Reply) -> None:
        seed = request.fields.whole("seed", -_MOST_SEED, _MOST_SEED)
        self.calls.fill(self._caller(request), reply, self._handle(request), seed)

    def _read(self, request: Request, reply: Reply) -> None:
        fields = request.fields
        offset = fields.whole("offset", 0, _MOST_HANDLE)
        length = fields.whole("length", 0, MOST_PAYLOAD_BYTES)
        self.calls.read(self._caller(request), reply, self._handle(request), offset, length)

    def _write(self, request: Request, reply: Reply) -> None:
        offset = request.fields.whole("offset", 0, _MOST_HANDLE)
        handle = self._handle(request)
        self.calls.write(self._caller(request), reply, handle, offset, request.payload)

    def _compute(self, request: Request, reply: Reply) -> None:
        fields = request.fields
        kernel_s = KERNEL_S
        if "kernel_s" in request.message:
            kernel_s = fields.seconds("kernel_s", _LEAST_KERNEL_S)
        launch_s = fields.seconds("launch_s", 0.0)
        if launch_s > _MOST_LAUNCH_S:
            message = f"launching a kernel takes {_MOST_LAUNCH_S} s at most"
            raise SimulatedGpuError(message, CudaCode.INVALID_VALUE)
        waits_for_each = fields.flag("waits_for_each")
        self.calls.compute(
            self._caller(request),
            reply,
            fields.seconds("seconds", 0.0),
            Kernels(kernel_s, launch_s, waits_for_each=waits_for_each),
            wait=fields.flag("wait"),
        )

    def _join_mps(self, request: Request, reply: Reply) -> None:
        limit = request.fields.whole_or_none("limit_mib", 1, _MOST_MIB)
        self.calls.join_mps(self._caller(request), reply, limit)

    def _operate(self, request: Request, reply: Reply) -> None:
        fields = request.fields
        kind = OperationKind(str(request.message["verb"]))
        asked = OperationRequest(
            kind=kind,
            pid=fields.pid(),
            caller_uid=request.peer.uid,
            timeout_ms=fields.whole_or_none("timeout_ms", 0, 2**31) or 0,
            mapping=fields.texts("mapping"),
            lease_s=fields.seconds("lease_s", 0.0) or None,
        )
        self._machine.driver.request(asked, reply)

    def _inspect(self, request: Request, reply: Reply) -> None:
        self._check_admin(request)
        self._monitor.inspect(reply, verify=request.fields.flag("verify"))

    def _plan_fault(self, request: Request, reply: Reply) -> None:
        self._check_admin(request)
        fields = request.fields
        code = fields.whole_or_none("code", 1, 999)
        try:
            fault = PlannedFault(
                kind=OperationKind(fields.text("operation")),
                nth=fields.whole_or_none("nth", 1, _MOST_HANDLE) or 1,
                pid=fields.pid_or_none(),
                code=CudaCode(code) if code is not None else None,
                delay_s=fields.seconds("delay_s", 0.0),
                poisons=fields.flag("poisons"),
                corrupts=fields.flag("corrupts"),
            )
        except ValueError as error:
            raise SimulatedGpuError(str(error)) from error
        if fault.kind is OperationKind.STATE:
            message = "faults can be planned for lock, checkpoint, restore and unlock"
            raise SimulatedGpuError(message)
        if (fault.poisons or fault.corrupts) and fault.kind is not OperationKind.RESTORE:
            message = f"only a restore can poison or change bytes, not a {fault.kind}"
            raise SimulatedGpuError(message)
        self._machine.faults.faults.append(fault)
        reply.succeed({})

    def _clear_faults(self, request: Request, reply: Reply) -> None:
        self._check_admin(request)
        self._machine.clear_faults()
        reply.succeed({})

    def _break_card(self, request: Request, reply: Reply) -> None:
        self._check_admin(request)
        card = self._machine.card(self._gpu(request))
        kind, detail = request.fields.text("kind"), request.fields.text("detail")
        if kind == "gone":
            self._machine.lose_card(card, detail)
        elif kind in {"xid", "ecc"}:
            self._machine.report(card.gpu_id, kind, detail)
        else:
            message = f"kind is {kind!r}: give xid, ecc or gone"
            raise SimulatedGpuError(message)
        reply.succeed({})

    def _set_up(self, request: Request, reply: Reply) -> None:
        self._check_admin(request)
        fields = request.fields
        card = self._machine.card(self._gpu(request))
        try:
            card.setup = CardSetup(
                persistent=None if fields.flag("persistence_hidden") else fields.flag("persistent"),
                compute_mode=ComputeMode(fields.text("compute_mode")),
                mps=fields.flag("mps"),
                split=fields.flag("split"),
            )
        except ValueError as error:
            raise SimulatedGpuError(str(error)) from error
        self._machine.driver_version = fields.text("driver")
        reply.succeed({})

    def _set_memory_limit(self, request: Request, reply: Reply) -> None:
        self._check_admin(request)
        card, group = self._machine.card(self._gpu(request)), request.fields.text("group")
        self._monitor.check_limits(group)
        card.limits.set(group, request.fields.whole_or_none("limit_mib", 0, _MOST_MIB))
        reply.succeed({})

    def _silence(self, request: Request, reply: Reply) -> None:
        self._check_admin(request)
        card = self._machine.card(self._gpu(request))
        try:
            figure = Figure(request.fields.text("figure"))
        except ValueError as error:
            raise SimulatedGpuError(str(error)) from error
        if request.fields.flag("silent"):
            card.silent.add(figure)
        else:
            card.silent.discard(figure)
        reply.succeed({})

    def _hide_memory(self, request: Request, reply: Reply) -> None:
        self._check_admin(request)
        process = self._machine.processes.get(request.fields.pid())
        if process is None:
            message = "that process has no CUDA context"
            raise SimulatedGpuError(message, CudaCode.NOT_INITIALIZED)
        process.hides_memory = request.fields.flag("hidden")
        reply.succeed({})

    def _leave_memory(self, request: Request, reply: Reply) -> None:
        self._check_admin(request)
        left = request.fields.flag("left")
        for card in self._machine.cards.values():
            card.store.scrubs = not left
        reply.succeed({})

    def _lose_context(self, request: Request, reply: Reply) -> None:
        self._check_admin(request)
        process = self._machine.processes.get(request.fields.pid())
        if process is None:
            message = "that process has no CUDA context"
            raise SimulatedGpuError(message, CudaCode.NOT_INITIALIZED)
        self._machine.lose_context(process, request.fields.text("detail"))
        reply.succeed({})

    def _limit_host_memory(self, request: Request, reply: Reply) -> None:
        self._check_admin(request)
        process = self._machine.processes.get(request.fields.pid())
        if process is None:
            message = "that process has no CUDA context"
            raise SimulatedGpuError(message, CudaCode.NOT_INITIALIZED)
        process.host_limit_mib = request.fields.whole_or_none("limit_mib", 0, _MOST_MIB)
        reply.succeed({})

    def _check_admin(self, request: Request) -> None:
        if request.peer.uid not in {0, self._admin_uid}:
            message = f"user {request.peer.uid} may not: this is for root and the daemon's user"
            raise NotPermittedError(message)
