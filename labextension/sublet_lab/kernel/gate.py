"""The gate before a cell: waits until the agent says that the slice's cap is free.

An agent that stays away never holds a cell for ever: the cell runs with a warning, and a suspended
process then blocks in its first CUDA call until the agent is back.
"""

import asyncio
import os

from sublet_quota.wire.environment import use_card
from sublet_quota.wire.tenant_socket import GateOpen, GateWaits
from traitlets import Float
from traitlets.config import Configurable

from sublet_lab.kernel.cell_requests import AgentAway, CellRequest, NoLink
from sublet_lab.kernel.kernel_link import RETRY_S, KernelLink
from sublet_lab.kernel.notice import WaitNotice

_PATIENCE_ONCE_AWAY_S = 0.2
_PATIENCE_WHERE_IT_IS_BACK_S = 2.0
"""A busy kernel takes its time to hear what it is answered."""
_SPEAKS_WITHIN_S = 30.0
"""An agent at which a cell waits repeats the reason every two seconds."""


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


class CellGate:
    """Lets cells through when the agent says so, or stays away for too long."""

    def __init__(self, link: KernelLink, settings: SubletGate) -> None:
        self._link = link
        self._settings = settings
        self._was_away = False

    async def enter(self, request: CellRequest, notice: WaitNotice) -> str | None:
        """Wait until the cell may run; return ``None``, or why nobody gave leave."""
        loop = asyncio.get_running_loop()
        began, patience_s = loop.time(), self._settings.agent_patience_s
        short_s = min(patience_s, _PATIENCE_ONCE_AWAY_S)
        deadline, answered = began + (short_s if self._was_away else patience_s), False
        why = "the agent does not answer"
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    answer = await request.answer()
            except TimeoutError:
                is_back_s = min(patience_s, _PATIENCE_WHERE_IT_IS_BACK_S)
                if self._link.is_connected and deadline < began + is_back_s:
                    deadline = began + is_back_s
                    continue
                break
            match answer:
                case GateOpen(gpu_id=gpu_id):
                    self._was_away = False
                    use_card(gpu_id, os.environ)
                    return None
                case GateWaits(message=message):
                    answered = True
                    deadline = loop.time() + max(patience_s, _SPEAKS_WITHIN_S)
                    notice.say(message)
                case AgentAway(why=why):
                    if answered:
                        # It was there a moment ago: its successor has the whole time to come.
                        answered = False
                        deadline = loop.time() + self._settings.agent_patience_s
                    if loop.time() + RETRY_S >= deadline:
                        break
                    notice.say(f"Waiting for this machine's GPU agent: {why}.")
                case NoLink(why=why):
                    break
        self._was_away = True
        self._link.take_back(request)
        return why
