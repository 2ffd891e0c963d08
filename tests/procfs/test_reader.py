"""A child that reads is asked, given up, and never forgotten."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sublet_procfs.reader import Reader, ReaderLostError

from tests.support.simulated_gpus import wait_until

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


def test_a_reader_that_has_answered_while_the_one_who_asks_stood_still_is_heard(
    reader_that: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Reader._work

    def once_it_has_ended(reader: Reader) -> Any:
        reader._process.wait(PATIENCE_S)
        time.sleep(0.1)
        return look(reader)

    monkeypatch.setattr(Reader, "_work", once_it_has_ended)
    assert reader_that("read line; echo '{}'").ask({}, 0.1) == {}


def cpu_s(reader: Reader) -> float:
    """The time that a reader's process has run."""
    stat = Path(f"/proc/{reader._process.pid}/stat").read_text()
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_a_reader_that_is_busy_is_not_one_that_gets_no_processor(reader_that: Started) -> None:
    reader = reader_that("read line; while :; do :; done")
    with pytest.raises(TimeoutError):
        reader.ask({}, 0.3)
    # It would be waited for ten seconds longer; this process may be kept from running for some.
    assert cpu_s(reader) < 5


@contextlib.contextmanager
def started_reader() -> Iterator[Reader]:
    """A real one, given up whatever becomes of the test."""
    reader = Reader.start()
    try:
        yield reader
    finally:
        reader.give_up()


@contextlib.contextmanager
def little_of_a_processor_for(reader: Reader) -> Iterator[None]:
    """Give a reader one processor, which twelve others use as well."""
    processor = {min(os.sched_getaffinity(0))}
    os.sched_setaffinity(reader._process.pid, processor)
    # Sessions may have equal parts of a processor, and the reader is one of its own.
    others = [
        subprocess.Popen([SHELL, "-c", "while :; do :; done"], start_new_session=True)
        for _ in range(12)
    ]
    try:
        for other in others:
            os.sched_setaffinity(other.pid, processor)
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_a_reader_that_gets_little_of_a_processor_is_waited_for_and_that_is_not_counted(
    tmp_path: Path,
) -> None:
    maps = tmp_path / "maps"
    maps.write_text("".join(f"{i:x}-{i:x} r--p 0 00:00 0    /lib/x{i}.so\n" for i in range(90_000)))
    request = {"path": str(maps), "mapped": [f"/none{i}.so" for i in range(40)]}
    with started_reader() as reader, little_of_a_processor_for(reader):
        until_s = time.monotonic() + PATIENCE_S
        while True:
            began = time.monotonic()
            told = reader.ask(request, 0.3)
            took_s = time.monotonic() - began
            assert told["found"] == []
            # Until the others all run, it may get more than little; and where the machine stands
            # still, or a disk is waited for, that counts as having been held up.
            seen = took_s > 0.4 and told["took_s"] < 0.3
            if seen or time.monotonic() > until_s:
                break
    assert took_s > 0.4
    assert 0 < told["took_s"] < 0.3


def test_a_reader_that_somebody_has_stopped_is_waited_for(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text("1-2 r--p 0 00:00 0    /lib/x.so\n")
    with started_reader() as reader:
        pid = reader._process.pid
        os.kill(pid, signal.SIGSTOP)
        goes_on = threading.Timer(0.6, os.kill, (pid, signal.SIGCONT))
        goes_on.start()
        told = reader.ask({"path": str(maps), "mapped": ["/lib/x.so"]}, 0.2)
        goes_on.join()
    assert told["found"] == ["/lib/x.so"]


def opened_once_it_is_read(pipe: Path) -> int:
    """Open a named pipe to write as soon as somebody reads it: before that the kernel refuses."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > until_s:
                raise
        time.sleep(0.001)


def state_of(reader: Reader) -> str:
    """The state of a reader's process, as the kernel tells it."""
    stat = Path(f"/proc/{reader._process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0]


def test_for_how_long_a_reader_stood_stopped_in_a_read_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "environ"
    os.mkfifo(path)
    look, looks = Reader._work, 0
    writer = -1

    def stopped_for_a_while(reader: Reader) -> Any:
        """Whenever it is looked at: before it reads, in the read, and when it has stood stopped."""
        nonlocal looks, writer
        looks += 1
        if looks == 2:
            writer = opened_once_it_is_read(path)
            os.kill(reader._process.pid, signal.SIGSTOP)
            wait_until(lambda: state_of(reader) == "T")
        seen = look(reader)
        if looks == 3:
            os.write(writer, b"A=1\0")
            os.close(writer)
            os.kill(reader._process.pid, signal.SIGCONT)
        return seen

    monkeypatch.setattr(Reader, "_work", stopped_for_a_while)
    with started_reader() as reader:
        told = reader.ask({"pid": 1, "path": str(path), "variables": ["A"]}, 0.3)
    assert told["found"] == ["A=1"]
    assert told["took_s"] < 0.3


def test_a_reader_says_how_long_a_read_was_held_up(tmp_path: Path) -> None:
    path = tmp_path / "environ"
    os.mkfifo(path)

    def let_go() -> None:
        writer = opened_once_it_is_read(path)
        time.sleep(0.3)
        os.write(writer, b"A=1\0")
        os.close(writer)

    late = threading.Thread(target=let_go)
    with started_reader() as reader:
        late.start()
        request = {"pid": 1, "path": str(path), "variables": ["A"]}
        told = reader.ask(request, PATIENCE_S)
        late.join()
    assert told["found"] == ["A=1"]
    assert told["took_s"] > 0.1


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
