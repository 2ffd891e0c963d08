"""The connection to the hub service: the agent opens it, and opens it again.

The node's secret goes in the ``Authorization`` header and nowhere else. The welcome must repeat the
nonce of this connection's greeting. Assignments count only with the epoch of that welcome, in their
order, and while the status that they answer is not older than the service may be silent: neither a
recorded message nor one that was kept back keeps anything in force. What the agent sees is
sent whole at least every second and at once on a change; events until the service has them.
"""

import asyncio
import contextlib
import logging
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from sublet_quota.wire.agent_link import (
    FROM_SERVICE,
    Assignments,
    Events,
    EventsTaken,
    Hello,
    Status,
    Welcome,
)
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from sublet_agent.clock import Clock
from sublet_agent.hub_link.address import link_url
from sublet_agent.hub_link.freshness import SentStatuses, new_nonce
from sublet_agent.state_files.event_log import EventLog

_LEAST_BETWEEN_S: Final = 0.05
_EVENTS_AT_ONCE: Final = 500
_EVENTS_AGAIN_AFTER_S: Final = 3.0
_MOST_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_CONNECT_TIMEOUT_S: Final = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """The settings by which the agent reaches the hub service."""

    service_url: str
    secret_file: Path
    ca_file: Path | None = None
    """The authorities, one of which must have signed the service's certificate; ``None``: those
    that this machine trusts."""
    status_period_s: float = 1.0
    silence_s: float = 30.0
    """How long the service may be without a word before nothing is lent."""
    first_retry_s: float = 0.5
    longest_retry_s: float = 5.0


class ServiceRefusedError(Exception):
    """The service broke the link's rules; the connection is closed and tried again."""


class ServiceLink:
    """The agent's connection to the hub service, made again whenever it breaks."""

    def __init__(  # noqa: PLR0913 - what it connects
        self,
        *,
        settings: LinkSettings,
        hello: Callable[[str], Hello],
        event_log: EventLog,
        clock: Clock,
        status: Callable[[int, int, int], Status],
        assigned: Callable[[Assignments], None],
    ) -> None:
        self._settings = settings
        self._hello = hello
        self._event_log = event_log
        self._clock = clock
        self._status = status
        self._assigned = assigned
        self._changed = asyncio.Event()
        self._heard_at = clock.monotonic()
        self._highest_epoch = -1
        self._acknowledged = -1
        self._sequence = 0
        self._sent = SentStatuses(clock.monotonic(), settings.silence_s)
        self._offered: tuple[str, ...] = ()
        self._offered_at = float("-inf")

    @property
    def silent(self) -> bool:
        """Whether the service has last been heard too long ago.

        What it says counts from when the status that it answers was sent.
        """
        return self._clock.monotonic() - self._heard_at > self._settings.silence_s

    def tell(self) -> None:
        """Send the status at once, as something in it has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Connect, and again when the connection breaks, until cancelled."""
        wait_s = self._settings.first_retry_s
        while True:
            began = self._clock.monotonic()
            try:
                await self._connect_once()
            except (
                OSError,
                HTTPClientError,
                ServiceRefusedError,
                ValidationError,
                TimeoutError,
            ) as error:
                log.warning("no link to the hub service: %s", _in_words(error))
            except Exception:
                log.exception("the link to the hub service failed")
            if self._heard_at - began > self._settings.first_retry_s:
                # It was there for a while: the next one is likely to be there soon.
                wait_s = self._settings.first_retry_s
            # Jitter, so that all nodes do not come back in the same moment.
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            wait_s = min(wait_s * 2, self._settings.longest_retry_s)

    async def _connect_once(self) -> None:
        request = HTTPRequest(
            link_url(self._settings.service_url),
            headers={"Authorization": f"Bearer {_read_secret(self._settings.secret_file)}"},
            # Read for each connection: it may be another authority's by then.
            ca_certs=None if self._settings.ca_file is None else str(self._settings.ca_file),
            connect_timeout=_CONNECT_TIMEOUT_S,
            request_timeout=_CONNECT_TIMEOUT_S,
        )
        try:
            connection = await websocket_connect(
                request,
                ping_interval=10,
                ping_timeout=10,
                max_message_size=_MOST_MESSAGE_BYTES,
            )
        except ssl.SSLCertVerificationError as error:
            # Before the next: it is a ValueError, too.
            who = self._settings.ca_file
            by = (
                "whom this machine trusts, as no ca_file is set"
                if who is None
                else f"ca_file {who}"
            )
            message = f"its certificate is refused: {error.verify_message} (looked at by {by})"
            raise ServiceRefusedError(message) from error
        except ValueError as error:
            # tornado's word for a connection that was closed before TLS could begin.
            message = "the connection was closed before it was made"
            raise ServiceRefusedError(message) from error
        if connection.protocol is not None:
            # Else a report waits up to 40 ms for the receipt of the one before.
            connection.protocol.set_nodelay(True)
        try:
            epoch = await self._greet(connection)
            log.info("linked to the hub service (connection %s)", epoch)
            self._acknowledged = -1
            self._offered = ()
            sending = asyncio.create_task(self._send(connection, epoch))
            try:
                await self._listen(connection, epoch)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        finally:
            connection.close()

    async def _greet(self, connection: WebSocketClientConnection) -> int:
        hello = self._hello(new_nonce())
        greeted_at = self._clock.monotonic()
        await connection.write_message(hello.model_dump_json())
        welcome = await self._welcome(connection)
        if welcome.nonce != hello.nonce:
            message = "its welcome answers another greeting than this connection's: a recorded one"
            raise ServiceRefusedError(message)
        if welcome.epoch < self._highest_epoch:
            message = (
                f"it welcomes with epoch {welcome.epoch}, and {self._highest_epoch} was seen "
                f"before: an old copy of the service; restart the agent if its ledger was reset"
            )
            raise ServiceRefusedError(message)
        self._highest_epoch = welcome.epoch
        self._sent = SentStatuses(greeted_at, self._settings.silence_s)
        self._heard_at = max(self._heard_at, greeted_at)
        return welcome.epoch

    async def _welcome(self, connection: WebSocketClientConnection) -> Welcome:
        # Not wait_for: before Python 3.12 it may swallow the cancellation that ends the agent.
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            text = await connection.read_message()
        if text is None:
            message = f"it closed the connection: {connection.close_reason or 'no reason told'}"
            raise ServiceRefusedError(message)
        welcome = FROM_SERVICE.validate_json(text)
        if not isinstance(welcome, Welcome):
            message = f"its first message is {welcome.type!r} and not 'welcome'"
            raise ServiceRefusedError(message)
        return welcome

    async def _listen(self, connection: WebSocketClientConnection, epoch: int) -> None:
        while (text := await connection.read_message()) is not None:
            message = FROM_SERVICE.validate_json(text)
            match message:
                case Assignments():
                    self._take(message, epoch)
                case EventsTaken():
                    self._event_log.take(message.event_ids)
                    self._offered = ()
                    self._changed.set()
                case Welcome():
                    detail = "it welcomes twice"
                    raise ServiceRefusedError(detail)
        log.warning("the hub service closed the link: %s", connection.close_reason or "no reason")

    def _take(self, assignments: Assignments, epoch: int) -> None:
        if assignments.epoch != epoch:
            log.warning("assignments of epoch %s ignored, it is %s", assignments.epoch, epoch)
            return
        if assignments.sequence < self._acknowledged:
            log.warning("assignments %s ignored: a newer one came", assignments.sequence)
            return
        said_at = self._sent.sent_at(assignments.heard)
        silence_s = self._settings.silence_s
        if said_at is None or self._clock.monotonic() - said_at > silence_s:
            log.warning("assignments ignored: they are older than %.0f s", silence_s)
            return
        self._heard_at = max(self._heard_at, said_at)
        self._assigned(assignments)
        self._acknowledged = assignments.sequence
        self._changed.set()

    async def _send(self, connection: WebSocketClientConnection, epoch: int) -> None:
        while True:
            self._changed.clear()
            self._sequence += 1
            status = self._status(epoch, self._sequence, self._acknowledged)
            self._sent.note(self._sequence, self._clock.monotonic())
            await connection.write_message(status.model_dump_json())
            await self._send_events(connection, epoch)
            await asyncio.sleep(_LEAST_BETWEEN_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.status_period_s - _LEAST_BETWEEN_S):
                    await self._changed.wait()

    async def _send_events(self, connection: WebSocketClientConnection, epoch: int) -> None:
        events = self._event_log.first(_EVENTS_AT_ONCE)
        ids = tuple(e.event_id for e in events)
        now = self._clock.monotonic()
        if not ids or (ids == self._offered and now - self._offered_at < _EVENTS_AGAIN_AFTER_S):
            return
        self._offered, self._offered_at = ids, now
        message = Events(epoch=epoch, events=events)
        await connection.write_message(message.model_dump_json())


def _read_secret(path: Path) -> str:
    secret = path.read_text().strip()
    if not secret:
        message = f"the file of the node's secret, {path}, is empty"
        raise ServiceRefusedError(message)
    return secret


def _in_words(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return f"a message cannot be read: {error.errors(include_url=False, include_input=False)}"
    return str(error) or type(error).__name__
