"""The plugin's side of the kubelet's API, as a gRPC server on a Unix socket of its own.

The kubelet calls from other threads than the agent's; what they share is the list of units, which
is replaced whole.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NoReturn

import grpc

from sublet_agent.device_plugin import messages
from sublet_agent.device_plugin.grants import Grant
from sublet_agent.device_plugin.units import AdvertisedUnit, WrongUnitsError, gpu_of, prefer
from sublet_agent.errors import SubletAgentError

_THREADS: Final = 8
_LOOK_S: Final = 1.0
Granting = Callable[[str, int], Grant]
"""A function from a card and the number of its units to what the container gets."""

log = logging.getLogger(__name__)


class Advertised:
    """The units that are advertised now; whoever lists them is woken by a change."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._units: tuple[AdvertisedUnit, ...] = ()
        self._version = 0

    def replace(self, units: tuple[AdvertisedUnit, ...]) -> bool:
        """Advertise these units from now on; return whether anything has changed."""
        with self._changed:
            if units == self._units:
                return False
            self._units = units
            self._version += 1
            self._changed.notify_all()
            return True

    def after(self, version: int, within_s: float) -> tuple[int, tuple[AdvertisedUnit, ...]] | None:
        """Return units and version, once they are of another version; ``None`` after that time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._version != version, within_s):
                return None
            return self._version, self._units


class PluginServer:
    """A gRPC server for one run of the kubelet; a kubelet that starts again gets a new one."""

    def __init__(self, socket: Path, advertised: Advertised, grant: Granting) -> None:
        self._advertised = advertised
        self._grant = grant
        self._stopping = threading.Event()
        self._listing = 0
        self._counting = threading.Lock()
        socket.unlink(missing_ok=True)
        self._server = grpc.server(ThreadPoolExecutor(_THREADS, "device-plugin"))
        self._server.add_generic_rpc_handlers((self._handlers(),))
        try:
            self._server.add_insecure_port(f"unix://{socket}")
        except RuntimeError as error:
            message = f"the device plugin cannot listen at {socket}: {error}"
            raise SubletAgentError(message) from error

    def start(self) -> None:
        """Answer the kubelet."""
        self._server.start()

    def stop(self) -> None:
        """End all calls, and the socket with them."""
        self._stopping.set()
        self._server.stop(grace=None).wait()

    @property
    def is_listed(self) -> bool:
        """Whether somebody hears of every change of the units now."""
        return self._listing > 0

    def _count_listing(self, change: int) -> None:
        with self._counting:
            self._listing += change

    def _handlers(self) -> grpc.GenericRpcHandler:
        def answering(call: Callable[[Any, Any], Any], asked: Any) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(
                call,
                request_deserializer=asked.FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )

        return grpc.method_handlers_generic_handler(
            messages.PLUGIN_SERVICE,
            {
                "GetDevicePluginOptions": answering(self._options, messages.Empty),
                "GetPreferredAllocation": answering(
                    self._prefer, messages.PreferredAllocationRequest
                ),
                "Allocate": answering(self._allocate, messages.AllocateRequest),
                "ListAndWatch": grpc.unary_stream_rpc_method_handler(
                    self._list,
                    request_deserializer=messages.Empty.FromString,
                    response_serializer=lambda message: message.SerializeToString(),
                ),
            },
        )

    def _options(self, _request: Any, _context: grpc.ServicerContext) -> Any:
        return options()

    def _list(self, _request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        version = -1
        self._count_listing(1)
        if not context.add_callback(lambda: self._count_listing(-1)):
            self._count_listing(-1)
        while context.is_active() and not self._stopping.is_set():
            news = self._advertised.after(version, _LOOK_S)
            if news is not None:
                version, units = news
                yield messages.ListAndWatchResponse(
                    devices=[messages.Device(id=u.unit.device_id, health=_health(u)) for u in units]
                )

    def _prefer(self, request: Any, context: grpc.ServicerContext) -> Any:
        def one(asked: Any) -> Any:
            chosen = prefer(asked.available, asked.must_include, asked.allocation_size)
            return messages.ContainerPreferredAllocationResponse(device_ids=chosen)

        try:
            answers = [one(asked) for asked in request.container_requests]
        except WrongUnitsError as error:
            _refuse(context, error)
        return messages.PreferredAllocationResponse(container_responses=answers)

    def _allocate(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            granted = [self._grant_to(asked.device_ids) for asked in request.container_requests]
        except WrongUnitsError as error:
            _refuse(context, error)
        return messages.AllocateResponse(container_responses=granted)

    def _grant_to(self, device_ids: Sequence[str]) -> Any:
        gpu_id = gpu_of(device_ids)
        granted = self._grant(gpu_id, len(device_ids))
        log.info("a pod gets %d units of lent room on GPU %s", len(device_ids), gpu_id)
        return messages.ContainerAllocateResponse(
            variables=[
                messages.Variable(key=name, value=value)
                for name, value in sorted(granted.variables.items())
            ],
            cdi_devices=[messages.CdiDevice(name=name) for name in granted.cdi_devices],
        )


def options() -> Any:
    """Return the message that tells the kubelet what it may ask of the plugin."""
    return messages.DevicePluginOptions(get_preferred_allocation_available=True)


def _health(unit: AdvertisedUnit) -> str:
    return messages.HEALTHY if unit.healthy else messages.UNHEALTHY


def _refuse(context: grpc.ServicerContext, error: WrongUnitsError) -> NoReturn:
    log.warning("refused to the kubelet: %s", error)
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
    raise error
