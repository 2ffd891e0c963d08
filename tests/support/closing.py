"""The end of what a test has begun: tasks that are left, and servers with what they have open."""

import asyncio
from typing import Any

from tornado.httpserver import HTTPServer


async def end_tasks_but(before: set["asyncio.Task[Any]"]) -> None:
    """Cancel all tasks that were not there before, and wait until they have ended."""
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


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
