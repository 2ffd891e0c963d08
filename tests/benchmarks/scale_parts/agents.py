"""The agents of pretended nodes, all in this one process: the service's is measured without them.

They report as the real one does: each second, and at once when they are assigned something. Run as
``python agents.py URL FILE CARDS``, where each line of the file is a node and its token; each line
of the input is ``{"room": {NODE: MIB}}``, what each of a node's cards lends from now on, less the
jobs there. Each line of the output says, in JSON, what was done, or what has been so far.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scale_parts.size import GPU_MIB, GPU_TYPE, MARGIN_MIB, gpu_id
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import GpuReport, SliceReport
from tornado.httpclient import HTTPClientError

from tests.support.fake_agent import FakeAgent, a_gpu, a_report

PERIOD_S = 1.0
AT_ONCE = 8
"""All of them have one address, from which not many more may ask to be let in at once."""
HELD_MIB = 24 * 1024


def _card(node: str, index: int) -> dict[str, Any]:
    report: GpuReport = a_gpu(
        gpu_id(node, index),
        index=index,
        type=GPU_TYPE,
        simulated=False,
        memory_mib=GPU_MIB,
        margin_mib=MARGIN_MIB,
        used_mib=HELD_MIB,
        utilisation_percent=0,
        energy_mj=1_000_000_000,
        unfit=(),
        lendable_mib=0,
    )
    return report.model_dump(mode="json")


def _slice() -> dict[str, Any]:
    report: SliceReport = a_report(
        "one",
        state=SliceState.RESIDENT,
        active=False,
        memory_mib=HELD_MIB,
        utilisation_percent=0,
        gpu_busy_ms=0,
        pids=(4711, 4712),
    )
    return report.model_dump(mode="json")


@dataclass
class NodesAgent(FakeAgent):
    """An agent whose reports are as long as real ones, and made without much ado."""

    cards: list[dict[str, Any]] = field(default_factory=list)
    room_mib: int = 0
    """What each card lends, less the jobs there."""
    sent: int = 0
    lost: list[str] = field(default_factory=list)
    """Why it was hung up on."""

    async def connect_again(self) -> None:
        """As the real agent does, whoever has hung up, until it is let in."""
        if self.close_reason is not None:
            self.lost.append(self.close_reason)
        self.epoch, self.assignments, self.close_reason = 0, None, None
        try:
            await self.connect()
        except (HTTPClientError, OSError) as error:
            self.close_reason = str(error)

    async def send_report(self, **_: Any) -> None:
        self.sequence += 1
        self.sent += 1
        jobs: defaultdict[str, list[Any]] = defaultdict(list)
        told = self.assignments.slices if self.assignments else ()
        for each in told:
            if each.holder is Holder.JOB:
                jobs[each.gpu_id].append(each)
        for card in self.cards:
            taken = sum(job.memory_mib for job in jobs[card["gpu_id"]])
            card["lendable_mib"] = max(0, self.room_mib - taken)
            card["utilisation_percent"] = (self.sequence * 7 + card["index"]) % 100
            card["energy_mj"] += 300_000
        status = {
            "type": "status",
            "epoch": self.epoch,
            "sequence": self.sequence,
            "at": datetime.now(UTC).isoformat(),
            "gpus": self.cards,
            "slices": [self._told_of(each, jobs) for each in told],
            "acknowledged": -1 if self.assignments is None else self.assignments.sequence,
        }
        await self.send(json.dumps(status))

    def _told_of(self, told: Any, jobs: defaultdict[str, list[Any]]) -> dict[str, Any]:
        values = {"slice_id": told.slice_id, "gpu_busy_ms": 20 * self.sequence}
        if told.holder is Holder.JOB:
            return {**_A_SLICE, **values, "memory_mib": told.memory_mib}
        lent_to = [job.slice_id for job in jobs[told.gpu_id]]
        return {**_A_SLICE, **values, "lent_to": lent_to}


_A_SLICE = _slice()


async def _report_each_second(agent: NodesAgent, phase_s: float) -> None:
    await asyncio.sleep(phase_s)
    while True:
        began = time.monotonic()
        if agent.close_reason is None:
            await agent.send_report()
        else:
            await agent.connect_again()
        await asyncio.sleep(max(0.0, PERIOD_S - (time.monotonic() - began)))


async def _listen(agents: dict[str, NodesAgent]) -> None:
    reader = asyncio.StreamReader(limit=2**20)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while line := await reader.readline():
        rooms: dict[str, int] = json.loads(line).get("room", {})
        for node, room_mib in rooms.items():
            agents[node].room_mib = room_mib
            await agents[node].send_report()
        _say(agents, told_at=time.time())


def _say(agents: dict[str, NodesAgent], **more: Any) -> None:
    lost = [reason for agent in agents.values() for reason in agent.lost]
    said = {"sent": sum(a.sent for a in agents.values()), "lost": lost, **more}
    print(json.dumps(said), flush=True)


async def main(url: str, tokens: str, cards: int) -> None:
    """Connect all, say so, and report until the input ends."""
    lines = [line.split() for line in tokens.splitlines()]
    agents = {
        node: NodesAgent(
            url,
            token,
            node,
            boot_id=f"boot-of-{node}",
            cards=[_card(node, index) for index in range(cards)],
        )
        for node, token in lines
    }
    turns = asyncio.Semaphore(AT_ONCE)

    async def connect(agent: NodesAgent) -> None:
        async with turns:
            await agent.connect()
        if agent.close_reason is not None:
            message = f"the agent of {agent.node} was not let in: {agent.close_reason}"
            raise RuntimeError(message)

    await asyncio.gather(*(connect(agent) for agent in agents.values()))
    create, count = asyncio.create_task, len(agents)
    reporting = [
        create(_report_each_second(agent, PERIOD_S * number / count))
        for number, agent in enumerate(agents.values())
    ]
    _say(agents, connected=count)
    await _listen(agents)
    for task in reporting:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]).read_text(), int(sys.argv[3])))
