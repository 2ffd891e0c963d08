"""What one agent and one service say, asked once for all widgets that show it."""

import threading
import weakref
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.wire import api
from sublet_quota.wire.tenant_socket import LocalShare

from sublet_lab.share.sources import Sources, UnknownShareError

_ASK_AGAIN_AFTER: Final = timedelta(seconds=30)
_TRY_AGAIN_AFTER: Final = timedelta(seconds=5)

Seen = LocalShare | UnknownShareError


class SharedLook:
    """Asks for all widgets that have the same sources. Any thread may."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lock = threading.Lock()
        self._service: api.Share | None = None
        self._service_key: object = None
        self._ask_again_at: datetime | None = None

    def local(self) -> Seen:
        """Return what the agent says now, or why it says nothing."""
        try:
            return self._sources.local()
        except UnknownShareError as error:
            self._service_key = None
            return error

    def service(self, share: LocalShare, now: datetime) -> api.Share | None:
        """Return what the service said when something last changed, or a while ago at the most."""
        key = (share.lent, share.active, share.state, share.cap_mib)
        with self._lock:
            due = self._ask_again_at is None or now >= self._ask_again_at
            if due or key != self._service_key:
                self._service_key = key
                try:
                    self._service = self._sources.service()
                except UnknownShareError:
                    self._ask_again_at = now + _TRY_AGAIN_AFTER
                else:
                    self._ask_again_at = now + _ASK_AGAIN_AFTER
            return self._service


_LOOKS: Final = weakref.WeakValueDictionary[Sources, SharedLook]()


def shared_look(sources: Sources) -> SharedLook:
    """Return the one look that asks these sources."""
    return _LOOKS.setdefault(sources, SharedLook(sources))
