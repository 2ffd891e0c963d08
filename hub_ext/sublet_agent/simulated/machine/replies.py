"""Replies of the physics: at once or later, to whoever asked, if they are still there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from sublet_agent.simulated.protocol.errors import SimulatedGpuError


class Reply(Protocol):
    """The way back to whoever sent one request: ``succeed`` or ``fail`` is called, once."""

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the answer any more."""
        ...

    def succeed(self, result: Mapping[str, object], payload: bytes = b"") -> None:
        """Answer the request."""
        ...

    def fail(self, error: SimulatedGpuError) -> None:
        """Refuse the request."""
        ...


class NobodyAsks:
    """The way back of what nobody asked for."""

    abandoned: Final = False

    def succeed(self, result: Mapping[str, object], payload: bytes = b"") -> None:
        """Tell nobody."""

    def fail(self, error: SimulatedGpuError) -> None:
        """Tell nobody."""


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A CUDA call of a process that is locked or suspended."""

    reply: Reply
    run: Callable[[], None]
