"""The hub's count of failed starts in a row, after which it ends itself, and what must not count.

``Spawner.consecutive_failure_limit`` is for hubs where nothing starts any more (zero-to-jupyterhub
sets it to 5). JupyterHub 5 counts every start that ends by an exception, and 6 those whose error is
none of its own; that GPUs are taken, or the service away, is neither's business.
"""

import asyncio
from typing import Any, Final

_COUNT: Final = "failure_count"


def leave_uncounted(spawner: Any) -> None:
    """Let the start of this spawner that is about to fail not count, whatever the hub does with it.

    To be called within the start. The hub counts when the start's future is done, in a callback
    that it added before the start began: afterwards the count is as it was.
    """
    # ``None`` where nobody counts: tests of a spawner alone, or a hub that changed its ways.
    start: asyncio.Future[Any] | None = getattr(spawner, "_spawn_future", None)
    handler = getattr(spawner, "handler", None)
    if start is None or handler is None or start.done():
        return
    settings = handler.settings
    before, limit = settings.get(_COUNT, 0), spawner.consecutive_failure_limit
    spawner.consecutive_failure_limit = 0

    def undo(_: "asyncio.Future[Any]") -> None:
        spawner.consecutive_failure_limit = limit
        # Another start may have come to a good end meanwhile, which sets it to zero.
        settings[_COUNT] = min(before, settings.get(_COUNT, 0))

    start.add_done_callback(undo)
