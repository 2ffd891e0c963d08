"""A child that reads is asked, given up, and never forgotten."""

import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest
from sublet_procfs.reader import Reader, ReaderLostError

SHELL = shutil.which("sh") or "/bin/sh"
Started = Callable[[str], Reader]


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
