"""An answer that goes on and on, as server-sent events: until the page is gone, or its rights are.

Whoever lost a right meanwhile is found out within the time for which the hub's answers are kept;
where the hub does not answer then, nobody is told anything.
"""

import asyncio
import time
from typing import Final

from tornado.web import HTTPError

from sublet_hub.errors import HubUnreachableError
from sublet_hub.security.authentication import Caller, ServiceAuth, caller_of
from sublet_hub.web.request_handler import RouteHandler
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.route import Route

_READ_WITHIN_S: Final = 30.0


class EventStreamHandler(RouteHandler):
    """The common part of streams of events."""

    def take_stream(self, service: ServiceParts, hub_auth: ServiceAuth, route: Route) -> None:
        """Take what a stream has beside its own: the route that it answers, and what that needs."""
        super().initialize(service, hub_auth, (route,))
        self.is_left = asyncio.Event()

    def asking(self) -> Caller:
        """Return who was let in."""
        if self.caller is None:  # pragma: no cover - let_in has refused already
            raise HTTPError(403)
        return self.caller

    def begin_events(self) -> None:
        """Say what follows; what was refused before that is a problem, as of every route."""
        if self.answered is None:
            self.set_header("Content-Type", "text/event-stream")
            # Proxies such as nginx keep answers back else.
            self.set_header("X-Accel-Buffering", "no")
            self.answered = time.perf_counter()

    async def event(self, name: str, data: str) -> None:
        """Send an event. ``StreamClosedError``, ``TimeoutError``: nobody takes it."""
        await self._hand_on(f"event: {name}\ndata: {data}\n\n")

    async def say_nothing(self) -> None:
        """Send a comment, which tells a page that the service is there. Errors as ``event``."""
        await self._hand_on(":\n\n")

    async def _hand_on(self, text: str) -> None:
        self.write(text)
        async with asyncio.timeout(_READ_WITHIN_S):
            await self.flush()

    async def is_still(self, caller: Caller) -> bool:
        """Whether the caller is who they were, as far as the hub tells."""
        token = self.hub_auth.get_token(self) or ""
        try:
            model = await self.hub_auth.user_for_token(token, sync=False)
        except HubUnreachableError:
            return False
        return model is not None and caller_of(model).scopes == caller.scopes

    def on_connection_close(self) -> None:
        """Tell nobody any more."""
        super().on_connection_close()
        self.is_left.set()
