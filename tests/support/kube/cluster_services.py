"""Services' addresses and names in the tests' cluster, in place of kube-proxy and cluster DNS.

kube-proxy would write rules into the machine's own firewall. Here the addresses are put on the
bridge of the pods instead, and connections are passed on to the pods behind them.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.support.kube.api import Api, Manifest, RefusedError
from tests.support.kube.node import Node
from tests.support.kube.processes import run
from tests.support.kube.programs import find

DOMAIN: Final = "svc.cluster.local"
_LOOK_EVERY_S: Final = 0.5
_DNS_PORT: Final = 53
_A, _IN, _ANSWERED, _UNKNOWN = 1, 1, 0x8580, 0x8583
_HEADER: Final = struct.Struct("!6H")
_CHUNK: Final = 1 << 16

Address = tuple[str, int]


@dataclass
class _Served:
    """What is known of the services, and the sockets that are open for them."""

    names: dict[str, str] = field(default_factory=dict)
    """Addresses by `NAME.NAMESPACE`."""
    behind: dict[Address, list[Address]] = field(default_factory=dict)
    servers: dict[Address, asyncio.Server] = field(default_factory=dict)


class ClusterServices:
    """Serves the addresses until it is stopped; works in a thread of its own."""

    def __init__(self, api: Api, node: Node) -> None:
        self._api = api
        self._node = node
        self._served = _Served()
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        """Held here: asyncio itself holds those no longer whose client has left."""
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._run()))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End all connections."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        address = (self._node.network.address, _DNS_PORT)
        transport, _ = await self._loop.create_datagram_endpoint(
            lambda: _Names(self._served.names), local_addr=address, family=socket.AF_INET
        )
        while not self._stopped.is_set():
            # The API server may be busy, or about to be stopped.
            with contextlib.suppress(OSError, RefusedError):
                await self._look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _LOOK_EVERY_S)
        transport.close()
        for server in self._served.servers.values():
            server.close()
        others = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _look(self) -> None:
        services, endpoints = await asyncio.to_thread(self._ask)
        for service in services:
            about, spec = service["metadata"], service["spec"]
            address = spec.get("clusterIP")
            if not address or address == "None":
                continue
            key = f"{about['name']}.{about['namespace']}"
            self._served.names[key] = address
            for port in spec["ports"]:
                known = self._behind(endpoints.get(key, ()), port.get("name"))
                if address == self._api.plane.network.service_of_the_api:
                    known = [(self._node.network.own_address, self._api.plane.port)]
                self._served.behind[address, port["port"]] = known
                await self._serve((address, port["port"]))

    def _ask(self) -> tuple[list[Manifest], Mapping[str, Sequence[Manifest]]]:
        services = self._api.call("GET", "/api/v1/services")["items"]
        found = self._api.call("GET", "/api/v1/endpoints")["items"]
        endpoints = {
            f"{each['metadata']['name']}.{each['metadata']['namespace']}": each.get("subsets", [])
            for each in found
        }
        return services, endpoints

    @staticmethod
    def _behind(subsets: Sequence[Manifest], name: str | None) -> list[Address]:
        return [
            (address["ip"], port["port"])
            for subset in subsets
            for address in subset.get("addresses", [])
            for port in subset.get("ports", [])
            if port.get("name") == name
        ]

    async def _serve(self, address: Address) -> None:
        if address in self._served.servers:
            return
        if not any(ip == address[0] for ip, _ in self._served.servers):
            bridge = self._node.network.bridge
            # Where services were served before, the bridge has the API server's address already.
            run(find("ip"), "address", "replace", f"{address[0]}/32", "dev", bridge)
        self._served.servers[address] = await asyncio.start_server(
            lambda reader, writer: self._begin_passing_on(address, reader, writer), *address
        )

    def _begin_passing_on(
        self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        passing_on = asyncio.create_task(self._pass_on(address, reader, writer))
        self._connections.add(passing_on)
        passing_on.add_done_callback(self._connections.discard)

    async def _pass_on(
        self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        known = self._served.behind.get(address)
        try:
            if not known:
                return
            there, back = await asyncio.open_connection(*random.choice(known))  # noqa: S311
            try:
                await asyncio.gather(_copy(reader, back), _copy(there, writer))
            finally:
                back.close()
        except OSError:
            return
        finally:
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    # Who has heard all ends, too: else the connection would stay for ever.
    with contextlib.suppress(OSError):
        writer.write_eof()


class _Names(asyncio.DatagramProtocol):
    """Answers what address a service's name has."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        number = _HEADER.unpack_from(data)[0]
        name, end = _name_in(data, _HEADER.size)
        question = data[_HEADER.size : end + 4]
        kind = struct.unpack_from("!H", data, end)[0]
        known = self._names.get(name.removesuffix(f".{DOMAIN}"))
        if not name.endswith(f".{DOMAIN}") or known is None:
            self._transport.sendto(_HEADER.pack(number, _UNKNOWN, 1, 0, 0, 0) + question, addr)
            return
        answers = b""
        if kind == _A:
            # The name is the question's, at the twelfth byte.
            record = struct.pack("!HHHIH", 0xC00C, _A, _IN, 1, 4)
            answers = record + socket.inet_aton(known)
        header = _HEADER.pack(number, _ANSWERED, 1, 1 if answers else 0, 0, 0)
        self._transport.sendto(header + question + answers, addr)


def _name_in(data: bytes, place: int) -> tuple[str, int]:
    """Read a name; return it and where it ends."""
    labels = []
    while length := data[place]:
        labels.append(data[place + 1 : place + 1 + length].decode("ascii", "replace"))
        place += 1 + length
    return ".".join(labels).lower(), place + 1


@contextmanager
def cluster_services(api: Api, node: Node) -> Iterator[None]:
    """Have services answer while the block lasts."""
    serving = ClusterServices(api, node)
    serving.start()
    try:
        yield
    finally:
        serving.stop()
