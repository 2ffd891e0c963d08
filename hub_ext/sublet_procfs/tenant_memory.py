"""What a process keeps in its own memory: its environment, and the list of what it has mapped.

The kernel reads both there, and a process decides how long that takes: a file of its own file
system (FUSE) that lies over its environment makes every read wait for as long as it likes, and
whoever reads cannot always be killed. So a child process reads, in the time that it is given, and
is left where it is when that is over. Nobody shall gain by that: at most one read of a tenant is
under way at once; a tenant that let two reads of a minute wait is not read for the rest of it; and
of readers that nothing ends each tenant leaves one behind, so that many have to agree before nobody
is read any more.

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
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self

from sublet_procfs.accounts import account_of
from sublet_procfs.reader import Reader, ReaderLostError

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
    given_up: int = 2
    """How many reads a tenant may let wait within ``rest_s``, until it is not read any more."""
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
        self._given_up: dict[str, deque[float]] = {}
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
                self._refuse_who_lets_wait(whose)
                if whose not in self._busy and len(self._busy) < limits.at_once:
                    self._busy.add(whose)
                    return
                left_s = until - self._monotonic()
                if left_s <= 0:
                    raise _not_told(whose, "had to wait for other reads for too long")
                self._changed.wait(left_s)

    def _refuse_who_lets_wait(self, whose: str) -> None:
        limits = self._limits
        self._forget_ended()
        of_tenant = sum(1 for each, _ in self._left_behind if each == whose)
        if of_tenant >= limits.left_behind_of_one or len(self._left_behind) >= limits.left_behind:
            raise _not_told(whose, f"is not read: {len(self._left_behind)} readers hang")
        given_up = self._given_up.get(whose)
        if given_up is None:
            return
        while given_up and self._monotonic() - given_up[0] >= limits.rest_s:
            given_up.popleft()
        if not given_up:
            del self._given_up[whose]
        elif len(given_up) >= limits.given_up:
            raise _not_told(
                whose, "keeps its memory from being read, so it is not read for a while"
            )

    def _answer(self, whose: str, request: Mapping[str, Any]) -> dict[str, Any]:
        for reader in self._readers():
            try:
                told = reader.ask(request, self._limits.within_s)
            except TimeoutError:
                self._leave(whose, reader)
                raise _not_told(whose, "has a process that keeps from being read") from None
            except ReaderLostError:
                reader.give_up()
                continue
            with self._changed:
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

    def _leave(self, whose: str, reader: ReadsForUs) -> None:
        ended = reader.give_up()
        with self._changed:
            self._given_up.setdefault(whose, deque()).append(self._monotonic())
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
