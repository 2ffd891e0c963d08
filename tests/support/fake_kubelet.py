"""A kubelet as its device plugins see it: it registers them, lists their devices, and allocates.

It keeps the rules of the real one that matter here: what a pod was given stays its own until the
pod ends, a plugin's preference counts only where it is possible, and a kubelet that starts again
makes its socket anew and has forgotten every plugin.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from sublet_agent.device_plugin import messages

SOCKET = "kubelet.sock"


class PodRefusedError(Exception):
    """The pod was not admitted; the text is what its events would say."""


@dataclass
class FakeKubelet:
    """One kubelet, which can be started again."""

    folder: Path
    resource: str = ""
    devices: dict[str, str] = field(default_factory=dict)
    """Of the plugin: their health."""
    given: dict[str, list[str]] = field(default_factory=dict)
    """To pods, by their names."""
    registrations: int = 0
    refuses: str = ""
    """Registrations are refused with these words."""
    overlooks: int = 0
    """How many of the next plugins it disconnects as soon as they are registered."""
    _server: Any = None
    _channel: Any = None
    _calls: ThreadPoolExecutor | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        socket = self.folder / SOCKET
        socket.unlink(missing_ok=True)
        self._calls = ThreadPoolExecutor(4)
        self._server = grpc.server(self._calls)
        handler = grpc.unary_unary_rpc_method_handler(
            self._register,
            request_deserializer=messages.RegisterRequest.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        service, method = messages.REGISTER.strip("/").split("/")
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
        self._server.add_insecure_port(f"unix://{socket}")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(grace=None).wait()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._calls is not None:
            self._calls.shutdown(wait=True)
        with self._lock:
            self.devices = {}

    def restart(self, *, deletes_sockets: bool = False) -> None:
        """Start again, as a node's admin would; older kubelets delete all sockets."""
        self.stop()
        if deletes_sockets:
            for path in self.folder.iterdir():
                # A plugin that ends its server, as it may do just now, removes its own.
                path.unlink(missing_ok=True)
        self.start()

    def disconnect(self) -> None:
        """Leave its plugin, as the real one does that has just noticed the end of one before it."""
        with self._lock:
            left, self._channel, self.devices = self._channel, None, {}
        left.close()

    def allocatable(self) -> int:
        """What the node says it has, pods' share included."""
        with self._lock:
            return sum(health == messages.HEALTHY for health in self.devices.values())

    def unhealthy(self) -> int:
        with self._lock:
            return sum(health == messages.UNHEALTHY for health in self.devices.values())

    def run_pod(self, name: str, units: int) -> dict[str, str]:
        """Admit a pod; returns what its container finds, CDI names as the variable ``CDI``."""
        with self._lock:
            taken = {device for given in self.given.values() for device in given}
            healthy = {d for d, health in self.devices.items() if health == messages.HEALTHY}
        free = sorted(healthy - taken)
        if len(free) < units:
            message = f"{units} of {self.resource} asked, {len(free)} free"
            raise PodRefusedError(message)
        chosen = self._preferred(free, units) or free[:units]
        asked = messages.AllocateRequest(container_requests=[{"device_ids": chosen}])
        try:
            answer = self._call("Allocate", messages.AllocateResponse)(asked, timeout=60)
        except grpc.RpcError as error:
            raise PodRefusedError(error.details()) from error  # type: ignore[attr-defined]
        (granted,) = answer.container_responses
        with self._lock:
            self.given[name] = chosen
        variables = {variable.key: variable.value for variable in granted.variables}
        variables["CDI"] = ",".join(device.name for device in granted.cdi_devices)
        return variables

    def end_pod(self, name: str) -> None:
        with self._lock:
            del self.given[name]

    def _preferred(self, free: list[str], units: int) -> list[str]:
        options = self._call("GetDevicePluginOptions", messages.DevicePluginOptions)(
            messages.Empty(), timeout=60
        )
        if not options.get_preferred_allocation_available:
            return []
        asked = messages.PreferredAllocationRequest(
            container_requests=[{"available": free, "allocation_size": units}]
        )
        answer = self._call("GetPreferredAllocation", messages.PreferredAllocationResponse)(
            asked, timeout=60
        )
        (chosen,) = answer.container_responses
        wanted = list(chosen.device_ids)
        return wanted if len(wanted) == units and set(wanted) <= set(free) else []

    def _call(self, method: str, answer: Any) -> Any:
        return self._channel.unary_unary(
            f"/{messages.PLUGIN_SERVICE}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    def _register(self, request: Any, context: Any) -> Any:
        if self.refuses:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, self.refuses)
        assert request.version == "v1beta1"
        assert "/" not in request.endpoint
        if self._channel is not None:
            self._channel.close()
        self.resource = request.resource_name
        self._channel = grpc.insecure_channel(f"unix://{self.folder / request.endpoint}")
        self.registrations += 1
        if self.overlooks:
            self.overlooks -= 1
            self.disconnect()
            return messages.Empty()
        threading.Thread(target=self._watch, args=(self._channel,), daemon=True).start()
        return messages.Empty()

    def _watch(self, channel: Any) -> None:
        listing = channel.unary_stream(
            f"/{messages.PLUGIN_SERVICE}/ListAndWatch",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages.ListAndWatchResponse.FromString,
        )
        # A closed channel, or a plugin that has ended, ends the list.
        with contextlib.suppress(grpc.RpcError, ValueError):
            for answer in listing(messages.Empty()):
                with self._lock:
                    if channel is self._channel:
                        self.devices = {device.id: device.health for device in answer.devices}


def wait_until(happened: Callable[[], bool], within_s: float = 60) -> None:
    """Poll: the kubelet learns of changes from other threads."""
    deadline = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > deadline:
            message = f"it did not happen within {within_s:.0f} s"
            raise TimeoutError(message)
        time.sleep(0.02)
