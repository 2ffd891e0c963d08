"""The bound on questions to the hub at once: strangers never take the room of known users.

A stranger's token waits for its question as ``QuestionQueue`` says. Whose token was good before
waits for a turn of its own, and has only so many at a time for all their tokens.
"""

import asyncio
import functools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from sublet_hub.errors import TooManyRequestsError
from sublet_hub.security.question_queue import Origin, QuestionQueue

_MOST_OF_KNOWN: Final = 64
_MOST_OF_A_USER: Final = 16
_WAITS_S: Final = 5.0

Ask = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A stranger's token that waits; all who have sent it hear the one answer."""

    ask: Ask
    answer: "asyncio.Future[Any]"
    patience: asyncio.TimerHandle


class TokenLookups:
    """The questions to the hub that are under way, and who waits for one."""

    def __init__(self, queue: QuestionQueue | None = None) -> None:
        self._queue = QuestionQueue() if queue is None else queue
        self._waiting: dict[str, _Waiting] = {}
        self._under_way: dict[str, asyncio.Future[Any]] = {}
        self._asked: set[asyncio.Future[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._known = asyncio.Semaphore(_MOST_OF_KNOWN)
        self._of_user: Counter[str] = Counter()

    @asynccontextmanager
    async def turn_of_user(self, user: str) -> AsyncIterator[None]:
        """Let a block ask of a token that was this user's. ``TooManyRequestsError``."""
        if self._of_user[user] >= _MOST_OF_A_USER:
            message = "too many requests of yours at once: try again"
            raise TooManyRequestsError(message, retry_after_s=2)
        self._of_user[user] += 1
        try:
            async with self._known:
                yield
        finally:
            self._of_user[user] -= 1
            if not self._of_user[user]:
                del self._of_user[user]

    async def ask_of_stranger(self, digest: str, origin: Origin, ask: Ask) -> Any:
        """Return what ``ask`` answers of a token, in its turn. ``TooManyRequestsError``."""
        waiting = self._waiting.get(digest)
        answer = self._under_way.get(digest) if waiting is None else waiting.answer
        if answer is None:
            answer = self._let_wait(digest, origin, ask)
        # Who goes away meanwhile takes the answer from nobody else.
        return await asyncio.shield(answer)

    def ask_anew(self, digest: str) -> None:
        """Let nobody from now on hear the answer to a question that is under way already."""
        self._under_way.pop(digest, None)

    def _let_wait(self, digest: str, origin: Origin, ask: Ask) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        answer.add_done_callback(_look_at)
        patience = loop.call_later(_WAITS_S, self._give_up, digest)
        self._waiting[digest] = _Waiting(ask, answer, patience)
        sent_away = self._queue.enter(digest, origin, loop.time())
        if sent_away is not None:
            self._refuse(sent_away)
        self._begin_questions()
        return answer

    def _begin_questions(self) -> None:
        loop = asyncio.get_running_loop()
        # One time for both questions: between two, the moment for the next one would be missed.
        now_s = loop.time()
        while (digest := self._queue.begin(now_s)) is not None:
            waiting = self._waiting.pop(digest)
            waiting.patience.cancel()
            self._under_way[digest] = waiting.answer
            task = asyncio.ensure_future(waiting.ask())
            self._asked.add(task)
            task.add_done_callback(functools.partial(self._hear, digest, waiting.answer))
        wait_s = self._queue.wait_s(now_s)
        if len(self._queue) and wait_s > 0 and self._timer is None:
            self._timer = loop.call_later(wait_s, self._rate_allows)

    def _rate_allows(self) -> None:
        self._timer = None
        self._begin_questions()

    def _hear(
        self, digest: str, answer: "asyncio.Future[Any]", asked: "asyncio.Future[Any]"
    ) -> None:
        self._asked.discard(asked)
        if self._under_way.get(digest) is answer:
            del self._under_way[digest]
        self._queue.end()
        if asked.cancelled():
            answer.cancel()
            return
        error = asked.exception()
        if error is None:
            answer.set_result(asked.result())
        else:
            answer.set_exception(error)
        self._begin_questions()

    def _give_up(self, digest: str) -> None:
        self._queue.leave(digest, asyncio.get_running_loop().time())
        self._refuse(digest)

    def _refuse(self, digest: str) -> None:
        waiting = self._waiting.pop(digest)
        waiting.patience.cancel()
        message = "too many unknown tokens are being checked with the hub: try again"
        waiting.answer.set_exception(TooManyRequestsError(message, retry_after_s=1))


def _look_at(answer: "asyncio.Future[Any]") -> None:
    """Take note of an error for which nobody may wait any more."""
    if not answer.cancelled():
        answer.exception()
