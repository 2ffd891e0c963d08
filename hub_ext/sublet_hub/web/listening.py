"""The HTTP server, which takes connections within bounds and rests where the machine has no more.

Where no more files can be opened, tornado's own server tries again at once, for ever, and logs a
traceback each time.
"""

import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.web import Application

from sublet_hub.security.local_peers import LocalPeers
from sublet_hub.web.connections import OPEN_CONNECTIONS, OpenConnections
from sublet_hub.web.unsent_answers import UnsentAnswers

_LOG = logging.getLogger(__name__)
_AT_ONCE: Final = 64
_ROUNDS: Final = 16
"""So many times the loop goes round before as many connections come as there are places: what each
has sent is looked at before it could be the longest of a crowd.
"""
_PAUSE_S: Final = 1.0
_CLOSED_WHEN_FULL: Final = 64
_HEADERS_WITHIN_S: Final = 20.0
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener:
    """A listening socket, which is let alone for a second where the machine takes no more."""

    def __init__(
        self,
        sock: socket.socket,
        take: Callable[[socket.socket, Any], None],
        no_room: Callable[[], None],
        at_once: int = _AT_ONCE,
    ) -> None:
        self._socket = sock
        self._at_once = at_once
        self._take = take
        self._no_room = no_room
        self._loop = IOLoop.current()
        self._stopped = False
        self._full = False
        self._listen()

    def stop(self) -> None:
        """Take no more connections."""
        self._stopped = True
        self._loop.remove_handler(self._socket)

    def _listen(self) -> None:
        if not self._stopped:
            self._loop.add_handler(self._socket, self._accept, IOLoop.READ)

    def _accept(self, *_told: Any) -> None:
        for _ in range(self._at_once):
            if self._stopped:
                return
            try:
                connection, address = self._socket.accept()
            except BlockingIOError:
                self._full = False
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                self._rest(error)
                return
            self._take(connection, address)

    def _rest(self, error: OSError) -> None:
        if not self._full:
            _LOG.error("no connections are taken until there is room again: %s", error.strerror)
        self._full = True
        self._loop.remove_handler(self._socket)
        self._loop.call_later(_PAUSE_S, self._listen)
        self._no_room()


class _Noted(HTTPMessageDelegate):
    """The reading of a request, told to the open connections: its headers' end, and its body's."""

    def __init__(
        self,
        inner: HTTPMessageDelegate,
        has_come: Callable[[bool], None],
        has_all_come: Callable[[], None],
    ) -> None:
        self._inner = inner
        self._has_come = has_come
        self._has_all_come = has_all_come

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        has_body = headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers
        self._has_come(has_body)
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._has_all_come()
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()


class BoundedServer(HTTPServer):
    """tornado's server with a bound on connections; see ``OpenConnections`` for whose go first."""

    open_connections: OpenConnections[IOStream]

    def initialize(  # type: ignore[override] # what it is made from is ours to say
        self,
        request_callback: Any,
        most_connections: int,
        unsent: UnsentAnswers,
        peers: LocalPeers | None = None,
        **options: Any,
    ) -> None:
        """Take the application, the bound, what is noted of connections, and tornado's options."""
        super().initialize(request_callback, **options)
        self._unsent = unsent
        self._at_once = max(1, min(_AT_ONCE, most_connections // _ROUNDS))
        self._peers = peers or LocalPeers()
        self.open_connections = OpenConnections(most_connections)
        if isinstance(request_callback, Application):
            # Its handlers tell whom they have let in.
            request_callback.settings[OPEN_CONNECTIONS] = self.open_connections
        self._unheard: dict[IOStream, object] = {}
        """The end of the patience with each connection from which nothing has come."""

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Take connections at these sockets, within what the machine has room for."""
        for sock in sockets:
            self._sockets[sock.fileno()] = sock
            listener = Listener(
                sock, self._handle_connection, self._close_idle, at_once=self._at_once
            )
            self._handlers[sock.fileno()] = listener.stop

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Serve a new connection, if need be in place of another."""
        peer = self._peers.note(stream, str(address[0])) if address else ""
        victim = self.open_connections.open(stream, peer)
        if victim is not None:
            victim.close()
        if victim is not stream:
            loop = IOLoop.current()
            self._unheard[stream] = loop.call_later(_HEADERS_WITHIN_S, stream.close)
            super().handle_stream(stream, address)

    def start_request(self, server_conn: Any, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Wait for the connection's next request, and note what has come of it."""
        stream: IOStream = server_conn.stream
        self._unsent.is_over(stream)
        self.open_connections.is_idle(stream)

        def has_come(has_body: bool) -> None:  # noqa: FBT001 - a callback's one argument
            self._be_patient(stream)
            self.open_connections.is_asked(stream, body_is_over=not has_body)

        def has_all_come() -> None:
            self.open_connections.has_sent_all(stream)

        inner = super().start_request(server_conn, request_conn)
        return _Noted(inner, has_come, has_all_come)

    def on_close(self, server_conn: Any) -> None:
        """Forget a connection that is closed, or has become an agent's WebSocket."""
        self._be_patient(server_conn.stream)
        self._unsent.is_over(server_conn.stream)
        self.open_connections.close(server_conn.stream)
        super().on_close(server_conn)

    def _be_patient(self, stream: IOStream) -> None:
        patience = self._unheard.pop(stream, None)
        if patience is not None:
            IOLoop.current().remove_timeout(patience)

    def _close_idle(self) -> None:
        for _ in range(_CLOSED_WHEN_FULL):
            stream = self.open_connections.give_one_up()
            if stream is None:
                return
            stream.close()
