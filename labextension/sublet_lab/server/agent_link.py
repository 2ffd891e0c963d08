"""The link of the notebook server to its node's agent, by which it tells of kernels."""

import asyncio
import logging
import time

from sublet_quota.wire.tenant_socket import MOST_ANSWER_BYTES, KernelActivity

_TELL_WITHIN_S = 3.0


class AgentLink:
    """A link that tells the agent the levels of kernels; one that is away hears the next ones."""

    def __init__(self, socket_path: str, log: logging.Logger) -> None:
        self._socket_path = socket_path
        self._log = log
        # As in a kernel: a restarted server must not seem older than its predecessor.
        self._sequence = int(time.time() * 1000)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._away = False

    async def tell(self, kernel: str, cell: str | None) -> bool:
        """Tell that ``cell`` runs in ``kernel``, or none; return whether that could be told."""
        self._sequence += 1
        level = KernelActivity(
            kernel=kernel[:255],
            sequence=self._sequence,
            busy=cell is not None,
            cell=cell[:255] if cell else None,
        )
        try:
            async with asyncio.timeout(_TELL_WITHIN_S):
                if self._writer is None:
                    await self._connect()
                assert self._writer is not None  # noqa: S101 (connected above)
                self._writer.write(level.model_dump_json().encode() + b"\n")
                await self._writer.drain()
        except OSError as error:
            if not self._away:
                self._log.warning("Sublet: no agent at %s: %s", self._socket_path, error)
            self._away = True
            self.close()
            return False
        self._away = False
        return True

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    async def _connect(self) -> None:
        reader, writer = await asyncio.open_unix_connection(
            self._socket_path, limit=MOST_ANSWER_BYTES
        )
        self._writer = writer
        self._reading = asyncio.get_running_loop().create_task(self._read(reader, writer))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Drop what the agent answers, and see when it hangs up."""
        try:
            while await reader.read(MOST_ANSWER_BYTES):
                pass
        except OSError:
            pass
        if self._writer is writer:
            writer.transport.abort()
            self._writer = None
            self._reading = None
