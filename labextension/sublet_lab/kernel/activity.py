"""Tells the agent whether a cell of this kernel runs: a level, repeated while busy.

A cell blocks the kernel's event loop, so a thread with a connection of its own does the telling.
It never holds a cell up: what cannot be sent is sent with the next repetition. A forked child has
neither the thread nor any right to the connection, and stays silent.
"""

import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator

from sublet_quota.wire.tenant_socket import MOST_CELLS, KernelActivity

_REPEAT_S = 2.0
_TRY_AGAIN_S = 0.5
"""The agent was away: a new one should soon know what runs."""
_CONNECT_TIMEOUT_S = 1.0


def _close_in_child(reporter: "ActivityReporter | None") -> None:
    if reporter is not None:
        reporter.leave_to_parent()


class ActivityReporter:
    """The running cells of a kernel, told to the agent."""

    def __init__(self, socket_path: str, kernel: str) -> None:
        self._socket_path = socket_path
        self._kernel = kernel
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._running: list[str] = []
        self._asking: list[str] = []
        # A restarted kernel has the same name, and must not seem older than its predecessor.
        self._sequence = int(time.time() * 1000)
        self._news = False
        self._closing = False
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None
        # In a child it would stay open when the kernel is gone, as if that still ran.
        itself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _close_in_child(itself()))

    @contextlib.contextmanager
    def running(self, cell: str) -> Iterator[None]:
        """Count as busy by ``cell`` inside."""
        with self._noted(self._running, cell):
            yield

    @contextlib.contextmanager
    def waiting_for_input(self, cell: str) -> Iterator[None]:
        """Not count as busy by ``cell`` inside: it waits for its user."""
        with self._noted(self._asking, cell):
            yield

    def leave_to_parent(self) -> None:
        """Close this process's handle of the connection; it stays the parent's."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Stop telling; the agent sees the connection close."""
        if self._pid != os.getpid():
            return
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_CONNECT_TIMEOUT_S + _REPEAT_S)

    @contextlib.contextmanager
    def _noted(self, cells: list[str], cell: str) -> Iterator[None]:
        if self._pid != os.getpid():
            yield
            return
        self._note(cells.append, cell)
        try:
            yield
        finally:
            # The cell may have forked, and this be the end of it in the child.
            if self._pid == os.getpid():
                self._note(cells.remove, cell)

    def _note(self, change: Callable[[str], None], cell: str) -> None:
        with self._changed:
            change(cell)
            self._news = True
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._tell, name="sublet-activity", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def _tell(self) -> None:
        unsent = False
        while True:
            with self._changed:
                if not self._news and not self._closing:
                    self._changed.wait(self._next_s(unsent=unsent))
                if self._closing:
                    break
                self._news = False
                cells = self._busy_cells()
                self._sequence += 1
                level = KernelActivity(
                    kernel=self._kernel,
                    sequence=self._sequence,
                    busy=bool(cells),
                    cell=cells[-1] if cells else None,
                    cells=tuple(cells[-MOST_CELLS:]) if len(cells) > 1 else (),
                )
            unsent = not self._send(level)
        self._hang_up()

    def _next_s(self, *, unsent: bool) -> float | None:
        if unsent:
            return _TRY_AGAIN_S
        return _REPEAT_S if self._busy_cells() else None

    def _busy_cells(self) -> list[str]:
        return [cell for cell in self._running if cell not in self._asking]

    def _send(self, level: KernelActivity) -> bool:
        """Whether it could be sent; if not, it is tried again with the next repetition."""
        if self._socket is not None and self._sent(level):
            return True
        # There was none, or it broke, as when the agent was restarted.
        return self._sent(level)

    def _sent(self, level: KernelActivity) -> bool:
        try:
            if self._socket is None:
                self._socket = self._connected()
            self._drain(self._socket)
            self._socket.sendall(level.model_dump_json().encode() + b"\n")
        except OSError:
            self._hang_up()
            return False
        return True

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_CONNECT_TIMEOUT_S)
            connection.connect(self._socket_path)
            connection.setblocking(False)
        except OSError:
            connection.close()
            raise
        return connection

    def _drain(self, connection: socket.socket) -> None:
        """Read what the agent answered (nothing that matters); ``OSError`` if it hung up."""
        with contextlib.suppress(BlockingIOError):
            while True:
                if not connection.recv(65536):
                    message = "the agent hung up"
                    raise ConnectionResetError(message)

    def _hang_up(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
