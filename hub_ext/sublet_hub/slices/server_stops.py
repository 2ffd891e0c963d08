"""Has JupyterHub stop servers, for admins and for being idle: the service itself kills nothing.

Which ones is for others to say. A hub that did not stop one is asked again after a while; what it
answers is logged where that is news.
"""

import logging
import math
import time
from collections.abc import Container
from typing import Final, Protocol

from sublet_quota.names.ids import UserName

from sublet_hub.errors import HubUnreachableError

ASKED_AGAIN_S: Final = 30.0
"""How long JupyterHub has to stop a server before it is asked again."""
STOPPED_AT_ONCE: Final = 20
"""For so many servers of a kind the hub is asked at once."""
_LOG = logging.getLogger(__name__)


class StopsServers(Protocol):
    """What is asked of JupyterHub."""

    async def may_stop_servers(self) -> bool:
        """Whether the service's role lets it stop servers. ``HubUnreachableError``."""
        ...

    async def stop_server(self, owner: UserName, server: str) -> None:
        """Have a server stopped as if its owner had. ``HubUnreachableError``."""
        ...


class ServerStops:
    """When the hub was asked for each stop, and what it said; stops are told apart by a key."""

    def __init__(self, hub: StopsServers) -> None:
        self._hub = hub
        self._asked_s: dict[str, float] = {}
        self._said: dict[str, str] = {}

    def is_ripe(self, key: str) -> bool:
        """Whether the hub is to be asked for this stop: it was not yet, or some time ago."""
        return time.monotonic() - self._asked_s.get(key, -math.inf) >= ASKED_AGAIN_S

    async def ask(self, key: str, owner: UserName, server: str, named: str) -> bool:
        """Have a server stopped; return whether the hub does that. ``named``: as the log says."""
        self._asked_s[key] = time.monotonic()
        try:
            await self._hub.stop_server(owner, server)
        except HubUnreachableError as error:
            # Asked again and again: what is no news is not said again.
            if self._said.get(key) != str(error):
                self._said[key] = str(error)
                _LOG.warning("%s is not stopped yet, and the hub is asked again: %s", named, error)
            return False
        return True

    def forget_but(self, kept: Container[str]) -> None:
        """Forget the stops that are not among these any more."""
        for notes in (self._asked_s, self._said):
            for gone in [key for key in notes if key not in kept]:
                del notes[gone]
