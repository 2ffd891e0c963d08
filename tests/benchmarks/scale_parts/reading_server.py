"""The baseline of the service's CPU: a server that checks what agents report, and does no more.

It has the service's own web server and wire types; each agent is assigned, once, as many slices as
the service's agents have. Run as ``python reading_server.py PORT SLICES`` (slices of each agent).
"""

import asyncio
import json
import sys
from datetime import UTC, datetime

from scale_parts.size import gpu_id
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.agent_link import (
    FROM_AGENT,
    Assignments,
    Hello,
    SliceAssignment,
    Status,
    Welcome,
)
from tornado.web import Application
from tornado.websocket import WebSocketHandler

LINK = "/services/sublet/api/agents/link"


class ReadingSocket(WebSocketHandler):
    read = 0

    def initialize(self, slices: int) -> None:
        self.slices = slices

    def on_message(self, message: str | bytes) -> None:
        match FROM_AGENT.validate_json(message):
            case Hello() as hello:
                self.write_message(Welcome(epoch=1, nonce=hello.nonce).model_dump_json())
                self.write_message(_assignments(hello.node, self.slices).model_dump_json())
            case Status():
                ReadingSocket.read += 1


def _assignments(node: str, slices: int) -> Assignments:
    def one(number: int) -> SliceAssignment:
        return SliceAssignment(
            slice_id=f"{number:032}",
            holder=Holder.NOTEBOOK,
            owner="somebody",
            gpu_id=gpu_id(node, number),
            memory_mib=1024,
            compute_milli=100,
            uid=1000,
            created_at=datetime.now(UTC),
        )

    told = tuple(one(number) for number in range(slices))
    return Assignments(epoch=1, sequence=0, heard=-1, lending=True, gpus=(), slices=told)


async def main(port: int, slices: int) -> None:
    """Serve until killed; say each second how many reports were read."""
    application = Application([(LINK, ReadingSocket, {"slices": slices})])
    application.listen(port, "127.0.0.1")
    while True:
        print(json.dumps({"read": ReadingSocket.read}), flush=True)
        await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
