"""The stream by which an open page learns what is another now, as server-sent events.

A page asks for it with its ``X-XSRFToken``, as for everything, and closes it while it is hidden.
Whoever lost a right meanwhile is found out within the time for which the hub's answers are kept;
where the hub does not answer then, nobody is told anything.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sublet_quota.names import scopes
from sublet_quota.wire.console import MOST_CARDS_TOLD, CardsChanged, Topic, TopicsChanged
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from sublet_hub.errors import HubUnreachableError, NotAllowedError, TooManyRequestsError
from sublet_hub.security.authentication import Caller, ServiceAuth, caller_of
from sublet_hub.security.fetch_metadata import is_of_own_page
from sublet_hub.web.console.card_feed import CardFeed, CardNews
from sublet_hub.web.console.topics import Marks, State, state_of
from sublet_hub.web.request_handler import RouteHandler
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.route import Access, Call, Route

_EVERY_S: Final = 1.0
_PART_EVERY_S: Final = 0.2
_ANYWAY_EVERY_S: Final = 30.0
"""Times, budgets and places in line change without anything that is looked at here."""
_READ_WITHIN_S: Final = 30.0
_MOST_OF_ONE: Final = 4
_PART_OF_ONE: Final = 16
"""Half of the connections that one caller may have: the others are for their questions."""
_PART_OF_ALL: Final = 4
_RETRY_AFTER_S: Final = 30
_NOTHING_TOLD: Final = -1
"""Before the first version of the cards, which may be that there are none."""


class StreamPlaces:
    """Counts the streams that are open: so many of one caller, and a part of all connections."""

    def __init__(self, most_connections: int) -> None:
        self._most = max(1, most_connections // _PART_OF_ALL)
        self._most_of_one = min(_MOST_OF_ONE, max(1, most_connections // _PART_OF_ONE))
        self._open: Counter[str] = Counter()

    @contextmanager
    def taken(self, who: str) -> Iterator[None]:
        """Return a context that holds a place. ``TooManyRequestsError`` where there is none."""
        if self._open.total() >= self._most or self._open[who] >= self._most_of_one:
            message = "too many pages are open that follow changes: close one, or ask without"
            raise TooManyRequestsError(message, retry_after_s=_RETRY_AFTER_S)
        self._open[who] += 1
        try:
            yield
        finally:
            self._open[who] -= 1
            if not self._open[who]:
                del self._open[who]


async def _is_streamed(service: ServiceParts, call: Call) -> None:
    del service, call


CHANGES_ROUTE: Final = Route(
    "GET",
    "changes",
    Access.USER,
    "What is another now, as server-sent events: `changed`, and for admins `cards`",
    _is_streamed,
    CardsChanged | TopicsChanged,
)


class ChangesHandler(RouteHandler):
    """The stream of one page."""

    def initialize(  # type: ignore[override] # one route of its own
        self,
        service: ServiceParts,
        hub_auth: ServiceAuth,
        feed: CardFeed,
        marks: Marks,
        places: StreamPlaces,
    ) -> None:
        """Take what all streams share."""
        super().initialize(service, hub_auth, (CHANGES_ROUTE,))
        self.feed = feed
        self.marks = marks
        self.places = places
        self.is_left = asyncio.Event()

    async def let_in(self) -> None:
        """Let in as every route does; by a cookie scripts of the page alone, which close it again.

        ``NotAllowedError`` for windows and pictures: a page of another tenant's can open many.
        """
        by_token = self.hub_auth.get_token(self, in_cookie=False)
        if not by_token and not is_of_own_page(self.request.headers):
            message = "what changes is told to the console's scripts, and to who sends a token"
            raise NotAllowedError(message)
        await super().let_in()

    async def answer(self, **_path: str) -> None:
        """Tell of changes until the page is gone, or its rights are others."""
        caller = self.caller
        if caller is None:  # pragma: no cover - let_in has refused already
            raise HTTPError(403)
        Call(caller, {}, {}, None).owner(scopes.READ)
        with self.places.taken(caller.key), suppress(StreamClosedError, TimeoutError):
            self.set_header("Content-Type", "text/event-stream")
            # Proxies such as nginx keep answers back else.
            self.set_header("X-Accel-Buffering", "no")
            self.answered = time.perf_counter()
            await self._tell(caller)

    async def _tell(self, caller: Caller) -> None:
        state: State = {}
        version = _NOTHING_TOLD
        told_s = time.monotonic()
        while not self.is_left.is_set() and await self._is_still(caller):
            now_s = time.monotonic()
            if caller.sees_all:
                version = await self._tell_cards(version)
            await self.service.waits.follow()
            after = state_of(self.service, caller, self.marks)
            topics = [topic for topic in Topic if after.get(topic) != state.get(topic)]
            if now_s - told_s >= _ANYWAY_EVERY_S:
                topics = [topic for topic in Topic if topic in after]
            if topics:
                told_s = now_s
                await self._event("changed", TopicsChanged(topics=tuple(topics)).model_dump_json())
            state = after
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self.is_left.wait()

    async def _tell_cards(self, version: int) -> int:
        """Tell what is new while it is looked for: of thousands the first come at once."""
        looking = asyncio.ensure_future(self.feed.look())
        before = version
        try:
            while True:
                await asyncio.wait({looking}, timeout=_PART_EVERY_S)
                is_over = looking.done()
                news = self.feed.news(version)
                if news.version != version or (is_over and version != before):
                    await self._tell_news(news, complete=is_over)
                version = news.version
                if is_over:
                    await looking
                    return version
        finally:
            looking.cancel()

    async def _tell_news(self, news: CardNews, *, complete: bool) -> None:
        gone = json.dumps(news.gone)
        for first in range(0, max(1, len(news.cards)), MOST_CARDS_TOLD):
            part = ",".join(news.cards[first : first + MOST_CARDS_TOLD])
            is_last = complete and first + MOST_CARDS_TOLD >= len(news.cards)
            ends = f'"gone":{gone},"complete":{"true" if is_last else "false"}'
            await self._event("cards", f'{{"cards":[{part}],{ends}}}')

    async def _is_still(self, caller: Caller) -> bool:
        token = self.hub_auth.get_token(self) or ""
        try:
            model = await self.hub_auth.user_for_token(token, sync=False)
        except HubUnreachableError:
            return False
        return model is not None and caller_of(model).scopes == caller.scopes

    async def _event(self, name: str, data: str) -> None:
        self.write(f"event: {name}\ndata: {data}\n\n")
        async with asyncio.timeout(_READ_WITHIN_S):
            await self.flush()

    def on_connection_close(self) -> None:
        """Tell nobody any more."""
        super().on_connection_close()
        self.is_left.set()
