"""A server in a notebook server's place: there in a moment, where a real one takes seconds.

Run as ``python -S -E quick_server.py`` with what a spawner's environment says; it answers whatever
it is asked, and an interrupt ends it.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMAND = [sys.executable, "-S", "-E", str(Path(__file__).resolve())]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    at = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    ThreadingHTTPServer((at.hostname or "127.0.0.1", at.port or 0), _Handler).serve_forever()
