"""The plugin and its kubelet: registered, and registered again when the kubelet starts anew.

A kubelet that starts makes its socket anew and forgets its plugins (older ones delete their
sockets, too). So both sockets are looked at; where one is another than before, the plugin begins
again with a server of its own. So it does where nobody lists its units any more: a kubelet that
notices the end of a plugin only after the next has registered disconnects that instead.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import grpc
from sublet_quota.amounts.lent_units import RESOURCE
from sublet_quota.names.ids import GpuId

from sublet_agent.device_plugin import messages
from sublet_agent.device_plugin.grants import Grant, grant
from sublet_agent.device_plugin.server import Advertised, PluginServer, options
from sublet_agent.device_plugin.settings import DevicePluginSettings
from sublet_agent.device_plugin.units import JobRoom, WrongUnitsError, advertise
from sublet_agent.errors import SubletAgentError

KUBELET_SOCKET: Final = "kubelet.sock"
OUR_SOCKET: Final = "sublet-lent.sock"
_REGISTER_S: Final = 10.0
_Identity = tuple[int, int, int]

log = logging.getLogger(__name__)


class DevicePlugin:
    """The plugin of one node: advertises what ``rooms`` tells, until it is cancelled."""

    def __init__(
        self,
        settings: DevicePluginSettings,
        rooms: Callable[[], Iterable[JobRoom]],
        *,
        simulated: bool,
    ) -> None:
        self._settings = settings
        self._rooms = rooms
        self._simulated = simulated
        self._advertised = Advertised()
        self._memory_mib: Mapping[GpuId, int] = {}
        self._server: PluginServer | None = None
        self._kubelet: _Identity | None = None
        self._own: _Identity | None = None
        self._listed_at = 0.0
        self._trouble = ""

    async def run(self) -> None:
        """Keep the kubelet told; a failure is logged once, and it is tried again."""
        try:
            while True:
                self._tell()
                try:
                    await self._keep_registered()
                    self._trouble = ""
                except (OSError, grpc.RpcError, SubletAgentError) as error:
                    self._warn(_words(error))
                    await asyncio.to_thread(self._stop)
                await asyncio.sleep(self._settings.look_every_s)
        finally:
            self._stop()

    def _warn(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("the kubelet does not take the device plugin: %s", trouble)

    def _tell(self) -> None:
        rooms = tuple(self._rooms())
        self._memory_mib = {room.gpu_id: room.memory_mib for room in rooms}
        units = advertise(rooms, self._settings.unit_mib)
        if self._advertised.replace(units):
            log.info("%d units of %s are advertised", sum(u.healthy for u in units), RESOURCE)

    async def _keep_registered(self) -> None:
        kubelet = _identity(self._settings.folder / KUBELET_SOCKET)
        if kubelet is None:
            return
        own = self._settings.folder / OUR_SOCKET
        if kubelet == self._kubelet and _identity(own) == self._own and not self._is_forgotten():
            return
        await asyncio.to_thread(self._stop)
        self._server = PluginServer(own, self._advertised, self._grant)
        self._server.start()
        self._own = _identity(own)
        await asyncio.to_thread(_register, self._settings.folder / KUBELET_SOCKET)
        self._kubelet = kubelet
        self._listed_at = time.monotonic()
        log.info("registered with the kubelet: %s, in units of %d MiB", RESOURCE, self._unit_mib)

    def _is_forgotten(self) -> bool:
        """Whether the kubelet has not listed the units for longer than it may take."""
        now = time.monotonic()
        if self._server is not None and self._server.is_listed:
            self._listed_at = now
        return now - self._listed_at > self._settings.listed_within_s

    @property
    def _unit_mib(self) -> int:
        return self._settings.unit_mib

    def _grant(self, gpu_id: str, units: int) -> Grant:
        """Return the grant of units of a card; ``WrongUnitsError`` where there is no such card.

        Called in the server's threads: only reads what is replaced whole.
        """
        memory_mib = self._memory_mib.get(GpuId(gpu_id))
        if memory_mib is None:
            message = f"this node has no GPU {gpu_id!r:.100} now"
            raise WrongUnitsError(message)
        return grant(GpuId(gpu_id), units, memory_mib, self._settings, simulated=self._simulated)

    def _stop(self) -> None:
        self._kubelet = None
        if self._server is not None:
            self._server.stop()
            self._server = None


def _register(kubelet_socket: Path) -> None:
    # Go's server refuses the escaped path that would be the authority otherwise.
    told = [("grpc.default_authority", "localhost")]
    with grpc.insecure_channel(f"unix://{kubelet_socket}", options=told) as channel:
        call = channel.unary_unary(
            messages.REGISTER,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages.Empty.FromString,
        )
        request = messages.RegisterRequest(
            version=messages.VERSION,
            endpoint=OUR_SOCKET,
            resource_name=RESOURCE,
            options=options(),
        )
        call(request, timeout=_REGISTER_S)


def _identity(socket: Path) -> _Identity | None:
    """Return what tells a socket from one made anew at its path; ``None`` where there is none."""
    try:
        found = socket.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _words(error: OSError | grpc.RpcError | SubletAgentError) -> str:
    if isinstance(error, grpc.Call):
        return f"{error.code()}: {error.details()}"
    return str(error)
