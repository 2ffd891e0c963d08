"""Calls for a target that cannot run its own threads: stopped, traced, frozen.

Each call is given its time; one that hangs is looked at again once the target may run: whether it
comes back then, and whether the target is as it was.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from tests.gpu.probe.answers import Answer, Verdict, not_here, question
from tests.gpu.probe.lab import ANSWERS_WITHIN_S, Lab, threads_of

OPERATIONS = ("get-state", "lock", "checkpoint", "restore", "unlock")
_BEFORE = {"checkpoint": ("lock",), "restore": ("lock", "checkpoint"), "unlock": ("lock",)}
_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_OF_ALL_THREADS = 0x40000000
"""``__WALL`` of ``waitpid``."""
_STANDS_WITHIN_S = 5.0


class CannotStandStillError(Exception):
    """This machine has no way to hold the target so."""


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Hold a process by SIGSTOP, as Ctrl-Z does."""
    os.kill(pid, signal.SIGSTOP)
    _until_state(pid, "T")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def ptraced(pid: int) -> Iterator[None]:
    """Hold a process as a debugger does: thread by thread, as ptrace is about one only."""
    held: set[int] = set()
    try:
        _seize_all(pid, held)
        _until_state(pid, "t")
        yield
    finally:
        for thread in held:
            _ptrace(_DETACH, thread)


def _seize_all(pid: int, held: set[int]) -> None:
    """Stop threads until there are none but those held: one that runs may begin others."""
    ends = time.monotonic() + _STANDS_WITHIN_S
    while new := {int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()} - held:
        for thread in new:
            error = _ptrace(_SEIZE, thread)
            if not error:
                held.add(thread)
                _ptrace(_INTERRUPT, thread)
                _until_stopped(thread, ends)
            elif time.monotonic() > ends:
                message = f"ptrace: {os.strerror(error)}"
                raise CannotStandStillError(message)
            else:
                time.sleep(0.01)  # It may be about to end, and is refused for that.


def _ptrace(request: int, thread: int) -> int:
    """Return 0, or the error."""
    library = ctypes.CDLL(None, use_errno=True)
    nothing = ctypes.c_void_p(0)
    return ctypes.get_errno() if library.ptrace(request, thread, nothing, nothing) else 0


def _until_stopped(thread: int, ends: float) -> None:
    while os.waitpid(thread, _OF_ALL_THREADS | os.WNOHANG)[0] == 0:
        if time.monotonic() > ends:
            message = f"thread {thread} did not stop for its tracer"
            raise CannotStandStillError(message)
        time.sleep(0.001)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Hold a process in a control group of its own that is frozen."""
    root = Path("/sys/fs/cgroup")
    one = (root / "cgroup.controllers").exists()
    group = (root if one else root / "freezer") / f"sublet-probe-{os.getpid()}-{pid}"
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    wanted = "0::" if one else ":freezer:"
    home = next((line.rpartition(":")[2] for line in lines if wanted in line), "/")
    switch, on, off = ("cgroup.freeze", "1", "0") if one else ("freezer.state", "FROZEN", "THAWED")
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(pid))
        (group / switch).write_text(on)
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        message = f"no freezer: {error}"
        raise CannotStandStillError(message) from error
    time.sleep(0.2)
    try:
        yield
    finally:
        (group / switch).write_text(off)
        with suppress(OSError):
            (group.parent / home.lstrip("/") / "cgroup.procs").write_text(str(pid))
        with suppress(OSError):
            group.rmdir()


def _until_state(pid: int, letter: str) -> None:
    ends = time.monotonic() + _STANDS_WITHIN_S
    while any(not each.startswith(letter) for each in threads_of(pid)):
        if time.monotonic() > ends:
            message = f"threads of process {pid} are not all in state {letter}: {threads_of(pid)}"
            raise CannotStandStillError(message)
        time.sleep(0.01)


def _ask(lab: Lab, operation: str, hold: Callable[[int], AbstractContextManager[None]]) -> Answer:
    target = lab.target()
    for step in _BEFORE.get(operation, ()):
        lab.must(step, target.pid)
    seen: dict[str, object] = {}
    try:
        with hold(target.pid):
            seen["threads of the target"] = threads_of(target.pid)
            call = lab.begin(operation, target.pid, timeout_ms=2000)
            told = call.result(ANSWERS_WITHIN_S)
            seen["while it stands still"] = told or "no answer"
            if told is None:
                seen["threads of the caller"] = call.threads()
                seen["CPU of the caller, s"] = call.cpu_s()
    except CannotStandStillError as error:
        return not_here(str(error))
    if told is None:
        seen["once it may run"] = later = call.result()
        if later is None:
            seen["could be killed"] = call.kill()
    seen["back"] = back = lab.bring_back(target)
    if back["bytes"] != "intact":
        return Answer(Verdict.DAMAGED, seen)
    if told is None:
        return Answer(Verdict.HUNG, seen)
    return Answer(Verdict.REFUSED if told["code"] else Verdict.WORKS, seen)


def _enter(how: str, words: str, hold: Callable[[int], AbstractContextManager[None]]) -> None:
    for operation in OPERATIONS:

        def ask(lab: Lab, operation: str = operation) -> Answer:
            return _ask(lab, operation, hold)

        question(f"{how}.{operation}", f"{operation} of a process that {words}", 90)(ask)


_enter("stopped", "is stopped by SIGSTOP", stopped)
_enter("ptraced", "a debugger holds", ptraced)
_enter("frozen", "is frozen in its control group", frozen)
