"""A person at a notebook: logs in, starts a server, opens a kernel, runs cells.

Speaks JupyterHub's and Jupyter Server's public HTTP and WebSocket interfaces, as a browser does.
"""

import asyncio
import contextlib
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote, urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

REQUEST_TIMEOUT_S = 60.0
SERVER_STARTS_WITHIN_S = 300.0
KERNEL_STARTS_WITHIN_S = 180.0


class CellError(Exception):
    """A cell ended with an error."""

    def __init__(self, name: str, value: str, traceback: list[str]) -> None:
        super().__init__(f"{name}: {value}")
        self.traceback = "\n".join(traceback)


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """The output of a cell, and when what happened (``time.monotonic`` seconds)."""

    text: str
    sent_at: float
    ended_at: float

    @property
    def took_s(self) -> float:
        """The time from ``execute_request`` to the reply."""
        return self.ended_at - self.sent_at

    def value(self) -> Any:
        """Return the last line that the cell printed, read as JSON."""
        return json.loads(self.text.strip().splitlines()[-1])


@dataclass(slots=True)
class Person:
    """A logged-in user."""

    hub_url: str
    name: str
    password: str
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""

    async def log_in(self) -> None:
        """Log in by the form, as a browser does, and make a token for the rest."""
        page = await self._fetch("GET", "/hub/login")
        xsrf = self.cookies.get("_xsrf", "")
        found = re.search(r'name="_xsrf"\s+value="([^"]+)"', page.body.decode())
        form = {
            "username": self.name,
            "password": self.password,
            "_xsrf": found[1] if found else xsrf,
        }
        await self._fetch("POST", "/hub/login", body=urlencode(form))
        if not any("jupyterhub" in name for name in self.cookies):
            message = f"{self.name} could not log in at {self.hub_url}"
            raise PermissionError(message)
        # The user's own XSRF token comes with a page made for them.
        await self._fetch("GET", "/hub/token")
        answer = await self._fetch(
            "POST",
            f"/hub/api/users/{quote(self.name)}/tokens?_xsrf={quote(self.cookies['_xsrf'])}",
            body=json.dumps({"note": "sublet demo"}),
            headers={"Referer": f"{self.hub_url}/hub/token", "Content-Type": "application/json"},
        )
        self.token = json.loads(answer.body)["token"]

    async def start_server(
        self, options: dict[str, Any], said: Callable[[str], None] | None = None
    ) -> None:
        """Start the notebook server with these options; tell its progress messages."""
        await self.call("POST", f"/hub/api/users/{quote(self.name)}/server", options)
        async for event in self._progress():
            if said is not None and event.get("message"):
                said(str(event["message"]))
            if event.get("failed"):
                message = f"{self.name}'s server did not start: {event.get('message')}"
                raise RuntimeError(message)
            if event.get("ready"):
                return

    async def stop_server(self) -> None:
        """Stop the notebook server; it may take a moment longer."""
        await self.call("DELETE", f"/hub/api/users/{quote(self.name)}/server")

    async def _progress(self) -> AsyncIterator[dict[str, Any]]:
        lines: asyncio.Queue[bytes] = asyncio.Queue()
        request = HTTPRequest(
            f"{self.hub_url}/hub/api/users/{quote(self.name)}/server/progress",
            headers={"Authorization": f"token {self.token}"},
            streaming_callback=lines.put_nowait,
            request_timeout=SERVER_STARTS_WITHIN_S,
        )
        fetching = asyncio.ensure_future(AsyncHTTPClient().fetch(request))
        pending = b""
        while not (fetching.done() and lines.empty()):
            with contextlib.suppress(TimeoutError):
                pending += await asyncio.wait_for(lines.get(), 0.2)
            *whole, pending = pending.split(b"\n")
            for line in whole:
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])
        await fetching

    async def open_kernel(self, name: str = "python3") -> "Kernel":
        """Start a kernel on this person's server, and return a connection to it."""
        answer = await self.call("POST", f"/user/{quote(self.name)}/api/kernels", {"name": name})
        kernel_id = json.loads(answer.body)["id"]
        kernel = Kernel(self, kernel_id, await self.connect(kernel_id))
        await kernel.run("None", timeout_s=KERNEL_STARTS_WITHIN_S)
        return kernel

    async def connect(self, kernel_id: str) -> WebSocketClientConnection:
        """Open a connection to the channels of a kernel of this person's server."""
        url = f"{self.hub_url}/user/{quote(self.name)}/api/kernels/{kernel_id}/channels"
        return await websocket_connect(
            HTTPRequest(
                url.replace("http", "ws", 1), headers={"Authorization": f"token {self.token}"}
            ),
            max_message_size=64 * 2**20,
        )

    async def put_notebook(self, path: str, content: dict[str, Any]) -> None:
        """Save a notebook on this person's server."""
        body = {"type": "notebook", "content": content}
        await self.call("PUT", f"/user/{quote(self.name)}/api/contents/{quote(path)}", body)

    async def get_notebook(self, path: str) -> dict[str, Any]:
        """Return a notebook from this person's server."""
        answer = await self.call("GET", f"/user/{quote(self.name)}/api/contents/{quote(path)}")
        content: dict[str, Any] = json.loads(answer.body)["content"]
        return content

    async def service(self, method: str, path: str, body: Any = None) -> Any:
        """Call the hub service's API as this person; return the answer's body."""
        answer = await self.call(method, f"/services/sublet/api/{path}", body)
        return json.loads(answer.body) if answer.body else None

    async def call(self, method: str, path: str, body: Any = None) -> HTTPResponse:
        """Call an API with this person's token; return the answer.

        ``HTTPClientError`` with the server's words.
        """
        return await self._fetch(
            method,
            path,
            body=json.dumps(body) if body is not None else None,
            headers={"Authorization": f"token {self.token}"},
        )

    async def _fetch(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> HTTPResponse:
        sent = dict(headers or {})
        if "Authorization" not in sent:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
            if "Content-Type" not in sent and body is not None:
                sent["Content-Type"] = "application/x-www-form-urlencoded"
        request = HTTPRequest(
            self.hub_url + path,
            method=method,
            headers=sent,
            body=body if body is not None or method in ("GET", "DELETE") else "",
            follow_redirects=method == "GET",
            request_timeout=REQUEST_TIMEOUT_S,
        )
        answer = await AsyncHTTPClient().fetch(request, raise_error=False)
        for line in answer.headers.get_list("Set-Cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        if answer.code >= 400:  # noqa: PLR2004 - an HTTP error
            words = answer.body.decode(errors="replace")[:2000] if answer.body else answer.reason
            raise HTTPClientError(answer.code, words, answer)
        return answer


@dataclass(slots=True)
class Kernel:
    """A connection to one kernel."""

    person: Person
    kernel_id: str
    connection: WebSocketClientConnection
    waits: list[str] = field(default_factory=list)
    """What the kernel's cells were told while they waited."""

    async def run(self, code: str, timeout_s: float = 120) -> CellOutcome:
        """Run a cell; return its outcome.

        ``CellError`` where it fails, ``TimeoutError`` where it does not end.
        """
        message_id = uuid.uuid4().hex
        header = {
            "msg_id": message_id,
            "msg_type": "execute_request",
            "username": self.person.name,
            "session": self.kernel_id,
            "version": "5.3",
            "date": "",
        }
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        sent_at = time.monotonic()
        await self.connection.write_message(
            json.dumps(
                {
                    "header": header,
                    "parent_header": {},
                    "metadata": {},
                    "content": content,
                    "channel": "shell",
                    "buffers": [],
                }
            )
        )
        async with asyncio.timeout(timeout_s):
            return await self._outcome(message_id, sent_at)

    async def _outcome(self, message_id: str, sent_at: float) -> CellOutcome:
        printed: list[str] = []
        replied_at: float | None = None
        idle = False
        while replied_at is None or not idle:
            raw = await self.connection.read_message()
            if raw is None:
                message = f"{self.person.name}'s kernel went away while a cell ran"
                raise ConnectionError(message)
            message_in = json.loads(raw)
            if message_in.get("parent_header", {}).get("msg_id") != message_id:
                continue
            content = message_in["content"]
            match message_in["msg_type"]:
                case "stream" if content["name"] == "stdout":
                    printed.append(content["text"])
                case "display_data" | "update_display_data":
                    self.waits.append(content["data"].get("text/plain", ""))
                case "execute_reply":
                    replied_at = time.monotonic()
                    if content["status"] != "ok":
                        raise CellError(
                            content.get("ename", content["status"]),
                            content.get("evalue", ""),
                            content.get("traceback", []),
                        )
                case "status":
                    idle = content["execution_state"] == "idle"
        return CellOutcome("".join(printed), sent_at, replied_at)

    async def connect_again(self) -> None:
        """Connect anew, after a connection that broke."""
        self.connection.close()
        self.connection = await self.person.connect(self.kernel_id)

    def close(self) -> None:
        """Close the connection; the kernel lives on."""
        self.connection.close()
