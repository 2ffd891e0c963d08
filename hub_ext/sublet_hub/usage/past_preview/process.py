"""A process that simulates past days, started, fed, heard and ended, whatever it does."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from sublet_hub.host.host_memory import host_memory_left_gib
from sublet_hub.usage.past_preview.protocol import MODULE, TOLD, Asked, Told

_LONGEST_LINE: Final = 32 * 2**20
_MIB_PER_GIB: Final = 1024
_DIES_WITHIN_S: Final = 5.0
_GIVEN: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")
"""Of the service's environment: the rest has its secrets."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the process may take."""

    within_s: float = 600.0
    memory_mib: int = 4096
    least_mib: int = 384
    """With less it cannot even begin."""

    def memory_now_mib(self) -> int:
        """Return what it may have now: at most half of what this machine, or container, has left.

        Below ``least_mib``: it should not begin.
        """
        return min(self.memory_mib, int(host_memory_left_gib() * _MIB_PER_GIB / 2))


class Simulation:
    """A process that is at work."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._process.pid

    async def ask(self, asked: Asked) -> None:
        """Send the question; the days follow."""
        await self.send(asked.model_dump_json().encode())

    async def send(self, line: bytes) -> None:
        """Send a line. Of a process that has ended ``told`` tells nothing more."""
        sent = self._process.stdin
        if sent is not None and not sent.is_closing():
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sent.write(line + b"\n")
                await sent.drain()

    async def told(self) -> AsyncIterator[Told]:
        """End what is sent, and yield what the process tells, until it ends."""
        sent, said = self._process.stdin, self._process.stdout
        if sent is None or said is None:
            return
        sent.close()
        while line := await said.readline():
            try:
                yield TOLD.validate_json(line)
            except ValidationError:
                # It was ended in the middle of a line.
                return


@asynccontextmanager
async def simulation(memory_mib: int, within_s: float) -> AsyncIterator[Simulation]:
    """Run a process as long as the block lasts; after it there is none."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        MODULE,
        str(memory_mib),
        str(max(1, int(within_s))),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env={name: os.environ[name] for name in _GIVEN if name in os.environ},
        limit=_LONGEST_LINE,
        start_new_session=True,
    )
    try:
        yield Simulation(process)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DIES_WITHIN_S):
                await process.wait()
