"""What a process keeps in its own memory: its environment, and the list of what it has mapped.

The kernel reads both there, and a process decides how long that takes: a file of its own file
system (FUSE) that lies over its environment makes every read wait for as long as it likes, and
whoever reads cannot always be killed. So a child process reads, in the time that it is given, and
is left where it is when that is over. Nobody shall gain by that: at most one read of a tenant is
under way at once; of a minute a tenant's reads take two seconds (one more where the last of them is
slow), and no read is made for the rest of it, however each of them ended; and of readers that
nothing ends each tenant leaves one behind, so that many have to agree before nobody is read any
more. What a reader had to wait for a processor, or stood stopped by a signal, is nobody's.

A tenant is an account. Where many tenants share one, as all pods of a cluster do, the caller says
whose a process is, by something that the process cannot choose.

All here block, for seconds at the worst (on a machine that hardly gives a reader a processor, for
twenty): they are for threads, never for an event loop. What could not be read in time is
``TimeoutError``, an ``OSError`` as any other that keeps from reading, and says why.
"""

import errno
import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self

from sublet_procfs.accounts import account_of
from sublet_procfs.reader import Reader, ReaderLostError
from sublet_procfs.reading_time import ReadingTime

_PROC: Final = Path("/proc")
_MOST_IDLE: Final = 2

log = logging.getLogger(__name__)


class ReadsForUs(Protocol):
    """What ``Reader`` is for whoever asks it."""

    def ask(self, request: Mapping[str, Any], within_s: float) -> dict[str, Any]:
        """Return the answer. ``TimeoutError``, ``ReaderLostError``."""
        ...

    def give_up(self) -> bool:
        """Kill the process; return whether it has ended."""
        ...

    def has_ended(self) -> bool:
        """Whether a process that was given up is no more."""
        ...


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """How long tenants may keep from reading, and how much of it may be under way."""

    within_s: float = 1.0
    """How long one read may take, in seconds."""
    at_once: int = 8
    """The most reads at once, each of another tenant."""
    most_s: float = 2.0
    """How long a tenant's reads may take within ``rest_s``, until it is not read any more."""
    given_up: int = 2
    """How many reads in vain take as long as that."""
    free_s: float = 0.002
    """What of each read is not counted: an honest process may be read as often as one likes."""
    rest_s: float = 60.0
    left_behind_of_one: int = 1
    """The most readers that nothing ends, of one tenant, and in all."""
    left_behind: int = 16


class TenantMemory:
    """The reads of tenants' memory that this process makes. Safe from any thread."""

    def __init__(
        self,
        limits: ReadingLimits | None = None,
        start: Callable[[], ReadsForUs] = Reader.start,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = ReadingLimits() if limits is None else limits
        self._start = start
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._idle: list[ReadsForUs] = []
        self._busy: set[str] = set()
        limits = self._limits
        self._time = ReadingTime(limits.most_s, limits.rest_s, limits.free_s)
        self._left_behind: list[tuple[str, ReadsForUs]] = []
        self._closed = False

    def variables(
        self,
        pid: int,
        name: str,
        proc: Path = _PROC,
        thread: int | None = None,
        whose: str | None = None,
    ) -> tuple[str, ...]:
        """Return the values of a variable in a process's environment. ``OSError``.

        There may be several, of which programs take the first; ``thread`` is the one that tells,
        where the main one has ended; ``whose`` the process is, ``None``: its account's.
        """
        folder = f"{proc}/{pid}" if thread is None else f"{proc}/{pid}/task/{thread}"
        request = {"pid": pid, "path": f"{folder}/environ", "variables": [name]}
        return tuple(
            each[len(name) + 1 :] for each in self._ask(whose or _tenant_of(pid, proc), request)
        )

    def mapped(
        self, pid: int, patterns: Collection[str], proc: Path = _PROC, whose: str | None = None
    ) -> frozenset[str]:
        """Return which of these patterns occur in the list of what is mapped. ``OSError``."""
        request = {"path": f"{proc}/{pid}/maps", "mapped": list(patterns)}
        return frozenset(self._ask(whose or _tenant_of(pid, proc), request))

    @property
    def left_behind(self) -> int:
        """How many readers wait for a tenant, although they were killed."""
        with self._changed:
            self._forget_ended()
            return len(self._left_behind)

    def close(self) -> None:
        """Read nothing any more: readers end, those in a read when that has ended or was given up.

        Whoever waits for such a read gets its answer, whoever asks later an ``OSError``.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.give_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, whose: str, request: Mapping[str, Any]) -> list[str]:
        self._take_turn(whose)
        try:
            told = self._answer(whose, request)
        finally:
            with self._changed:
                self._busy.discard(whose)
                self._changed.notify_all()
        number = told.get("errno")
        if number == errno.EFBIG:
            raise OSError(number, f"{whose} has a process with more of it than is read")
        if number is not None:
            raise OSError(number, os.strerror(number))
        return list(told["found"])

    def _take_turn(self, whose: str) -> None:
        """Wait until nothing else is read of this tenant. ``TimeoutError``: it is not to be read.

        Whoever waits has to wait for other tenants' reads at the worst, which end in time.
        """
        limits = self._limits
        until = self._monotonic() + limits.within_s * (limits.given_up + 1)
        with self._changed:
            while True:
                if self._closed:
                    raise OSError(errno.ESHUTDOWN, "nothing is read any more: it was closed")
                self._refuse_who_holds_up(whose)
                if whose not in self._busy and len(self._busy) < limits.at_once:
                    self._busy.add(whose)
                    return
                left_s = until - self._monotonic()
                if left_s <= 0:
                    raise _not_told(whose, "had to wait for other reads for too long")
                self._changed.wait(left_s)

    def _refuse_who_holds_up(self, whose: str) -> None:
        limits = self._limits
        self._forget_ended()
        of_tenant = sum(1 for each, _ in self._left_behind if each == whose)
        if of_tenant >= limits.left_behind_of_one or len(self._left_behind) >= limits.left_behind:
            raise _not_told(whose, f"is not read: {len(self._left_behind)} readers hang")
        if self._time.is_used_up(whose, self._monotonic()):
            raise _not_told(whose, "makes reads of its memory slow, so it is not read for a while")

    def _answer(self, whose: str, request: Mapping[str, Any]) -> dict[str, Any]:
        for reader in self._readers():
            began_s = self._monotonic()
            try:
                told = reader.ask(request, self._limits.within_s)
            except TimeoutError:
                self._leave(whose, reader, self._monotonic() - began_s)
                raise _not_told(whose, "has a process that keeps from being read") from None
            except ReaderLostError:
                reader.give_up()
                continue
            now_s = self._monotonic()
            with self._changed:
                self._time.charge(whose, told.get("took_s", now_s - began_s), now_s)
                if len(self._idle) < _MOST_IDLE and not self._closed:
                    self._idle.append(reader)
                    return told
            reader.give_up()
            return told
        message = "the reading process ends again and again"
        raise OSError(errno.EIO, message)

    def _readers(self) -> Iterator[ReadsForUs]:
        """Yield the idle reader, if there is one, and then one that was started for this."""
        with self._changed:
            idle = self._idle.pop() if self._idle else None
        if idle is not None:
            yield idle
        yield self._start()

    def _leave(self, whose: str, reader: ReadsForUs, took_s: float) -> None:
        ended = reader.give_up()
        limits = self._limits
        least_s = limits.most_s / limits.given_up + limits.free_s
        with self._changed:
            self._time.charge(whose, max(took_s, least_s), self._monotonic())
            if not ended:
                self._left_behind.append((whose, reader))
        end = "" if ended else "; the reader cannot be ended"
        log.warning("a process of %s keeps its memory from being read%s", whose, end)

    def _forget_ended(self) -> None:
        self._left_behind = [each for each in self._left_behind if not each[1].has_ended()]


@functools.cache
def tenant_memory() -> TenantMemory:
    """Return the one that all of this process share, and with it the limits."""
    return TenantMemory()


def _not_told(whose: str, why: str) -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, f"{whose} {why}")


def _tenant_of(pid: int, proc: Path) -> str:
    return f"account {account_of(pid, str(proc))}"
