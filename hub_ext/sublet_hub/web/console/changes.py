"""The stream by which an open page learns what is another now, as server-sent events.

A page asks for it with its ``X-XSRFToken``, as for everything, and closes it while it is hidden.
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

from sublet_hub.errors import NotAllowedError, TooManyRequestsError
from sublet_hub.security.authentication import Caller, ServiceAuth
from sublet_hub.security.fetch_metadata import is_of_own_page
from sublet_hub.web.console.card_feed import CardFeed, CardNews
from sublet_hub.web.console.topics import Marks, State, state_of
from sublet_hub.web.event_stream import EventStreamHandler
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.route import Access, Call, Nature, Parameter, Route

_EVERY_S: Final = 1.0
_PART_EVERY_S: Final = 0.2
_ANYWAY_EVERY_S: Final = 30.0
"""Times, budgets and places in line change without anything that is looked at here."""
_ALIVE_EVERY_S: Final = 5.0
"""Proxies hold a stream open whose service was killed: a page takes silence for that."""
_MOST_OF_ONE: Final = 4
_PART_OF_ONE: Final = 16
"""Half of the connections that one caller may have: the others are for their questions."""
_PART_OF_ALL: Final = 4
_RETRY_AFTER_S: Final = 30
_CARDS: Final = "cards"
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
    parameters=(
        Parameter(
            _CARDS,
            Nature.NUMBER,
            "0: nothing is told of cards, which is much of thousands; 1 if left out.",
        ),
    ),
)


class ChangesHandler(EventStreamHandler):
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
        self.take_stream(service, hub_auth, CHANGES_ROUTE)
        self.feed = feed
        self.marks = marks
        self.places = places

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
        caller = self.asking()
        Call(caller, {}, {}, None).owner(scopes.READ)
        with_cards = Call(caller, {}, self.query(), None).number(_CARDS, 1, 1) == 1
        with self.places.taken(caller.key), suppress(StreamClosedError, TimeoutError):
            self.begin_events()
            await self._tell(caller, with_cards=with_cards)

    async def _tell(self, caller: Caller, *, with_cards: bool) -> None:
        state: State = {}
        version = _NOTHING_TOLD
        told_s = heard_s = time.monotonic()
        while not self.is_left.is_set() and await self.is_still(caller):
            now_s = time.monotonic()
            if with_cards and caller.sees_all:
                version = await self._tell_cards(version)
            await self.service.waits.follow()
            after = state_of(self.service, caller, self.marks)
            topics = [topic for topic in Topic if after.get(topic) != state.get(topic)]
            if now_s - told_s >= _ANYWAY_EVERY_S:
                topics = [topic for topic in Topic if topic in after]
            if topics:
                told_s = heard_s = now_s
                await self.event("changed", TopicsChanged(topics=tuple(topics)).model_dump_json())
            elif now_s - heard_s >= _ALIVE_EVERY_S:
                heard_s = now_s
                await self.say_nothing()
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
            await self.event("cards", f'{{"cards":[{part}],{ends}}}')
