"""The gate before a cell: asks the agent, and waits until the slice's cap is free.

Each event loop of the kernel (its main shell, each subshell) has a connection of its own, so two
cells that wait at once never mistake each other's answers. Closing the connection takes a request
back. An agent that stays away never holds a cell for ever: the cell runs with a warning, and a
suspended process then blocks in its first CUDA call until the agent is back.
"""

import asyncio
import threading

from sublet_quota.wire.tenant_socket import EnterGate, GateOpen, GateWaits, LocalShare, Unknown
from traitlets import Float
from traitlets.config import Configurable

from sublet_lab.kernel.connection import AgentAwayError, AgentConnection
from sublet_lab.kernel.notice import WaitNotice

_RETRY_S = 0.25
_PATIENCE_ONCE_AWAY_S = 0.2


class SubletGate(Configurable):
    """Settings of the gate, in any IPython configuration file."""

    agent_patience_s = Float(
        10.0,
        min=0.0,
        help="How long, in seconds, a cell waits for an agent that does not answer before it"
        " runs without the agent's leave.",
    ).tag(config=True)
    notice_after_s = Float(
        0.3,
        min=0.0,
        help="How long, in seconds, a cell waits before its output says for what.",
    ).tag(config=True)


class Gate:
    """Asks the agent to let cells run."""

    def __init__(self, socket_path: str, kernel: str, settings: SubletGate) -> None:
        self._socket_path = socket_path
        self._kernel = kernel
        self._settings = settings
        self._of_thread = threading.local()
        self._was_away = False

    async def enter(self, cell: str, notice: WaitNotice) -> str | None:
        """Wait until the cell may run. Returns ``None``, or why nobody gave leave.

        Cancelling it takes the request back.
        """
        loop = asyncio.get_running_loop()
        patience_s = self._settings.agent_patience_s
        if self._was_away:
            patience_s = min(patience_s, _PATIENCE_ONCE_AWAY_S)
        deadline = loop.time() + patience_s
        while True:
            asked = _Asked()
            try:
                async with asyncio.timeout_at(deadline) as until_answered:
                    await self._ask(cell, notice, asked, until_answered)
            except (AgentAwayError, TimeoutError) as error:
                reason = str(error) or "the agent does not answer"
                if asked.answered:
                    # It was there a moment ago: give its successor the whole time to come.
                    deadline = loop.time() + self._settings.agent_patience_s
                if loop.time() + _RETRY_S >= deadline:
                    self._was_away = True
                    return reason
                notice.say(f"Waiting for this machine's GPU agent: {reason}.")
                await asyncio.sleep(_RETRY_S)
            else:
                self._was_away = False
                return None

    async def _ask(
        self, cell: str, notice: WaitNotice, asked: "_Asked", until_answered: asyncio.Timeout
    ) -> None:
        connection = await self._connection()
        try:
            connection.send(EnterGate(kernel=self._kernel, cell=cell))
            while True:
                match await connection.receive():
                    case GateOpen():
                        return
                    case GateWaits() as wait:
                        asked.answered = True
                        until_answered.reschedule(None)
                        notice.say(wait.message)
                    case Unknown(message=message):
                        raise AgentAwayError(message)  # noqa: TRY301 (hangs up on the way)
                    case LocalShare():
                        continue
        except BaseException:
            connection.close()
            raise

    async def _connection(self) -> AgentConnection:
        """This thread's connection, which is its event loop's; a new one where it broke."""
        connection: AgentConnection | None = getattr(self._of_thread, "connection", None)
        if connection is None or not connection.usable:
            if connection is not None:
                connection.close()
            connection = await AgentConnection.open(self._socket_path)
            self._of_thread.connection = connection
        return connection

    def close(self) -> None:
        """Hang up this thread's connection."""
        connection: AgentConnection | None = getattr(self._of_thread, "connection", None)
        if connection is not None:
            connection.close()
            self._of_thread.connection = None


class _Asked:
    """Whether the agent has answered this request at all."""

    answered = False
