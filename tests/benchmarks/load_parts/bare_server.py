"""The baseline: a tornado handler that answers the same bytes, and does nothing for them.

Run as ``python bare_server.py PORT PREFIX FILE``, where the file says, in JSON, what is answered to
each kind of request.
"""

import asyncio
import json
import sys
from pathlib import Path

from load_parts.plan import KINDS
from tornado.web import Application, RequestHandler


class BareHandler(RequestHandler):
    def initialize(self, answer: bytes) -> None:
        self.answer = answer

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(self.answer)


async def main(port: int, prefix: str, answers: dict[str, str]) -> None:
    """Serve until killed."""
    paths = {
        kind: path.partition("?")[0].replace("{slice}", "[^/]+")
        for kind, (path, _) in KINDS.items()
    }
    routes = [
        (f"{prefix}api/{path}", BareHandler, {"answer": answers[kind].encode()})
        for kind, path in paths.items()
    ]
    routes.append((f"{prefix}health", BareHandler, {"answer": b"{}"}))
    Application(routes, log_function=lambda _: None).listen(port, "127.0.0.1")
    print("listens", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], json.loads(Path(sys.argv[3]).read_text())))
