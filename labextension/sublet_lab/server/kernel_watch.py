"""The watch over the server's kernels, which tells the agent of work that they cannot tell.

A kernel with Sublet's gate says so among its features, and tells of its cells itself. Of the others
every front end's cells are seen on iopub: a "busy" whose parent is an ``execute_request``, until
the "idle" of the same parent. Completion and inspection are busy too, and do not count. What a
widget calls passes no gate. Where that takes long it may wait inside a GPU call for a slice that is
away, and no cell could run meanwhile: so it counts as a cell then, in any kernel.
"""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import Any, Protocol

from jupyter_client.session import Session

from sublet_lab.kernel.cells import GATE_FEATURE
from sublet_lab.server.kernel_processes import pid_of

_LOOK_AGAIN_S = 0.5
_REPEAT_S = 2.0
_SAYS_ITS_FEATURES_WITHIN_S = 10.0
_MISSED_WITHIN_S = 3.0
MISSED_CELL = "a cell that began before this server listened"
_LONG_CALL_S = 1.0
_CALLS = frozenset({"comm_open", "comm_msg", "comm_close"})
"""The kinds of messages by which widgets ask something of a kernel."""
BESIDE_CELLS = "beside its cells"
"""The addition to the name of a kernel that tells of its cells itself."""
_NOT_RUNNING = frozenset({"starting", "restarting", "dead"})


class Levels(Protocol):
    """The receiver of what is told of kernels: the agent."""

    async def tell(self, kernel: str, cell: str | None) -> bool:
        """Tell that ``cell`` runs in ``kernel``, or none; return whether it could be told."""

    def close(self) -> None:
        """Tell nothing more."""


@dataclass(eq=False)
class _Watched:
    """A kernel of the server, and what is known of it."""

    kernel: Any
    session: Session
    ports: tuple[int, int]
    seen_at: float
    streams: list[Any] = field(default_factory=list)
    tells_itself: bool | None = None
    has_heard_a_cell: bool = False
    running: list[str] = field(default_factory=list)
    calls: dict[str, tuple[object, float]] = field(default_factory=dict)
    """The calls of widgets that the kernel has not answered, each with its subshell and when it
    began.
    """
    told: str | None = None
    told_as: str = ""
    """The name under which the kernel was told."""
    told_at: float = 0.0
    process: int | None = None
    """The kernel's pid: another one knows nothing of what was begun."""

    def forget_work(self) -> None:
        """Note that nothing runs in the kernel any more."""
        self.running.clear()
        self.calls.clear()


class KernelWatch:
    """The watch over the kernels of a ``MappingKernelManager``, for the agent."""

    def __init__(self, kernels: Any, levels: Levels, log: logging.Logger) -> None:
        self._kernels = kernels
        self._levels = levels
        self._log = log
        self._watched: dict[str, _Watched] = {}
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                try:
                    self._look_for_kernels()
                    await self._tell_levels()
                except Exception:  # noqa: BLE001 (a watch that ended would never be noticed)
                    self._log.exception("Sublet: watching the kernels failed; trying again")
                    await asyncio.sleep(_REPEAT_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN_S):
                        await self._news.wait()
                self._news.clear()
        finally:
            for watched in self._watched.values():
                _stop(watched)
            self._levels.close()

    def _look_for_kernels(self) -> None:
        there = set(self._kernels.list_kernel_ids())
        for kernel_id in there:
            kernel = self._kernels.get_kernel(kernel_id)
            if not hasattr(kernel, "connect_iopub"):
                continue  # it runs behind a gateway, on another machine
            ports = (kernel.iopub_port, kernel.control_port)
            watched = self._watched.get(kernel_id)
            if watched is None or watched.ports != ports:
                fresh = self._watch(kernel, ports)
                if watched is not None:
                    _stop(watched)
                    # What was told of it has to be taken back.
                    fresh.told, fresh.told_as = watched.told, watched.told_as
                self._watched[kernel_id] = fresh
            else:
                _follow_process(watched)
                _follow_state(watched, getattr(kernel, "execution_state", ""))

    def _watch(self, kernel: Any, ports: tuple[int, int]) -> _Watched:
        watched = _Watched(
            kernel=kernel,
            session=Session(config=kernel.session.config, key=kernel.session.key),
            ports=ports,
            seen_at=asyncio.get_running_loop().time(),
            process=pid_of(kernel),
        )
        iopub, control = kernel.connect_iopub(), kernel.connect_control()
        watched.streams += [iopub, control]
        iopub.on_recv(lambda frames: self._heard(watched, frames))
        control.on_recv(lambda frames: self._told_features(watched, frames))
        watched.session.send(control, "kernel_info_request")
        return watched

    def _told_features(self, watched: _Watched, frames: list[bytes]) -> None:
        message = self._message(watched, frames, "kernel_info_reply")
        if message is None:
            return
        features = message["content"].get("supported_features") or ()
        watched.tells_itself = GATE_FEATURE in features
        if watched.tells_itself:
            watched.running.clear()

    def _heard(self, watched: _Watched, frames: list[bytes]) -> None:
        if watched.tells_itself and not frames[0].endswith(b"status"):
            return  # its topics say what comes: nothing need be unpacked of what a cell prints
        message = self._message(watched, frames, "status")
        if message is None:
            return
        _follow_status(watched, message)
        self._news.set()

    def _message(self, watched: _Watched, frames: list[bytes], kind: str) -> dict[str, Any] | None:
        """Return the message if it is of this kind, else ``None``, and its content is not read."""
        try:
            _, parts = watched.session.feed_identities(frames)
            message = watched.session.deserialize(parts, content=False)
            if message["header"]["msg_type"] != kind:
                return None
            content = watched.session.unpack(message["content"])
        except (ValueError, KeyError, TypeError) as error:
            self._log.debug("Sublet: an unreadable message of a kernel: %s", error)
            return None
        return {**message, "content": content}

    async def _tell_levels(self) -> None:
        now = asyncio.get_running_loop().time()
        there = set(self._kernels.list_kernel_ids())
        for kernel_id, watched in list(self._watched.items()):
            if kernel_id not in there:
                _stop(watched)
                watched.forget_work()
                del self._watched[kernel_id]
            if watched.tells_itself is None and now - watched.seen_at < _SAYS_ITS_FEATURES_WITHIN_S:
                continue
            name = f"{kernel_id} {BESIDE_CELLS}" if watched.tells_itself else kernel_id
            if watched.told is not None and watched.told_as != name:
                if not await self._levels.tell(watched.told_as, None):
                    continue
                watched.told = None
            cell = _works_on(watched, now)
            repeat = cell is not None and now - watched.told_at >= _REPEAT_S
            if cell == watched.told and not repeat:
                continue
            if await self._levels.tell(name, cell):
                watched.told, watched.told_as, watched.told_at = cell, name, now


def _follow_status(watched: _Watched, message: dict[str, Any]) -> None:
    state = message["content"].get("execution_state")
    parent = message.get("parent_header") or {}
    request, kind = str(parent.get("msg_id") or ""), parent.get("msg_type")
    if state in _NOT_RUNNING:
        watched.forget_work()
    elif request and (kind in _CALLS or kind == "execute_request"):
        # A subshell takes up one request after the other.
        subshell = parent.get("subshell_id")
        watched.calls = {c: begun for c, begun in watched.calls.items() if begun[0] != subshell}
        if kind in _CALLS and state == "busy":
            watched.calls[request] = (subshell, asyncio.get_running_loop().time())
        elif kind == "execute_request" and not watched.tells_itself:
            _follow_cell(watched, request, state)


def _follow_cell(watched: _Watched, cell: str, state: str | None) -> None:
    watched.has_heard_a_cell = True
    if state == "busy" and cell not in watched.running:
        watched.running.append(cell)
    elif state == "idle":
        watched.running = [c for c in watched.running if c not in {cell, MISSED_CELL}]


def _works_on(watched: _Watched, now: float) -> str | None:
    if watched.running:
        return watched.running[-1]
    calls = watched.calls.items()
    return next((call for call, (_, began) in calls if now - began >= _LONG_CALL_S), None)


def _follow_process(watched: _Watched) -> None:
    """Note a restart, of which iopub may tell nothing while it connects anew."""
    process = pid_of(watched.kernel)
    if process is not None and process != watched.process:
        watched.forget_work()
        watched.process = process


def _follow_state(watched: _Watched, state: str) -> None:
    """Go by the server's own word where iopub tells nothing.

    The server listens from the kernel's start: a cell can begin before this watch is connected.
    """
    is_new = asyncio.get_running_loop().time() - watched.seen_at < _MISSED_WITHIN_S
    may_miss = is_new and not (watched.has_heard_a_cell or watched.running or watched.tells_itself)
    if state in _NOT_RUNNING:
        watched.forget_work()
    elif state == "busy" and may_miss:
        watched.running.append(MISSED_CELL)
    elif state != "busy" and MISSED_CELL in watched.running:
        watched.running.remove(MISSED_CELL)


def _stop(watched: _Watched) -> None:
    for stream in watched.streams:
        if not stream.closed():
            stream.on_recv(None)
            stream.close()
    watched.streams.clear()
