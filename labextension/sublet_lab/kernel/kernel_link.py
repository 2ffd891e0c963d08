"""What a kernel asks and tells its node's agent: cells at the gate, and which of them run.

All of it goes over one connection, in order: a cell's request first, then levels that name the
cell until it is over. So the agent need not guess which of the two was earlier. A cell blocks its
event loop while it runs, so a thread holds the connection; it waits at plain sockets, since
notebooks may patch ``asyncio``. It never holds a running cell up: what cannot be told now is told
to the agent's successor. A forked child has neither the thread nor any right to the connection,
and stays silent.
"""

import contextlib
import logging
import os
import select
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Final

from sublet_quota.wire.tenant_socket import (
    MOST_CELLS,
    AgentAnswer,
    CapNotice,
    EnterGate,
    GateOpen,
    GateWaits,
    KernelActivity,
    LeaveGate,
    LocalShare,
    TenantMessage,
    Unknown,
)

from sublet_lab.kernel.cell_requests import AgentAway, Answer, CellRequest, NoLink
from sublet_lab.kernel.tenant_socket_client import AgentAwayError, TenantSocketClient

RETRY_S: Final = 0.25
"""While a cell runs or waits, an agent that is away is looked for so often, in seconds."""
_RETRY_AT_REST_S: Final = 2.0
"""The same while none does, for a level that nobody has heard yet."""
_REPEAT_S: Final = 2.0
_CLOSES_WITHIN_S: Final = 3.0
_MOST_WAKES: Final = 4096

log = logging.getLogger(__name__)


class KernelLink:
    """The requests and levels of one kernel, to whichever agent serves its node."""

    def __init__(self, socket_path: str, kernel: str) -> None:
        self._socket_path = socket_path
        self._kernel = kernel
        self._pid = os.getpid()
        # An abandoned cell may be collected, and end, while this very thread holds the lock.
        self._lock = threading.RLock()
        self._running: list[CellRequest] = []
        self._at_input: list[str] = []
        self._at_gate: list[CellRequest] = []
        self._requests: list[TenantMessage] = []
        """To be sent to the agent of this moment, before the next level."""
        self._level_is_news = False
        # A restarted kernel has the same name, and must not seem older than its predecessor.
        self._sequence = int(time.time() * 1000)
        self.say: Callable[[str, str], None] = _nobody_says
        """Says something in a running cell's output; called by the link's own thread."""
        self._crossing = ""
        """The notice that was said last."""
        self._closing = False
        self._thread: threading.Thread | None = None
        self._connection: TenantSocketClient | None = None
        self._logged: set[type[Exception]] = set()
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        # In a child it would stay open when the kernel is gone, as if that still ran.
        itself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _leave_to_parent(itself()))

    @property
    def is_connected(self) -> bool:
        """Whether there is an agent, which may not answer."""
        return self._connection is not None

    @contextlib.contextmanager
    def running(self, cell: str) -> Iterator[CellRequest]:
        """Ask at the gate for ``cell``; inside it counts as busy, waiting there or running."""
        request = CellRequest(EnterGate(kernel=self._kernel, cell=cell))
        try:
            with self._lock:
                self._running.append(request)
                self._at_gate.append(request)
                self._requests.append(request.asked)
                self._tell_level()
            yield request
        finally:
            request.is_over = True
            # The cell may have forked, and this be the end of it in the child.
            if self._pid == os.getpid():
                with self._lock:
                    self._forget_gone()
                    self._tell_level()

    @contextlib.contextmanager
    def waiting_for_input(self, cell: str) -> Iterator[None]:
        """Yield with ``cell`` not counted as busy inside: it waits for its user."""
        if self._pid != os.getpid():
            yield
            return
        with self._lock:
            self._at_input.append(cell)
            self._tell_level()
        try:
            yield
        finally:
            if self._pid == os.getpid():
                with self._lock:
                    self._at_input.remove(cell)
                    self._tell_level()

    def take_back(self, request: CellRequest) -> None:
        """Let the agent know that a cell waits no longer: it runs without leave."""
        with self._lock:
            self._leave_gate(request)
            self._wake_up()

    def close(self) -> None:
        """Ask and tell nothing more; the agent sees the connection close, who waits ``NoLink``."""
        if self._pid != os.getpid():
            return
        self._closing = True
        self._wake_up()
        if self._thread is not None:
            self._thread.join(_CLOSES_WITHIN_S)
        self._give_all(NoLink("the gate was taken away"))
        if self._thread is None or not self._thread.is_alive():
            self._woken.close()
            self._wake.close()

    def leave_to_parent(self) -> None:
        """Close this forked process's copies of the sockets; they stay the parent's."""
        if self._connection is not None:
            self._connection.leave_to_parent()
        self._woken.close()
        self._wake.close()

    def _leave_gate(self, request: CellRequest) -> None:
        if request in self._at_gate:
            self._at_gate.remove(request)
            self._requests.append(LeaveGate(kernel=self._kernel, cell=request.cell))

    def _forget_gone(self) -> None:
        for request in [request for request in self._running if request.is_gone]:
            self._leave_gate(request)
            self._running.remove(request)
            self._level_is_news = True

    def _tell_level(self) -> None:
        self._level_is_news = True
        if self._closing:
            self._give_all(NoLink("the gate was taken away"))
        elif self._thread is None:
            self._start()
        self._wake_up()

    def _start(self) -> None:
        thread = threading.Thread(target=self._serve, name="sublet-kernel-link", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # As where an account may have no more of them; the next cell tries again.
            self._give_all(NoLink(str(error)))
        else:
            self._thread = thread

    def _wake_up(self) -> None:
        # Where there is no room for another wake, the thread is about to be woken anyway.
        with contextlib.suppress(OSError):
            self._wake.send(b"\0")

    def _serve(self) -> None:
        """Find an agent whenever there is something to tell; this is the thread."""
        while not self._closing:
            try:
                if self._has_news():
                    self._converse()
            except AgentAwayError as error:
                self._is_away(str(error))
            except Exception as error:
                # Whoever waits must hear of it: the cell runs without leave then.
                if type(error) not in self._logged:
                    self._logged.add(type(error))
                    log.exception("Sublet's link to the agent broke, and is made anew")
                self._is_away("the connection to the agent broke")
            if not self._closing:
                self._wait(self._retry_s())

    def _converse(self) -> None:
        """Ask and tell an agent until it is away (``AgentAwayError``) or the link closes."""
        connection = self._connection = TenantSocketClient.open(self._socket_path)
        conversation = _Conversation()
        try:
            with self._lock:
                # This agent is asked anew by all who wait, before it is told what runs.
                self._requests = [request.asked for request in self._at_gate]
                self._level_is_news = True
            while not self._closing:
                self._send(connection, conversation)
                self._wait(conversation.next_s(busy=bool(self._busy_cells())), connection)
                self._hear(connection, conversation)
        except AgentAwayError as error:
            # What it said before it left is there also where it takes nothing any more.
            with contextlib.suppress(AgentAwayError):
                self._hear(connection, conversation)
            raise AgentAwayError(conversation.said or str(error)) from error
        finally:
            self._connection = None
            connection.hang_up()

    def _hear(self, connection: TenantSocketClient, conversation: "_Conversation") -> None:
        for answer in connection.answers():
            self._take(answer, conversation)

    def _send(self, connection: TenantSocketClient, conversation: "_Conversation") -> None:
        messages = self._messages(conversation)
        try:
            if messages:
                connection.send(messages)
        except AgentAwayError:
            # The next agent is told it, also of a kernel that is idle by now.
            self._level_is_news = True
            raise

    def _messages(self, conversation: "_Conversation") -> list[TenantMessage]:
        """Return what is to be sent now: requests, then the level where it is news or due."""
        with self._lock:
            self._forget_gone()
            again = [r.asked for r in conversation.to_ask_again() if r in self._at_gate]
            messages = [*self._requests, *again]
            self._requests = []
            cells = self._busy_cells()
            if self._level_is_news or (cells and conversation.level_is_due()):
                self._level_is_news = False
                self._sequence += 1
                conversation.note_level()
                messages.append(
                    KernelActivity(
                        kernel=self._kernel,
                        sequence=self._sequence,
                        busy=bool(cells),
                        cell=cells[-1] if cells else None,
                        cells=tuple(cells[-MOST_CELLS:]) if len(cells) > 1 else (),
                    )
                )
        return messages

    def _take(self, answer: AgentAnswer, conversation: "_Conversation") -> None:
        """Pass an answer on to the cell that it is for."""
        conversation.said = ""
        match answer:
            case GateOpen(cell=cell, notice=notice):
                if notice is not None:
                    self._note(notice, cell)
                for request in self._waiting(cell)[:1]:
                    with self._lock, contextlib.suppress(ValueError):
                        self._at_gate.remove(request)
                    request.give(answer)
            case GateWaits(cell=cell):
                for request in self._waiting(cell):
                    request.give(answer)
            case Unknown(cell=None, message=message):
                conversation.said = message
            case Unknown(cell=cell, message=message):
                for request in self._waiting(cell):
                    request.give(AgentAway(message))
                    conversation.ask_again_later(request)
            case LocalShare():
                pass

    def _note(self, notice: CapNotice, cell: str | None) -> None:
        """Have a notice said in a cell's output, once: at the gate when that opens, else now."""
        if notice.crossing == self._crossing:
            return
        self._crossing = notice.crossing
        waiting = self._waiting(cell)[:1]
        if waiting:
            waiting[0].notice = notice.message
            return
        with self._lock:
            running = self._busy_cells()
        if running:
            self.say(running[-1], notice.message)

    def _waiting(self, cell: str | None) -> list[CellRequest]:
        """Return who waits by that name, the longest first; an agent of before names nobody."""
        with self._lock:
            return [request for request in self._at_gate if cell in {None, request.cell}]

    def _is_away(self, why: str) -> None:
        with self._lock:
            # The next agent is asked anew.
            self._requests.clear()
        self._give_all(AgentAway(why))

    def _give_all(self, answer: Answer) -> None:
        with self._lock:
            waiting = list(self._at_gate)
        for request in waiting:
            request.give(answer)

    def _busy_cells(self) -> list[str]:
        return [r.cell for r in self._running if r.cell not in self._at_input]

    def _retry_s(self) -> float | None:
        if self._running:
            return RETRY_S
        return _RETRY_AT_REST_S if self._level_is_news else None

    def _has_news(self) -> bool:
        return self._level_is_news or bool(self._running)

    def _wait(self, most_s: float | None, connection: TenantSocketClient | None = None) -> None:
        """Wait until there is news or an answer, and for ``most_s`` seconds at most."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if connection is not None:
            poll.register(connection, select.POLLIN)
        poll.poll(None if most_s is None else 1000 * most_s)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(_MOST_WAKES)


class _Conversation:
    """What the link has to remember of one connection."""

    def __init__(self) -> None:
        self.said = ""
        """What the agent said last, if that was why it serves this kernel not at all."""
        self._level_told = -_REPEAT_S
        self._refused: dict[CellRequest, float] = {}
        """When to ask again for cells whose requests the agent has refused."""

    def note_level(self) -> None:
        """Note that the level is told now."""
        self._level_told = time.monotonic()

    def level_is_due(self) -> bool:
        """Whether a busy kernel's level is to be repeated."""
        return time.monotonic() - self._level_told >= _REPEAT_S

    def ask_again_later(self, request: CellRequest) -> None:
        """Note that the agent has refused a request just now."""
        self._refused[request] = time.monotonic() + RETRY_S

    def to_ask_again(self) -> list[CellRequest]:
        """Return the requests to repeat now, once."""
        now = time.monotonic()
        due = [request for request, at in self._refused.items() if now >= at]
        for request in due:
            del self._refused[request]
        return due

    def next_s(self, *, busy: bool) -> float | None:
        """Return in how many seconds something is due, ``None`` where nothing is."""
        times = [*self._refused.values(), *([self._level_told + _REPEAT_S] if busy else [])]
        return max(0.0, min(times) - time.monotonic()) if times else None


def _nobody_says(_cell: str, _text: str) -> None:
    """Stand in for the cells until there are some."""


def _leave_to_parent(link: KernelLink | None) -> None:
    if link is not None:
        link.leave_to_parent()
