"""Wraps one kernel instance, so that each cell passes the gate and counts as activity.

IPython swallows what ``pre_run_cell`` callbacks raise and runs the cell anyway, so the gate wraps
``do_execute``, which can wait, be interrupted and answer with an error instead. Silent executions
(of front ends, for themselves) neither wait nor count.
"""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from sublet_lab.kernel.gate import CellGate, SubletGate
from sublet_lab.kernel.kernel_link import KernelLink
from sublet_lab.kernel.notice import WaitNotice

GATE_FEATURE = "sublet gate"
"""The name among a kernel's ``supported_features``: it reports its activity itself."""
_AT_GATE: Final = "interrupted while the cell waited for its GPU; nothing of it has run"
_BESIDE_LINES: Final = "interrupted as the cell was about to begin, or was about to end"


class GatedCells:
    """The gate before one kernel's cells."""

    def __init__(self, kernel: Any, link: KernelLink, settings: SubletGate) -> None:
        self._kernel = kernel
        self._link = link
        self._gate = CellGate(link, settings)
        self._settings = settings
        self._pid = os.getpid()
        self._parents: dict[str, Any] = {}
        """The request of each cell that runs, which its output names."""
        link.say = self._say
        self._execute: Callable[..., Awaitable[dict[str, Any]]] = kernel.do_execute
        self._raw_input: Callable[..., str] = kernel.raw_input
        self._getpass: Callable[..., str] = kernel.getpass

    def install(self) -> None:
        """Wrap the kernel's methods, on the instance."""
        kernel = self._kernel
        kernel.do_execute = self._gated_execute
        kernel.raw_input = self._counted_as_idle(self._raw_input)
        kernel.getpass = self._counted_as_idle(self._getpass)
        for handlers in (kernel.shell_handlers, kernel.control_handlers):
            handlers["kernel_info_request"] = self._kernel_info_request

    def remove(self) -> None:
        """Unwrap the kernel's methods, and hang up."""
        kernel = self._kernel
        for name in ("do_execute", "raw_input", "getpass"):
            delattr(kernel, name)
        for handlers in (kernel.shell_handlers, kernel.control_handlers):
            handlers["kernel_info_request"] = kernel.kernel_info_request
        self._link.close()

    async def _gated_execute(
        self,
        code: str,
        silent: bool,  # noqa: FBT001 (the signature is ipykernel's)
        *args: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        # A forked child runs on in its parent's cell, and may not use its parent's connection.
        if silent or self._pid != os.getpid():
            return await self._execute(code, silent, *args, **kwargs)
        try:
            with contextlib.ExitStack() as busy:
                if await self._interrupted_at_gate(busy):
                    return self._interrupted_reply(_AT_GATE)
                return await self._execute(code, silent, *args, **kwargs)
        except KeyboardInterrupt:
            # IPython answers for an interrupt in the cell's own lines: this one hit the lines
            # around them, of the kernel or of the gate, and the kernel would answer nothing.
            return self._interrupted_reply(_BESIDE_LINES)
        except asyncio.CancelledError:
            # An interrupt cancels the task of an asynchronous cell, also before that has begun.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return self._interrupted_reply(_BESIDE_LINES)

    async def _interrupted_at_gate(self, busy: contextlib.ExitStack) -> bool:
        """Pass the gate, and count as busy until ``busy`` is closed; return whether not to run."""
        # Before the agent hears of the cell: whoever sees it wait may interrupt it at once.
        with _interrupts_cancel_this_task() as interrupts:
            request = busy.enter_context(self._link.running(self._cell_id()))
            self._parents[request.cell] = self._kernel.get_parent("shell")
            busy.callback(self._parents.pop, request.cell, None)
            notice = WaitNotice(self._publish, self._settings.notice_after_s)
            no_leave = None
            try:
                no_leave = await self._gate.enter(request, notice)
            except asyncio.CancelledError:
                if not interrupts.cancelled:
                    raise
            finally:
                notice.end()
        if interrupts.seen:
            return True
        if no_leave is not None:
            self._warn(no_leave)
        if request.notice is not None:
            self._say(request.cell, request.notice)
        return False

    def _counted_as_idle(self, ask: Callable[..., str]) -> Callable[..., str]:
        def ask_and_count_as_idle(*args: Any, **kwargs: Any) -> str:
            with self._link.waiting_for_input(self._cell_id()):
                return ask(*args, **kwargs)

        return ask_and_count_as_idle

    async def _kernel_info_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Answer as the kernel does, and say that it reports its activity itself."""
        content = {"status": "ok", **self._kernel.kernel_info}
        features = [*content.get("supported_features", ()), GATE_FEATURE]
        content["supported_features"] = features
        self._kernel.session.send(stream, "kernel_info_reply", content, parent, ident)

    def _cell_id(self) -> str:
        parent = self._kernel.get_parent("shell") or {}
        told = str(parent.get("header", {}).get("msg_id") or "cell")[:255]
        # A client's own name may be no text that can be sent.
        return told.encode(errors="replace").decode()

    def _publish(self, message_type: str, content: dict[str, Any]) -> None:
        kernel = self._kernel
        topic = f"kernel.{kernel.ident}.{message_type}".encode()
        kernel.send_response(kernel.iopub_socket, message_type, content, ident=topic)

    def _say(self, cell: str, text: str) -> None:
        """Say something in the output of a cell that runs, from any thread."""
        kernel, parent = self._kernel, self._parents.get(cell)
        if parent is None:
            return
        content = {"name": "stderr", "text": f"Sublet: {text}\n"}
        topic = f"kernel.{kernel.ident}.stream".encode()
        kernel.session.send(kernel.iopub_socket, "stream", content, parent, topic)

    def _warn(self, why: str) -> None:
        text = (
            f"Sublet: this cell runs without leave from the GPU agent ({why})."
            " If its GPU memory was moved away, its first GPU call waits until the agent is back.\n"
        )
        self._publish("stream", {"name": "stderr", "text": text})

    def _interrupted_reply(self, message: str) -> dict[str, Any]:
        error = {
            "ename": "KeyboardInterrupt",
            "evalue": message,
            "traceback": [f"KeyboardInterrupt: {message}"],
        }
        self._publish("error", error)
        return {
            "status": "error",
            **error,
            "execution_count": self._kernel.execution_count,
            "user_expressions": {},
            "payload": [],
        }


@dataclass(slots=True)
class _Interrupts:
    """What interrupts did to a task."""

    seen: bool = False
    cancelled: bool = False
    over: bool = False


@contextlib.contextmanager
def _interrupts_cancel_this_task() -> Iterator[_Interrupts]:
    """Yield with SIGINT cancelling what this task awaits, instead of stopping its event loop.

    Only the main thread gets signals, so a waiting cell of a subshell cannot be interrupted, as a
    running one cannot.
    """
    interrupts = _Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def cancel() -> None:
        if task is not None and not interrupts.over and not interrupts.cancelled:
            interrupts.cancelled = True
            task.cancel()

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        interrupts.seen = True
        loop.call_soon_threadsafe(cancel)

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield interrupts
    finally:
        interrupts.over = True
        signal.signal(signal.SIGINT, before)
        if interrupts.cancelled and task is not None:
            task.uncancel()
