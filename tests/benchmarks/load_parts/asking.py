"""HTTP over one connection that stays open, with next to no work for who asks.

A client such as tornado's takes longer for a request than the service does for its answer.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Self

_LARGEST = 2**20
_PATIENCE_S = 60.0


@dataclass
class Connection:
    """One connection to a server on this machine, opened again when it was closed."""

    port: int
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    reopened: int = 0

    async def ask(
        self, method: str, path: str, token: str | None = None, body: bytes | None = None
    ) -> tuple[int, bytes]:
        """Ask, and return status and body; 0 where there was no answer."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        if token is not None:
            lines.append(f"Authorization: token {token}")
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        text = "\r\n".join([*lines, "", ""]).encode() + (body or b"")
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._exchange(text)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            self.close()
            self.reopened += 1
            return 0, b""

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self.port, limit=_LARGEST
        )

    async def _exchange(self, text: bytes) -> tuple[int, bytes]:
        if self.writer is None:
            await self.open()
        assert self.reader is not None
        assert self.writer is not None
        self.writer.write(text)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return int(first.split()[1]), body

    def close(self) -> None:
        if self.writer is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self.writer.close()
        self.reader = self.writer = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
