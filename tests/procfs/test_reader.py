"""A child that reads is asked, given up, and never forgotten."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from sublet_procfs.reader import Reader, ReaderLostError

SHELL = shutil.which("sh") or "/bin/sh"
Started = Callable[[str], Reader]
PATIENCE_S = 60


@pytest.fixture
def reader_that() -> Iterator[Started]:
    """Readers whose program is a line of a shell's."""
    made: list[Reader] = []

    def start(line: str) -> Reader:
        process = subprocess.Popen(
            [SHELL, "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        made.append(Reader(process))
        return made[-1]

    yield start
    for reader in made:
        reader.give_up()


def test_a_reader_that_does_not_answer_in_time_says_so_in_words(reader_that: Started) -> None:
    with pytest.raises(TimeoutError) as told:
        reader_that("sleep 60").ask({}, 0.1)
    assert told.value.strerror
    assert told.value.errno


@pytest.mark.parametrize("line", ["exit", "read line", "read line; echo no"])
def test_a_reader_that_is_gone_or_talks_nonsense_says_so_in_words(
    reader_that: Started, line: str
) -> None:
    with pytest.raises(ReaderLostError) as told:
        reader_that(line).ask({}, 60)
    assert told.value.strerror
    assert told.value.errno


class SlowToEnd(subprocess.Popen[bytes]):
    """A process that takes its time, as one does that the kernel keeps for a tenant's file."""

    def kill(self) -> None:
        """Do nothing of the kind."""

    def __del__(self) -> None:
        """Say nothing of a process that still runs."""


def is_there(pid: int) -> bool:
    """Whether a process runs, or waits to be asked how it ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_reader_that_ends_late_is_not_left_a_zombie_though_nobody_asks_for_it() -> None:
    process = SlowToEnd(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    # Nor does it end when nobody asks.
    pipe, process.stdin = process.stdin, None
    late = Reader(process)
    assert not late.give_up()
    pid = process.pid
    del late, process
    until = time.monotonic() + PATIENCE_S
    os.kill(pid, 9)
    while is_there(pid) and time.monotonic() < until:
        Reader.start().give_up()
    assert not is_there(pid)
    assert pipe is not None
    pipe.close()
