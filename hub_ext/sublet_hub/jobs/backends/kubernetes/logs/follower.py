"""Copies a job's log out of the cluster while it runs: the text here, the progress there.

A line of progress stands behind a record separator, as the runner in the pod writes it. An answer
that ends says nothing of the pod: kubelets end those that last for hours, and all when they start
again. So the log is asked for again until its pod is over, from where it was taken to; that is
kept in a file, for a service that starts again. Where there is nothing, again and again, it is
asked for less and less often: a kubelet that does not answer may have the logs of hundreds.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from sublet_quota.names.ids import JobId

from sublet_hub.host.private_files import write_private
from sublet_hub.jobs.backends.kubernetes.logs.pace import LogPace, parts_of
from sublet_hub.jobs.backends.kubernetes.logs.position import LogPosition, StampedLog, read_position
from sublet_hub.kubernetes_api.errors import KubeError
from sublet_hub.state.job_files import JobFiles

_LOG = logging.getLogger(__name__)
SEPARATOR: Final = b"\x1e"
_MOST_LINE: Final = 256 * 1024
_AGAIN_S: Final = 1.0
_LONGEST_S: Final = 15.0
_GROWS: Final = 2.0


class LogSplitter:
    """Tells text and progress apart, in parts as they come."""

    def __init__(self) -> None:
        self._record: bytes | None = None

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the text and the whole lines of progress that are known after this part."""
        text, records, start = [], [], 0
        while start < len(data):
            if self._record is None:
                found = data.find(SEPARATOR, start)
                stop = len(data) if found < 0 else found
                text.append(data[start:stop])
                self._record = None if found < 0 else b""
            else:
                found = data.find(b"\n", start)
                stop = len(data) if found < 0 else found
                self._record += data[start:stop]
                if found >= 0 or len(self._record) > _MOST_LINE:
                    records.append(self._record[:_MOST_LINE] + b"\n")
                    self._record = None
            start = stop + (found >= 0)
        return b"".join(text), b"".join(records)


@dataclass(frozen=True, slots=True)
class PodLog:
    """Where a pod's log comes from."""

    read: Callable[[str], AsyncIterator[bytes]]
    """The log with its times, from a time on, as it grows, until the answer ends."""
    is_complete: Callable[[], bool]
    """Whether nothing more will be printed."""
    is_gone: Callable[[], bool]
    """Whether the cluster has the pod no longer."""


class LogFollower:
    """The follower of one attempt's log."""

    def __init__(
        self, files: JobFiles, job_id: JobId, attempt: int, source: PodLog, pace: LogPace
    ) -> None:
        self._files = files
        self._job_id = job_id
        self._attempt = attempt
        self._source = source
        self._pace = pace
        self._position_path = files.progress_path(job_id, attempt).with_suffix(".position")
        self._position = self._known_position()
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def done(self) -> bool:
        """Whether the log has been taken to its end."""
        return self._task.done()

    @property
    def bytes_read(self) -> int:
        """How much was printed in this attempt, with the time of each line."""
        return self._position.read

    async def stop(self) -> None:
        """Stop following, and leave the rest of the log."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        pause_s = _AGAIN_S
        while True:
            read_before, began = self._position.read, time.monotonic()
            # Asked before it is read: an answer may have ended before the pod had.
            complete = self._source.is_complete()
            try:
                await self._follow()
            except KubeError as error:
                # A container that is being started has no log yet, and a kubelet that has started
                # again does not know its pods for a moment.
                if self._source.is_gone():
                    return
                _LOG.debug("the log of job %s is not read: %s", self._job_id, error)
            except OSError:
                _LOG.exception("the log of job %s cannot be written", self._job_id)
                return
            else:
                if complete:
                    return
                if self._source.is_complete():
                    continue
            lasted_s = time.monotonic() - began
            if self._position.read > read_before or lasted_s > _LONGEST_S:
                # It was there to be followed, if in silence: much may be printed in the next pause.
                pause_s = _AGAIN_S
            await self._rest(pause_s)
            pause_s = min(_GROWS * pause_s, _LONGEST_S)

    async def _rest(self, pause_s: float) -> None:
        """Wait for so long, or until the pod is over: the last of its log is waited for."""
        while pause_s > 0:
            await asyncio.sleep(min(_AGAIN_S, pause_s))
            pause_s -= _AGAIN_S
            if self._source.is_complete() or self._source.is_gone():
                return

    async def _follow(self) -> None:
        position = self._position
        stamped, splitter = StampedLog(position), LogSplitter()
        log = self._files.open_log(self._job_id)
        progress = self._files.open_more_progress(self._job_id, self._attempt)
        try:
            async with aclosing(self._source.read(position.since)) as answer:  # type: ignore[type-var]
                async for data in answer:
                    for part in parts_of(data):
                        text, records = _split(stamped, splitter, part)
                        self._files.add_to_log(self._job_id, log, text)
                        os.write(progress, records)
                        self._keep_position(stamped.position)
                        await self._pace.rest_after(part)
        finally:
            os.close(log)
            os.close(progress)

    def _known_position(self) -> LogPosition:
        try:
            return read_position(self._position_path.read_bytes())
        except (OSError, ValueError):
            return LogPosition()

    def _keep_position(self, position: LogPosition) -> None:
        if position == self._position:
            return
        self._position = position
        write_private(self._position_path, position.written(), forced=False)


def _split(stamped: StampedLog, splitter: LogSplitter, data: bytes) -> tuple[bytes, bytes]:
    taken = [(part.known, *splitter.take(part.data)) for part in stamped.take(data)]
    text = b"".join(text for known, text, _ in taken if not known)
    return text, b"".join(records for known, _, records in taken if not known)
