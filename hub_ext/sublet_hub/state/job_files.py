"""A job's files in the service's state folder: its environment, its log and its progress."""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sublet_quota.names.ids import JobId
from sublet_quota.wire.jobs import JobLog

from sublet_hub.host.private_files import make_private_folder, open_private_append, write_private

_MOST_AT_ONCE = 256 * 1024
_RESERVED_BY_ITSELF = 1024 * 1024
_ENVIRONMENT = "environment.json"
_WRITER = "writer.json"
_STOPPED = "no-room-for-log"
_OURS = frozenset({_ENVIRONMENT, _WRITER, _STOPPED})
"""Of a job's files, those that the service has written itself."""

_STOP_MARK = ".no-room-for-logs"
NOT_KEPT = "\n[What was printed here is not kept: there is no room for logs on the hub's disk.]\n"


@dataclass(frozen=True, slots=True)
class KeptLog:
    """What one job's processes have written."""

    job_id: JobId
    bytes: int
    written_at: float
    """When something was written last, as files have it."""


@dataclass(frozen=True, slots=True)
class JobFiles:
    """The folder of all jobs' files, each readable by the service alone."""

    folder: Path
    keep_free_bytes: int = 0
    """How much of the disk is left for the ledger."""

    @property
    def stop_mark(self) -> Path:
        """The file that stands there while no log is written on: for writers beside the service."""
        return self.folder / _STOP_MARK

    def stop_mark_of(self, job_id: JobId) -> Path:
        """Return the file that stands there while this job's log is not written on."""
        return self.folder / job_id / _STOPPED

    def free_bytes(self) -> int:
        """Return how much of the disk is free."""
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def is_short(self) -> bool:
        """Whether no more is free of the disk than is left for the ledger."""
        return self.keep_free_bytes > 0 and self.free_bytes() <= self.keep_free_bytes

    def stop_logs(self, *, stopped: bool) -> None:
        """Let no log be written on, or let all be again."""
        _set_mark(self.stop_mark, stands=stopped)

    def stop_log_of(self, job_id: JobId, *, stopped: bool) -> None:
        """Let a job's log not be written on, or let it be again. ``OSError``."""
        _set_mark(self.stop_mark_of(job_id), stands=stopped)

    def is_stopped(self, job_id: JobId) -> bool:
        """Whether a job's log is not written on, for itself or as all others."""
        return self.stop_mark_of(job_id).exists() or self.stop_mark.exists()

    def add_to_log(self, job_id: JobId, log: int, text: bytes) -> None:
        """Write to a log's descriptor, or, once, that what comes is not kept."""
        if not text:
            return
        # A full disk keeps nobody from reading on, and from the progress that comes along.
        with contextlib.suppress(OSError):
            if not self.is_stopped(job_id) and not self.is_short():
                os.write(log, text)
            elif not _ends_with(log, NOT_KEPT.encode()):
                os.write(log, NOT_KEPT.encode())

    def logs(self) -> list[KeptLog]:
        """Return what each job's processes have written, and when they did last.

        What is no job's folder, or cannot be read, is left out: it keeps no other from being found.
        """
        found = []
        for folder in self.folder.iterdir():
            if folder.name != _STOP_MARK:
                with contextlib.suppress(OSError):
                    status = [path.stat() for path in self._written(JobId(folder.name))]
                    last = max((each.st_mtime for each in status), default=0.0)
                    room = sum(_room(each) for each in status)
                    found.append(KeptLog(JobId(folder.name), room, last))
        return found

    def prepare(self, job_id: JobId, environment: Mapping[str, str]) -> None:
        """Make the job's folder, with the variables that its owner asked for."""
        folder = make_private_folder(self.folder / job_id)
        write_private(folder / _ENVIRONMENT, json.dumps(dict(environment)).encode())

    def environment(self, job_id: JobId) -> dict[str, str]:
        """Return the variables that the job's owner asked for."""
        asked: dict[str, str] = json.loads((self.folder / job_id / _ENVIRONMENT).read_bytes())
        return asked

    def log_path(self, job_id: JobId) -> Path:
        """Return the path of the log: what a job prints."""
        return self.folder / job_id / "log"

    def progress_path(self, job_id: JobId, attempt: int) -> Path:
        """Return the path of what one attempt of a job says of itself."""
        return self.folder / job_id / f"progress-{attempt}.jsonl"

    def open_log(self, job_id: JobId) -> int:
        """Return a descriptor for what a job prints, appended to its log."""
        return open_private_append(self.log_path(job_id))

    def open_progress(self, job_id: JobId, attempt: int) -> int:
        """Return a descriptor for the progress of an attempt, which begins empty."""
        path = self.progress_path(job_id, attempt)
        path.unlink(missing_ok=True)
        return open_private_append(path)

    def note_writer(self, job_id: JobId, identity: bytes) -> None:
        """Keep which process writes a job's files; a job of this machine has one."""
        # What the machine forgets at its end, this may forget.
        write_private(self.folder / job_id / _WRITER, identity, forced=False)

    def writer(self, job_id: JobId) -> bytes:
        """Return which process writes a job's files. ``OSError`` where none was noted."""
        return (self.folder / job_id / _WRITER).read_bytes()

    def open_more_progress(self, job_id: JobId, attempt: int) -> int:
        """Return a descriptor to add to what an attempt has said already."""
        return open_private_append(self.progress_path(job_id, attempt))

    def bytes_written(self, job_id: JobId, attempt: int) -> int:
        """Return how much room a job's log and an attempt's progress take."""
        paths = (self.log_path(job_id), self.progress_path(job_id, attempt))
        return sum(_room(path.stat()) for path in paths if path.exists())

    def bytes_kept(self, job_id: JobId) -> int:
        """Return how much room everything takes that a job's processes have written."""
        return sum(_room(path.stat()) for path in self._written(job_id))

    def trim(self, job_id: JobId, most_bytes: int) -> None:
        """Cut what a job's processes have written, file by file, and what was reserved beyond."""
        for path in self._written(job_id):
            status = path.stat()
            if _room(status) > most_bytes:
                os.truncate(path, min(status.st_size, most_bytes))

    def drop_log(self, job_id: JobId, why: str) -> None:
        """Delete what a job's processes have written; the log says ``why``."""
        for path in self._written(job_id):
            path.unlink()
        write_private(self.log_path(job_id), f"{why}\n".encode())

    def read_log(self, job_id: JobId, offset: int, *, ended: bool) -> JobLog:
        """Return a part of what a job printed, whole characters only."""
        try:
            with self.log_path(job_id).open("rb") as file:
                file.seek(offset)
                data = file.read(_MOST_AT_ONCE)
                more = bool(file.read(1))
        except FileNotFoundError:
            data, more = b"", False
        data = _whole_characters(data) if more or not ended else data
        return JobLog(
            text=data.decode("utf-8", "replace"),
            offset=offset,
            next_offset=offset + len(data),
            ended=ended and not more,
        )

    def remove(self, job_id: JobId) -> None:
        """Delete everything of a job that is forgotten."""
        shutil.rmtree(self.folder / job_id, ignore_errors=True)

    def _written(self, job_id: JobId) -> list[Path]:
        with contextlib.suppress(FileNotFoundError):
            return [p for p in (self.folder / job_id).iterdir() if p.name not in _OURS]
        return []


def _set_mark(mark: Path, *, stands: bool) -> None:
    if stands:
        mark.touch(mode=0o600)
    else:
        mark.unlink(missing_ok=True)


def _room(status: os.stat_result) -> int:
    """Return a file's size in bytes, or what is reserved for it where that is much more.

    A tenant can reserve room behind the end of a file. XFS does so by itself for one that grows,
    and at most doubles it: what file systems do unasked does not count.
    """
    reserved = status.st_blocks * 512
    unasked = 2 * status.st_size + _RESERVED_BY_ITSELF
    return reserved if reserved > unasked else status.st_size


def _ends_with(file: int, text: bytes) -> bool:
    """Whether a file that is open for appending ends with a text."""
    size = os.fstat(file).st_size
    with open(f"/proc/self/fd/{file}", "rb") as again:  # noqa: PTH123 - a descriptor's own name
        return os.pread(again.fileno(), len(text), max(0, size - len(text))) == text


def _whole_characters(data: bytes) -> bytes:
    """Return the data without a character whose last bytes have not come yet."""
    for length in range(1, min(4, len(data)) + 1):
        byte = data[-length]
        if byte & 0xC0 == 0x80:  # noqa: PLR2004 - a character's later byte
            continue
        needs = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4  # noqa: PLR2004
        return data[:-length] if needs > length else data
    return data
