"""A short process of an owner's: run, heard within bounds, and given up whatever it does.

Such a process may say more than anybody wants to know, leave children that hold its pipes, or hang
in a file system so that not even SIGKILL ends it: none of that keeps who asked waiting.
"""

import asyncio
import contextlib
import logging
import os
import signal
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sublet_quota.wire.api import AccountTemplate

from sublet_hub.errors import NotebookError
from sublet_hub.host.accounts import run_as
from sublet_hub.host.owner_environment import owner_environment

_LOG = logging.getLogger(__name__)
MOST_OUTPUT: Final = 256 * 1024
_DIES_WITHIN_S = 5.0
_OUTPUT, _ERRORS = 1, 2


class TooMuchError(Exception):
    """The output of an owner's process is longer than anybody wants to know."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The exit status and output of a process that has ended."""

    code: int
    output: str
    errors: str
    """The end of what the process wrote to its standard error."""


class _Listener(asyncio.SubprocessProtocol):
    """The reader of a process's pipes: the first of its output, the last of its errors."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.output = b""
        self.errors = b""
        self.said_all: asyncio.Future[None] = loop.create_future()
        self.exited: asyncio.Future[None] = loop.create_future()
        self._open = {_OUTPUT, _ERRORS}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == _ERRORS:
            self.errors = (self.errors + data)[-MOST_OUTPUT:]
        elif len(self.output) + len(data) <= MOST_OUTPUT:
            self.output += data
        elif not self.said_all.done():
            self.said_all.set_exception(TooMuchError())

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc
        self._open.discard(fd)
        if not self._open and not self.said_all.done():
            self.said_all.set_result(None)

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)


async def run_as_owner(account: AccountTemplate, command: list[str], within: timedelta) -> Answer:
    """Run the command as the owner, to its end; return its exit status and output.

    ``NotebookError`` where it does not start or does not end, ``TooMuchError`` where its output
    does not.
    """
    try:
        transport, listener = await asyncio.get_running_loop().subprocess_exec(
            _Listener,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=owner_environment(account),
            # Entered before the process is its owner's: never a folder of a tenant's choice.
            cwd="/",
            start_new_session=True,
            **run_as(account),
        )
    except OSError as error:
        message = f"a process of the owner cannot be started: {account.python}: {error}"
        raise NotebookError(message) from error
    try:
        async with asyncio.timeout(within.total_seconds()):
            await listener.said_all
            await listener.exited
    except TimeoutError as error:
        message = f"the notebook's runner did not answer within {within.total_seconds():.0f} s"
        raise NotebookError(message) from error
    finally:
        await _end(transport, listener)
    code = transport.get_returncode()
    return Answer(
        code=1 if code is None else code,
        output=listener.output.decode(errors="replace"),
        errors=listener.errors.decode(errors="replace"),
    )


async def _end(transport: asyncio.SubprocessTransport, listener: _Listener) -> None:
    listener.said_all.cancel()
    if transport.get_returncode() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
        await asyncio.wait({listener.exited}, timeout=_DIES_WITHIN_S)
    if transport.get_returncode() is None:
        _LOG.error("process %d of an owner cannot be killed: given up", transport.get_pid())
    transport.close()
