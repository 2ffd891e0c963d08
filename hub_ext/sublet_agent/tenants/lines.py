"""Lines of a tenant, in and out, with little of them kept: whoever writes or reads slowly waits.

What was not asked for stays in the kernel, where it counts as the sender's memory. Here lies one
line at most, and what a reader has not taken yet.
"""

import asyncio
from typing import Final, cast

from sublet_quota.wire.tenant_socket import MOST_LINE_BYTES

_MOST_UNREAD_BYTES: Final = 16 * 1024
_AT_ONCE: Final = 4096
_NO_BYTES: Final = b""


class LineTooLongError(Exception):
    """A tenant's line is longer than any may be."""


class TenantLines(asyncio.BufferedProtocol):
    """The two directions of one connection."""

    _scratch = bytearray(_AT_ONCE)
    """Where each read goes first, of all connections: it is copied before the next one."""

    def __init__(self) -> None:
        self._unread = b""
        self._has_ended = False
        self._news = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the next bytes go."""
        del sizehint
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read; read on only once it is asked for."""
        self._unread += bytes(self._scratch[:nbytes])
        if self._transport is not None:
            self._transport.pause_reading()
        self._news.set()

    def eof_received(self) -> bool:
        """Note that nothing more comes; whoever has said all may still read the answers."""
        self._has_ended = True
        self._news.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nobody is there any more."""
        del exc
        self._transport = None
        self._has_ended = True
        self._news.set()

    async def read(self) -> bytes:
        """Return the next line, at the end what is left. ``LineTooLongError``."""
        while True:
            line, end, rest = self._unread.partition(b"\n")
            if len(line) > MOST_LINE_BYTES:
                self._unread = _NO_BYTES
                raise LineTooLongError
            if end:
                self._unread = rest
                return line + end
            if self._has_ended:
                self._unread = _NO_BYTES
                return line
            self._news.clear()
            if self._transport is not None:
                self._transport.resume_reading()
            await self._news.wait()

    def write(self, line: bytes) -> None:
        """Send a line; end the connection of whoever asks and does not read."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        unread = transport.get_write_buffer_size()
        if unread and unread + len(line) > _MOST_UNREAD_BYTES:
            # Whatever it misses is its own.
            transport.abort()
            return
        transport.write(line)

    def hang_up(self) -> None:
        """Close the connection at once: one that does not read would stay open, uncounted."""
        if self._transport is None:
            return
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()
