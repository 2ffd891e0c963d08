"""The writers of what jobs on this machine print and say: started, found again, ended."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final

import psutil
from sublet_quota.names.ids import JobId

from sublet_hub.host.process_identity import is_alive, started_at
from sublet_hub.jobs.backends.local import output_writer
from sublet_hub.jobs.backends.local.processes import Child
from sublet_hub.ledger.records import StartedProcess
from sublet_hub.state.job_files import NOT_KEPT, JobFiles

_LOG = logging.getLogger(__name__)
WRITES_WITHIN_S: Final = 10.0
"""How long a writer may take, once its job has ended, for what the job had written until then."""
_LOOK_EVERY_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class JobPipes:
    """The descriptors that a job writes to, and the one by which its writer is told whose."""

    log: int
    progress: int
    control: int

    def follow(self, pid: int) -> None:
        """Let the writer end when this process has ended.

        One that has ended already is no failure: the job meets a broken pipe, and says so.
        """
        with contextlib.suppress(BrokenPipeError):
            os.write(self.control, f"{pid}\n".encode())


class JobWriters:
    """The writers of all jobs on this machine. Which is whose lies in the jobs' folders."""

    def __init__(self, files: JobFiles, log_bytes: int, boot_id: str) -> None:
        self._files = files
        # One more than a job may write: by that it is seen that one has written too much.
        self._most_bytes = log_bytes + 1
        self._boot_id = boot_id
        self._children: list[Child] = []

    @contextmanager
    def begin(self, job_id: JobId, attempt: int) -> Iterator[JobPipes]:
        """Start the writer of an attempt; its pipes are for the job alone once the block is over.

        It ends by itself where it is not told whom to follow. ``OSError``.
        """
        with contextlib.ExitStack() as opened:

            def keep(descriptor: int) -> int:
                opened.callback(os.close, descriptor)
                return descriptor

            def pipe() -> tuple[int, int]:
                reading, writing = os.pipe2(os.O_CLOEXEC)
                return keep(reading), keep(writing)

            log = keep(self._files.open_log(job_id))
            progress = keep(self._files.open_progress(job_id, attempt))
            (log_pipe, print_to), (said_pipe, say_to), (told, tell) = pipe(), pipe(), pipe()
            room = max(0, self._most_bytes - os.fstat(log).st_size)
            numbers = (log_pipe, log, room, said_pipe, progress, self._most_bytes)
            marks = (self._files.stop_mark, self._files.stop_mark_of(job_id))
            disk = (self._files.keep_free_bytes, *marks, NOT_KEPT)
            child = Child(
                [sys.executable, "-I", "-S", output_writer.__file__, *map(str, (*numbers, *disk))],
                stdin=told,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
                pass_fds=(log_pipe, log, said_pipe, progress),
            )
            self._children.append(child)
            began = started_at(psutil.Process(child.pid))
            writer = StartedProcess(self._boot_id, child.pid, began)
            self._files.note_writer(job_id, json.dumps(asdict(writer)).encode())
            yield JobPipes(print_to, say_to, tell)

    def find(self, job_id: JobId) -> StartedProcess | None:
        """Return the writer of a job while that lives."""
        try:
            writer = StartedProcess(**json.loads(self._files.writer(job_id)))
        except (OSError, ValueError, TypeError):
            return None
        return writer if is_alive(writer, self._boot_id) else None

    async def end(self, job_id: JobId, *, at_once: bool) -> None:
        """See to it that nothing more is written for a job, whose processes have ended.

        ``at_once``: not all of them have.
        """
        deadline = time.monotonic() + (0 if at_once else WRITES_WITHIN_S)
        # A writer of the service before is no child, and tells nobody of its end but who looks.
        while self.find(job_id) is not None:
            if time.monotonic() >= deadline:
                self.kill(job_id)
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    def kill(self, job_id: JobId) -> None:
        """End a writer, whatever it still has to write."""
        writer = self.find(job_id)
        if writer is not None:
            _LOG.warning("the writer of job %s's output is ended (pid %d)", job_id, writer.pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(writer.pid, signal.SIGKILL)

    def reap(self) -> None:
        """Wait for the writers that have ended, else they would be zombies."""
        self._children = [child for child in self._children if child.poll() is None]
