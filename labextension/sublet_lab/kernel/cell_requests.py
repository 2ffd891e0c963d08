"""A cell at the gate, and what it can be answered."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

from sublet_quota.wire.tenant_socket import EnterGate, GateOpen, GateWaits


@dataclass(frozen=True, slots=True)
class AgentAway:
    """The agent cannot be reached, hung up, or does not know this slice; and which of these."""

    why: str


@dataclass(frozen=True, slots=True)
class NoLink:
    """Nobody asks an agent for this kernel, now or later; and why."""

    why: str


Answer = GateWaits | GateOpen | AgentAway | NoLink


class CellRequest:
    """A cell at the gate, and what the agent answers it on the event loop that made this."""

    def __init__(self, asked: EnterGate) -> None:
        self.asked: Final = asked
        self.notice: str | None = None
        """What is to be said in the cell's output as soon as it is let in."""
        self.is_over = False
        """Whether the cell has ended; also where an interrupt has kept that from being told."""
        self._loop = asyncio.get_running_loop()
        self._answers: asyncio.Queue[Answer] = asyncio.Queue()

    @property
    def cell(self) -> str:
        """The id of the cell's ``execute_request``."""
        return self.asked.cell

    @property
    def is_gone(self) -> bool:
        """Whether the cell runs no more: it is over, or its subshell was deleted."""
        return self.is_over or self._loop.is_closed()

    async def answer(self) -> Answer:
        """Return the next answer, as soon as there is one."""
        return await self._answers.get()

    def give(self, answer: Answer) -> None:
        """Pass an answer on, from any thread; on a loop that has ended nobody waits for it."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._answers.put_nowait, answer)
