"""Things that need nothing of each other, each in a process of its own, as many at once as may.

What they come to is had in their order, whichever is done first, so the same is printed as if they
had been done one after another. A process ends with who waits for it: as soon as that stops, is
interrupted, or is gone, for it can tell nobody anything then. It is a copy of this process (fork):
nothing is loaded anew. Where there is no fork, or another thread may be in the middle of something,
all is done here, one after another.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, ForkProcess
from typing import Any, Final, TypeVar

_TOLD_EACH_S: Final = 0.2
_END_WITHIN_S: Final = 5.0

Result = TypeVar("Result")
Tell = Callable[..., None]
"""Is told how far something is."""


class EndedWithoutResultError(Exception):
    """A process ended before it had told what it came to."""


@dataclass(frozen=True, slots=True)
class _Raised:
    """What was raised in a process."""

    error: Exception


@dataclass(slots=True)
class _Process:
    """A process that is at work, and where it tells what it comes to."""

    place: int
    process: ForkProcess
    told: Connection


def cores() -> int:
    """Return on how many cores this process may be."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def at_once(
    tasks: Sequence[Callable[[Tell], Result]],
    heard: Tell = lambda *_: None,
    most: int | None = None,
) -> Iterator[Result]:
    """Yield what each task comes to, in their order. ``heard`` is told what they tell on their way.

    ``most``: of these at once; as many as there are cores where nobody says. What a task raises is
    raised here. ``EndedWithoutResultError``: a process was ended from outside.
    """
    most = min(len(tasks), cores() if most is None else most)
    if most <= 1 or sys.platform != "linux" or threading.active_count() > 1:
        return (task(heard) for task in tasks)
    return _in_processes(tasks, heard, most)


def _in_processes(
    tasks: Sequence[Callable[[Tell], Result]], heard: Tell, most: int
) -> Iterator[Result]:
    context = multiprocessing.get_context("fork")
    done: dict[int, Any] = {}
    with _all_ended() as at_work:
        begun = given = 0
        while given < len(tasks):
            while begun < len(tasks) and len(at_work) < most:
                at_work.append(_begin(context, begun, tasks[begun], at_work))
                begun += 1
            for one in _those_that_told(at_work):
                if (result := _read(one, heard)) is not None:
                    at_work.remove(one)
                    one.process.join()
                    one.told.close()
                    done[one.place] = result[0]
            while given in done:
                yield done.pop(given)
                given += 1


def _those_that_told(at_work: Sequence[_Process]) -> list[_Process]:
    ready = wait([one.told for one in at_work])
    return [one for one in at_work if one.told in ready]


def _read(one: _Process, heard: Tell) -> tuple[Any] | None:
    """Read what a process tells: its result, or how far it is (then ``None`` is returned)."""
    try:
        is_result, said = one.told.recv()
    except (EOFError, OSError) as error:
        message = "a process of the simulation was ended before it had told what it came to"
        raise EndedWithoutResultError(message) from error
    if isinstance(said, _Raised):
        raise said.error
    if is_result:
        return (said,)
    heard(*said)
    return None


def _begin(
    context: ForkContext,
    place: int,
    task: Callable[[Tell], Any],
    others: Sequence[_Process],
) -> _Process:
    told, tells = context.Pipe(duplex=False)
    not_mine = [told, *(one.told for one in others)]
    # What is written and not yet out would be written by both.
    sys.stdout.flush()
    sys.stderr.flush()
    process = context.Process(target=_work, args=(task, tells, not_mine), daemon=True)
    process.start()
    tells.close()
    return _Process(place, process, told)


def _work(task: Callable[[Tell], Any], tells: Connection, not_mine: Sequence[Connection]) -> None:
    """Do a task, in the process of its own."""
    # Who is interrupted is the one who waits for this, and ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for each in not_mine:
        # Else nobody would notice that the other end is gone.
        each.close()
    last_s = 0.0

    def tell(*said: Any) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _TOLD_EACH_S:
            last_s = time.monotonic()
            tells.send((False, said))

    # Who listens may be gone.
    with tells, suppress(BrokenPipeError):
        try:
            said = task(tell)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - raised again where the results are had
            said = _Raised(error)
        tells.send((True, said))


@contextmanager
def _all_ended() -> Iterator[list[_Process]]:
    """Give room for processes, and end those that are in it with the block."""
    at_work: list[_Process] = []
    try:
        yield at_work
    finally:
        for one in at_work:
            one.process.terminate()
        for one in at_work:
            one.process.join(_END_WITHIN_S)
            if one.process.is_alive():
                one.process.kill()
                one.process.join()
            one.told.close()
