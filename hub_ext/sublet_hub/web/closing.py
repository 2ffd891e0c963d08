"""Closing what a server has open, whatever becomes of the requests."""

import asyncio
from typing import Final

from tornado.httpserver import HTTPServer

_MOST_TRIES: Final = 1000


async def close_connections(server: HTTPServer) -> None:
    """Close all connections of a server that has stopped.

    ``HTTPServer.close_all_connections`` passes on the cancellation of a request whose client has
    gone, as if its caller had been cancelled, and leaves the other connections open.
    """
    caller = asyncio.current_task()
    for _ in range(_MOST_TRIES):
        try:
            await server.close_all_connections()
        except asyncio.CancelledError:
            if caller is not None and caller.cancelling():
                raise
        else:
            return
