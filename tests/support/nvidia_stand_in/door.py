"""The door for the stand-in's libraries: frames in, the symbol's own function, frames out.

Beside the daemon's own door, in front of the same machine. Who calls is who the kernel says.
"""

import asyncio
import json
import re
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sublet_agent.simulated.machine.card import CallerIdentity
from sublet_agent.simulated.protocol.errors import SimulatedGpuError
from sublet_agent.simulated.server.server import SimulatedGpuServer

from tests.support.nvidia_stand_in.behaviours import Behaviours

REQUEST = struct.Struct("=64s8QQ")
ANSWER = struct.Struct("=q8QQ")
_VERSION = re.compile(r"_v\d$")
CONTROL = "control"


@dataclass(frozen=True)
class Call:
    """One call of a program."""

    symbol: str
    """The function's name without its version."""
    numbers: tuple[int, ...]
    data: bytes
    peer: CallerIdentity


class Answer:
    """The way back to whoever made one call."""

    def __init__(self, connection: "DoorConnection") -> None:
        self._connection = connection

    @property
    def abandoned(self) -> bool:
        return self._connection.closed

    def send(self, code: int = 0, results: Sequence[int] = (), data: bytes = b"") -> None:
        self._connection.send(code, results, data)


@dataclass(frozen=True)
class PhysicsReply:
    """An answer of the machine's, as an answer of the driver's."""

    answer: Answer
    succeeded: Callable[[Mapping[str, Any], bytes], None]
    code_of: Callable[[SimulatedGpuError], int] = lambda error: int(error.code)

    @property
    def abandoned(self) -> bool:
        return self.answer.abandoned

    def succeed(self, result: Mapping[str, Any], payload: bytes = b"") -> None:
        self.succeeded(result, payload)

    def fail(self, error: SimulatedGpuError) -> None:
        self.answer.send(self.code_of(error))


Handler = Callable[[Call, Answer], None]


class Door:
    """All that can be called, and the rules that were made for it."""

    def __init__(
        self,
        server: SimulatedGpuServer,
        behaviours: Behaviours,
        handlers: Mapping[str, Handler],
        control: Callable[[Mapping[str, Any]], Any],
    ) -> None:
        self.server = server
        self._behaviours = behaviours
        self._handlers = handlers
        self._control = control
        self._held: list[tuple[Call, Answer]] = []
        self.left: Callable[[Answer], None] = lambda _: None
        """What is done about the call of a connection that ended before its answer."""

    def connect(self) -> "DoorConnection":
        """Return the protocol object for one new connection."""
        return DoorConnection(self)

    def take(self, call: Call, answer: Answer) -> None:
        """Answer one call, now or later."""
        if call.symbol == CONTROL:
            answer.send(data=json.dumps(self._control(json.loads(call.data))).encode())
            return
        self._behaviours.calls.append(
            {
                "symbol": call.symbol,
                "pid": call.peer.pid,
                "first": call.numbers[0],
                "at": time.monotonic(),
            }
        )
        rule = self._behaviours.rule_for(call.symbol, call.numbers[0])
        if rule is None:
            self._do(call, answer)
        elif rule.code is None:
            self._held.append((call, answer))
        else:
            answer.send(rule.code)

    def release(self) -> None:
        """Do the calls that were held, and hold no more."""
        held, self._held = self._held, []
        rules = self._behaviours.rules
        rules[:] = [each for each in rules if each.code is not None]
        for call, answer in held:
            if not answer.abandoned:
                self._do(call, answer)

    def _do(self, call: Call, answer: Answer) -> None:
        self.server.act(lambda: self._handlers[call.symbol](call, answer))


class DoorConnection(asyncio.Protocol):
    """A connection of one thread, with one call at a time."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._peer: CallerIdentity | None = None
        self._open_call: Answer | None = None

    @property
    def closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        found = self._door.server.find_peer(transport.get_extra_info("socket"))
        if found is None:
            transport.abort()
            return
        peer, watched = found
        if self._door.server.admit(self, peer, watched):
            self._peer = peer
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= REQUEST.size:
            symbol, *numbers, length = REQUEST.unpack_from(self._received)
            end = REQUEST.size + length
            if len(self._received) < end:
                return
            payload = bytes(self._received[REQUEST.size : end])
            del self._received[:end]
            if self._peer is None:
                return
            name = _VERSION.sub("", symbol.rstrip(b"\0").decode())
            self._open_call = Answer(self)
            self._door.take(Call(name, tuple(numbers), payload, self._peer), self._open_call)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self._open_call is not None:
            self._door.left(self._open_call)
        if self._peer is not None:
            self._door.server.forget(self, self._peer)

    def send(self, code: int, results: Sequence[int], data: bytes) -> None:
        self._open_call = None
        if not self.closed:
            numbers = [*results, *[0] * (8 - len(results))]
            self._transport.write(ANSWER.pack(code, *numbers, len(data)) + data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
