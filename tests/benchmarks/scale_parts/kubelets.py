"""The logs of the pretended nodes' pods: kwok answers for their kubelets, but follows no log.

A job prints a step of its progress now and then, and its log does not end. Run as
``python kubelets.py ADDRESS PORT CERTIFICATE KEY``.
"""

import asyncio
import json
import random
import ssl
import sys
from datetime import UTC, datetime

from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler

STEP_S = 30.0
STEPS = 1000


class Log(RequestHandler):
    async def get(self, _path: str) -> None:
        self.set_header("Content-Type", "text/plain")
        # Not all at the same moment.
        pause_s = random.random() * STEP_S  # noqa: S311 - no secret
        try:
            await self.flush()
            for step in range(1, STEPS):
                await asyncio.sleep(pause_s)
                pause_s = STEP_S
                now = datetime.now(UTC)
                told = {"cell": step, "total": STEPS, "state": "done"}
                self.write(f"{now:%Y-%m-%dT%H:%M:%S.%f}000Z step {step}\n")
                self.write(f"{now:%Y-%m-%dT%H:%M:%S.%f}001Z \x1e{json.dumps(told)}\n")
                await self.flush()
        except StreamClosedError:
            return


async def main(address: str, port: int, certificate: str, key: str) -> None:
    """Serve until killed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    application = Application([(r"/containerLogs/(.*)", Log)], log_function=lambda _: None)
    application.listen(port, address, ssl_options=context)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
