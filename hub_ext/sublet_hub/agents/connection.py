"""An agent's connection: checks who it is, takes what it says, and answers.

Only the ``Authorization`` header identifies an agent. A browser sends ``Origin`` and a careless
client ``?token=``: both are refused before anything is read. What breaks the protocol (another
node's name, an old epoch, a sequence that does not grow, an unknown field) closes the connection.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sublet_quota.names.ids import NodeId
from sublet_quota.reasons.installation.standings import AgentRefusal
from sublet_quota.wire.agent_link import (
    FROM_AGENT,
    Assignments,
    Events,
    EventsTaken,
    Hello,
    Status,
    Welcome,
)
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from sublet_hub.agents.connection_registry import AgentConnections
from sublet_hub.agents.identity import AgentIdentity, IdentityUnknownError
from sublet_hub.agents.newcomers import TRY_AGAIN
from sublet_hub.errors import LinkError, TooManyRequestsError, words_of_validation
from sublet_hub.ledger.database import LedgerWriteError
from sublet_hub.security.client_address import peer_of
from sublet_hub.state.fleet import NodeView

_LOG = logging.getLogger(__name__)
_BEARER = re.compile(r"Bearer ([!-~]{16,4096})", re.IGNORECASE)
_BAD_PROTOCOL = 1002
_REPLACED = 4000
_EXPIRED = 4001
_HELLO_WITHIN_S = 10


def address_of(request: HTTPServerRequest) -> str:
    """Return the address that a request comes from.

    Only a proxy on this machine is believed to send for others.
    """
    peer = peer_of(request)
    return str(request.remote_ip) if peer in {"", "127.0.0.1", "::1"} else peer


class AgentSocket(WebSocketHandler):
    """The WebSocket of one agent."""

    def initialize(self, connections: AgentConnections) -> None:
        """Take the exchange that all connections share."""
        self.connections = connections
        self.node: NodeId | None = None
        self.view: NodeView | None = None
        self.expires_at: datetime | None = None
        self.is_over = False

    async def prepare(self) -> None:
        """Refuse whoever is no agent."""
        if "Origin" in self.request.headers or "Sec-Fetch-Mode" in self.request.headers:
            raise HTTPError(403, "agents send no Origin: browsers are not welcome here")
        if self.request.query:
            raise HTTPError(403, "agents send their secret in the Authorization header alone")
        header = _BEARER.fullmatch(self.request.headers.get("Authorization", ""))
        try:
            identity = await self._identify(None if header is None else header[1])
        except IdentityUnknownError as error:
            self.connections.refused.count(AgentRefusal.UNCHECKED)
            raise HTTPError(503, str(error)) from error
        except TooManyRequestsError as error:
            raise HTTPError(429, str(error)) from error
        if isinstance(identity, AgentRefusal):
            self.connections.refused.count(identity)
            raise HTTPError(401, f"no node has this secret ({identity})")
        self.node = identity.node
        self.expires_at = identity.expires_at

    async def _identify(self, proof: str | None) -> AgentIdentity | AgentRefusal:
        if proof is None:
            return AgentRefusal.NO_TOKEN
        return await self.connections.agents.identify(proof, address_of(self.request))

    def check_origin(self, origin: str) -> bool:
        """Return ``False``: no page may connect."""
        del origin
        return False

    def open(self, *_args: str, **_kwargs: str) -> None:
        """Wait for the agent's greeting, not for ever."""
        self.set_nodelay(value=True)
        if self.node is not None:
            self.connections.newcomers.add(self.node, self)
        IOLoop.current().call_later(_HELLO_WITHIN_S, self._expect_greeting)
        if self.expires_at is not None:
            IOLoop.current().call_at(self.expires_at.timestamp(), self._expire)

    def _expect_greeting(self) -> None:
        if self.view is None and self.ws_connection is not None:
            self.close(_BAD_PROTOCOL, f"no greeting within {_HELLO_WITHIN_S} s")

    def _expire(self) -> None:
        if self.ws_connection is not None:
            self.close(_EXPIRED, "the token has expired: connect again with the newer one")

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Take a message, or close the connection with what is wrong with it.

        tornado reads no more of this agent's until what is returned is over.
        """
        if self.is_over or self.node is None:
            return None
        began_s, events = time.perf_counter(), 0
        try:
            taken = FROM_AGENT.validate_json(message)
            events = len(taken.events) if isinstance(taken, Events) else 0
            self._take(taken)
        except ValidationError as error:
            self._break_off(words_of_validation(error))
        except LinkError as error:
            self._break_off(str(error))
        except LedgerWriteError as error:
            _LOG.error("a message of %s was not stored: %s", self.node, error)
            self.close(TRY_AGAIN, "the ledger cannot be written")
        now_s = time.perf_counter()
        rest_s = self.connections.pace_of(self.node).rest_s(now_s - began_s, events, now_s)
        return asyncio.sleep(rest_s) if rest_s > 0 else None

    def _take(self, message: Hello | Status | Events) -> None:
        self.connections.metrics.agent_message(message.type)
        match message:
            case Hello():
                self._greet(message)
            case Status():
                view = self._greeted(message.epoch)
                if message.sequence <= view.sequence:
                    error = f"status {message.sequence} came after {view.sequence}"
                    raise LinkError(error)
                view.sequence = message.sequence
                self.connections.reported(view, message)
            case Events():
                view = self._greeted(message.epoch)
                taken = self.connections.happened(view, message)
                self.send(EventsTaken(event_ids=taken))

    def _greet(self, hello: Hello) -> None:
        if self.view is not None:
            error = "a second greeting"
            raise LinkError(error)
        if hello.node != self.node:
            error = f"the secret is the one of node {self.node}, not of {hello.node}"
            raise LinkError(error)
        self.view = self.connections.connect(self, hello)
        self.send(Welcome(epoch=self.view.epoch, nonce=hello.nonce))
        self.connections.assign(self.view.node)

    def _greeted(self, epoch: int) -> NodeView:
        if self.view is None:
            error = "the first message must be a greeting"
            raise LinkError(error)
        if epoch != self.view.epoch:
            error = f"epoch {epoch} is not this connection's ({self.view.epoch})"
            raise LinkError(error)
        return self.view

    def _break_off(self, why: str) -> None:
        self.connections.refused.count(AgentRefusal.PROTOCOL)
        _LOG.warning("the agent of %s is disconnected: %s", self.node, why)
        self.close(_BAD_PROTOCOL, why.encode()[:120].decode(errors="ignore"))

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """End this connection: what still comes is not listened to."""
        self.is_over = True
        super().close(code, reason)

    def replace(self) -> None:
        """End this connection: the agent has opened another."""
        self.close(_REPLACED, "another connection of this node has taken over")

    def send(self, message: Welcome | Assignments | EventsTaken) -> None:
        """Send, unless the connection is closing."""
        try:
            self.write_message(message.model_dump_json())
        except WebSocketClosedError:
            _LOG.debug("the connection of %s is closing", self.node)

    def on_close(self) -> None:
        """Tell the others that this connection is over."""
        if self.node is not None:
            self.connections.newcomers.drop(self.node, self)
        if self.view is not None:
            self.connections.disconnect(self, self.view)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say why, in text."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = error.log_message if isinstance(error, HTTPError) else "failed"
        self.set_status(status_code)
        self.finish(message or "refused")
