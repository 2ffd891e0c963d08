"""A server's place in the line for slices, as its spawner and the spawn page need to know of it.

The line itself is the service's: it survives the hub, and has the server started when its turn
comes. Of the place only whether the server may have one is kept here, so that who no longer waits
leaves the line: by a start without a GPU, by removing the server, or where a start ends before the
service has answered it. A service that cannot be asked then is asked again until it can.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlencode

from jupyterhub.handlers.pages import SpawnHandler  # type: ignore[import-untyped]
from sublet_quota.wire.server_queue import QueueWait
from tornado.web import HTTPError

from sublet_spawner.errors import SubletSpawnerError
from sublet_spawner.kept_trying import KeptTrying
from sublet_spawner.refused import in_line, sent_on, unavailable
from sublet_spawner.service_client import ServiceClient

LEAVE_FIELD: Final = "leave_line"
"""The field of the spawn page's form with which a server leaves the line."""
STAY_FIELD: Final = "stay_in_line"
"""The field of that form with which nothing is asked for: the server stays where it is."""
LOOKS_AGAIN_S: Final = 20
"""So often the page of a place in line loads itself anew."""
_IN_STATE: Final = "in_line"


class PlaceInLine:
    """The place of one spawner's server."""

    def __init__(self, spawner: Any, client: Callable[[], ServiceClient]) -> None:
        self._spawner = spawner
        self._client = client
        self._may_be_there = False
        """Whether the server joined the line, and was not seen to have left it since."""
        self._had_place = False
        """Whether it had a place that it was to keep when it last asked for a slice."""
        self._leaves: tuple[str, str] | None = None
        """Who is to leave, owner and server: both may be gone from the hub before that is done."""
        self._turn = asyncio.Lock()
        self.trying = KeptTrying(self._try_to_leave)
        self._sizes_sent = False
        """Whether the page that comes next answers the form of the sizes."""

    @property
    def state(self) -> dict[str, Any]:
        """What must survive a restart of the hub."""
        return {_IN_STATE: True} if self._may_be_there else {}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state`` said."""
        self._may_be_there = state.get(_IN_STATE) is True

    def is_over(self) -> None:
        """Note that the server has its slice, or was refused one."""
        self._may_be_there, self._leaves = False, None

    async def asks(self) -> None:
        """Note that a start asks for a slice: who was to leave is not any more.

        What is under way of that comes to its end first, else it took the new place.
        """
        async with self._turn:
            self._had_place = self._may_be_there and self._leaves is None
            self._leaves = None

    def joined(self, wait: QueueWait) -> HTTPError:
        """Note that the server is in line; return the exception with which its start ends.

        While the spawn page waits for it, it leads to that page, which shows the place. JupyterHub
        waits a second for a start, and zero-to-jupyterhub not at all: a page of its own says then
        in words, and leads on, how the start ended.
        """
        self._may_be_there, self._leaves = True, None
        if _open_page(self._spawner) is not None:
            return sent_on(wait.message, self.page)
        return in_line(wait, self.page)

    def given_up(self) -> None:
        """Take the server out of the line, where its start ended before that was answered."""
        self._is_to_leave()
        self.trying.soon()

    def unanswered(self) -> None:
        """Note that nobody knows what came of a request for a slice: its owner is told to try anew.

        Whoever was in line before stays there; others are not to be started by themselves later.
        """
        if not self._had_place:
            self.given_up()

    async def leave(self) -> None:
        """Take the server out of the line, where it may be in it: it needs no slice."""
        if self._may_be_there:
            self._is_to_leave()
            await self.trying.now()

    def _is_to_leave(self) -> None:
        self._may_be_there = True
        self._leaves = (self._spawner.user.name, self._spawner.name)

    async def _try_to_leave(self) -> bool:
        async with self._turn:
            if self._leaves is None:
                return True
            try:
                await self._client().leave_line(*self._leaves)
            except SubletSpawnerError as error:
                named = ":".join(self._leaves)
                self._spawner.log.warning("%s. %s leaves the line later", error, named)
                return False
            self.is_over()
            return True

    async def leave_by_form(self) -> dict[str, Any]:
        """Take the server out of the line as its owner asked on the page; lead to that page.

        Raises what leads there, or says that the service cannot be asked.
        """
        spawner = self._spawner
        try:
            await self._client().leave_line(spawner.user.name, spawner.name)
        except SubletSpawnerError as error:
            spawner.log.error("A place in line is kept: %s", error)  # noqa: TRY400 - the trace says nothing more
            message = "The GPU service cannot be reached now, so you are still in line: try again"
            raise unavailable(message) from error
        self.is_over()
        message = "Your server left the line"
        raise sent_on(message, self.page)

    def stay_by_form(self) -> NoReturn:
        """Change nothing, as nothing was asked for; raises what leads to the page of the place."""
        message = "Your server is in line as before"
        raise sent_on(message, self.page)

    async def shown(self) -> QueueWait | None:
        """Return how the server stands in line; ``None``: nobody says that it is."""
        spawner = self._spawner
        try:
            waits = await self._client().waits(spawner.user.name)
        except SubletSpawnerError as error:
            spawner.log.warning("A place in line is not shown: %s", error)
            return None
        return next((each for each in waits if each.server == spawner.name), None)

    def look_again(self) -> None:
        """Have the page that is being made load itself anew after a while."""
        handler = getattr(self._spawner, "handler", None)
        if isinstance(handler, SpawnHandler):
            handler.set_header("Refresh", f"{LOOKS_AGAIN_S}; url={self.page}")

    def note_sizes_sent(self) -> None:
        """Note that a size was picked on the page: if it is refused that page is shown again."""
        self._sizes_sent = True

    def sizes_were_sent(self) -> bool:
        """Whether the page that is being made answers the form of the sizes; told once.

        While that is sent JupyterHub gives no handler, or that of the form; one that only looks
        at the page comes with its own.
        """
        sent, self._sizes_sent = self._sizes_sent, False
        return sent and not looks_at_page(self._spawner)

    @property
    def asks_for_other(self) -> bool:
        """Whether the page that is being made is the one on which something else is asked for."""
        handler = getattr(self._spawner, "handler", None)
        return isinstance(handler, SpawnHandler) and handler.get_argument("next", "") == self.page

    @property
    def other_page(self) -> str:
        """The address of the spawn page on which something else is asked for.

        JupyterHub starts a server by whatever an address says, but for ``next``, where to go after
        a start: there to this page itself, which leads to the server once that runs.
        """
        return f"{self.page}?{urlencode({'next': self.page})}"

    @property
    def page(self) -> str:
        """The address of the spawn page, without what its query asked for: that would start."""
        spawner = self._spawner
        parts = [spawner.hub.base_url.rstrip("/"), "spawn", spawner.user.escaped_name]
        if spawner.name:
            parts.append(quote(spawner.name, safe=""))
        return "/".join(parts)


def looks_at_page(spawner: Any) -> bool:
    """Whether somebody looks at a server's spawn page now."""
    page = _open_page(spawner)
    return page is not None and page.request.method == "GET"


def _open_page(spawner: Any) -> Any:
    """Return the handler of the spawn page that waits for an answer; ``None``: none does.

    JupyterHub forgets a handler when a start ends, not when a page was shown, and Tornado tells
    nowhere else that one is finished: were that gone, the page would be thought to wait.
    """
    handler = getattr(spawner, "handler", None)
    waits = isinstance(handler, SpawnHandler) and not getattr(handler, "_finished", False)
    return handler if waits else None
