"""The end of a test's own servers, with what they have open."""

import asyncio

from tornado.httpserver import HTTPServer


async def close_connections(server: HTTPServer) -> None:
    """Close all connections of a server that has stopped.

    Tests end the tasks that are left, and a server's conversations may be among them: tornado
    passes on that these were cancelled, as if its caller had been, and leaves the others open.
    """
    caller = asyncio.current_task()
    for connection in tuple(server._connections):
        try:
            await connection.close()
        except asyncio.CancelledError:
            if caller is not None and caller.cancelling():
                raise
