"""Copies a job's log out of the cluster while it runs: the text here, the progress there.

A line of progress stands behind a record separator, as the runner in the pod writes it. A log is
read from its beginning each time; how far it was taken is kept in a file, so that a service that
starts again goes on there.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable
from typing import Final

from sublet_quota.ids import JobId

from sublet_hub.job_files import JobFiles
from sublet_hub.kube.errors import KubeError

_LOG = logging.getLogger(__name__)
SEPARATOR: Final = b"\x1e"
_MOST_LINE: Final = 256 * 1024
_AGAIN_S: Final = 1.0


class LogSplitter:
    """Tells text and progress apart, in parts as they come."""

    def __init__(self) -> None:
        self._record: bytes | None = None

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """The text and the whole lines of progress that are known now."""
        text, records = b"", b""
        while data:
            if self._record is None:
                before, found, data = data.partition(SEPARATOR)
                text += before
                if found:
                    self._record = b""
            else:
                inside, ended, data = data.partition(b"\n")
                self._record += inside
                if ended or len(self._record) > _MOST_LINE:
                    records += self._record[:_MOST_LINE] + b"\n"
                    self._record = None
        return text, records


class LogFollower:
    """One attempt's log."""

    def __init__(
        self,
        files: JobFiles,
        job_id: JobId,
        attempt: int,
        read: Callable[[], AsyncIterator[bytes]],
    ) -> None:
        self._files = files
        self._job_id = job_id
        self._attempt = attempt
        self._read = read
        self._offset_path = files.progress_path(job_id, attempt).with_suffix(".offset")
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def done(self) -> bool:
        """Whether the log has been taken to its end."""
        return self._task.done()

    async def stop(self) -> None:
        """Leave the rest."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except KubeError as error:
                if error.status == 404:  # noqa: PLR2004 - the pod is gone, and its log with it
                    return
                # A container that is being started has no log yet.
                _LOG.debug("the log of job %s is not read: %s", self._job_id, error)
                await asyncio.sleep(_AGAIN_S)
            except OSError:
                _LOG.exception("the log of job %s cannot be written", self._job_id)
                return
            else:
                return

    async def _follow(self) -> None:
        taken = self._taken()
        splitter, seen = LogSplitter(), 0
        log = self._files.open_log(self._job_id)
        progress = self._files.open_more_progress(self._job_id, self._attempt)
        try:
            async for data in self._read():
                old = data[: max(0, taken - seen)]
                seen += len(data)
                splitter.take(old)
                if seen <= taken:
                    continue
                text, records = splitter.take(data[len(old) :])
                os.write(log, text)
                os.write(progress, records)
                self._offset_path.write_text(str(seen))
        finally:
            os.close(log)
            os.close(progress)

    def _taken(self) -> int:
        try:
            return int(self._offset_path.read_text())
        except (OSError, ValueError):
            return 0
