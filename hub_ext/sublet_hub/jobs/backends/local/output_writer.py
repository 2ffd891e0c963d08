"""A program: writes what a job prints and what it says of its progress into the service's files.

The job has pipes, never the files: whatever of it outlives it, or was given its descriptors, cannot
write on when the job is over, nor beyond what a job may write. The writer outlives the service, so
a restart loses no line. It ends when the job's first process has ended, after what that had
written until then; later writers meet a broken pipe. It runs under the service's account.

Called as ``python -I -S output_writer.py`` with what ``main`` takes; the job's pid comes as a line
on stdin, and without it the writer ends. No imports but the standard library's: one of these runs
beside each job.
"""

import fcntl
import os
import select
import signal
import struct
import sys
import termios
from dataclasses import dataclass
from typing import Final

_AT_ONCE: Final = 64 * 1024
_INT: Final = struct.Struct("i")


@dataclass(frozen=True, slots=True)
class Disk:
    """When no log is written on."""

    keep_free: int
    """How much of the disk stays free for others, in bytes; 0: no matter."""
    stop_marks: tuple[str, str]
    """The files of which one stands there while all logs, or its owner's, are too much."""
    note: bytes
    """What stands in a log for what is not kept."""

    def takes(self, file: int) -> bool:
        """Whether there is room for more of a log."""
        for mark in self.stop_marks:
            if os.path.exists(mark):  # noqa: PTH110 - pathlib takes too long to import
                return False
        disk = os.fstatvfs(file)
        return not self.keep_free or disk.f_bavail * disk.f_frsize > self.keep_free


@dataclass(slots=True)
class Stream:
    """A pipe, and the file that takes what comes out of it, up to so many bytes."""

    pipe: int
    file: int
    room: int
    disk: Disk | None = None
    """``None``: written while there is any room."""
    _dropping: bool = False

    def read(self, most: int = _AT_ONCE) -> bool:
        """Take in something that was written; return whether more can come."""
        data = os.read(self.pipe, min(most, _AT_ONCE))
        # What is beyond the bound is read all the same: the job must not wait for ever.
        self._write(data[: self.room])
        return bool(data)

    def drain(self) -> None:
        """Take in what is in the pipe now, and nothing that is written from now on."""
        (left,) = _INT.unpack(fcntl.ioctl(self.pipe, termios.FIONREAD, _INT.pack(0)))
        while left > 0:
            before = left
            left -= min(left, _AT_ONCE)
            if not self.read(before - left):
                return

    def _write(self, data: bytes) -> None:
        if not data:
            # The pipe's end, or what is beyond the bound: nothing is missing that would be kept.
            return
        try:
            if self.disk is not None and not self.disk.takes(self.file):
                if not self._dropping:
                    os.write(self.file, self.disk.note)
                self._dropping = True
                return
            self._dropping = False
            while data:
                written = os.write(self.file, data)
                data = data[written:]
                self.room -= written
        except OSError:
            # A full disk: the job goes on without these lines.
            return


def copy(job: int, streams: list[Stream]) -> None:
    """Write until all pipes are at their end, or the process of the pidfd ``job`` is."""
    poll = select.poll()
    poll.register(job, select.POLLIN)
    by_pipe = {stream.pipe: stream for stream in streams}
    for pipe in by_pipe:
        poll.register(pipe, select.POLLIN)
    while by_pipe:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if job in ready:
            for stream in by_pipe.values():
                stream.drain()
            return
        for pipe in ready:
            if not by_pipe[pipe].read():
                poll.unregister(pipe)
                del by_pipe[pipe]


def main(arguments: list[str]) -> None:
    """Write for one job.

    ``arguments``: of its log and then of its progress the pipe's descriptor, the file's, and how
    many bytes the file may take; and what ``Disk`` holds.
    """
    # Where everything is told to end, the job has its last words, and this ends after it.
    for told in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(told, signal.SIG_IGN)
    *numbers, keep_free, all_mark, own_mark, note = arguments
    log_pipe, log_file, log_room, said_pipe, said_file, said_room = map(int, numbers)
    line = sys.stdin.readline()
    if not line:
        return
    try:
        job = os.pidfd_open(int(line))
    except ProcessLookupError:
        job = os.open(os.devnull, os.O_RDONLY)
    disk = Disk(int(keep_free), (all_mark, own_mark), note.encode())
    log = Stream(log_pipe, log_file, log_room, disk)
    copy(job, [log, Stream(said_pipe, said_file, said_room)])


if __name__ == "__main__":
    main(sys.argv[1:])
