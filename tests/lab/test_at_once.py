"""Tasks in processes: results in their order, whatever is raised, and nothing left running."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from sublet_lab.command_line.simulation.at_once import EndedWithoutResultError, Tell, at_once
from sublet_lab.command_line.simulation.progress import told_progress
from sublet_quota.closed_loop.baselines.policies import policy_of
from sublet_quota.closed_loop.outcome.question import NamedDocument, Question

from tests.support.loop_cases import HOUR, MONDAY, cards
from tests.support.quota_documents import document

Task = Callable[[Tell], int]
ROOT = Path(__file__).parents[2]
WITHIN_S = 120.0
WAITS_FOR_EVER = """
import os, signal, sys, threading
from sublet_lab.command_line.simulation.at_once import at_once

# As in a terminal: what runs in the background, as tests may, would not be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)

def told(tell):
    # One write: two of them at once are not mixed.
    os.write(1, f"{os.getpid()}\\n".encode())
    while True:
        tell("goes on")
        threading.Event().wait(0.05)

list(at_once([told, told], most=2))
"""


def alone(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in a new process, in which no earlier one can have left a thread.

    Beside a thread all is done in the one process, where a task that waits for the next one waits
    for ever.
    """

    @functools.wraps(test)
    def in_its_own(**given: Path) -> None:
        paths = {name: str(path) for name, path in given.items()}
        call = f"{test.__name__}.__wrapped__(**{{k: Path(v) for k, v in {paths!r}.items()}})"
        code = f"from pathlib import Path; from {__name__} import {test.__name__}; {call}"
        told = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        assert told.returncode == 0, told.stderr

    return in_its_own


def after(path: Path, value: int) -> Task:
    """A task that ends once a file is there."""

    def task(_tell: Tell) -> int:
        while not path.exists():
            time.sleep(0.005)
        return value

    return task


def makes(path: Path, value: int) -> Task:
    """A task that makes a file, and so lets another end."""

    def task(_tell: Tell) -> int:
        path.touch()
        return value

    return task


@alone
def test_results_are_had_in_their_order_whichever_is_done_first(tmp_path: Path) -> None:
    path = tmp_path / "done"
    assert list(at_once([after(path, 1), makes(path, 2), lambda _: 3], most=2)) == [1, 2, 3]


def test_of_one_core_all_is_done_one_after_another_in_this_process() -> None:
    assert list(at_once([lambda _: os.getpid()] * 3, most=1)) == [os.getpid()] * 3


def test_beside_another_thread_all_is_done_one_after_another_in_this_process() -> None:
    done = threading.Event()
    beside = threading.Thread(target=done.wait)
    beside.start()
    try:
        assert list(at_once([lambda _: os.getpid()] * 3, most=2)) == [os.getpid()] * 3
    finally:
        done.set()
        beside.join()


@alone
def test_more_than_one_are_done_in_processes_of_their_own() -> None:
    pids = list(at_once([lambda _: os.getpid()] * 3, most=2))
    assert len({*pids, os.getpid()}) == 4


@alone
def test_what_they_tell_on_their_way_is_heard() -> None:
    def tells(name: str) -> Task:
        def task(tell: Tell) -> int:
            tell(name, 1)
            return 0

        return task

    heard: list[tuple[object, ...]] = []
    list(at_once([tells("a"), tells("b")], lambda *said: heard.append(said), most=2))
    assert sorted(heard) == [("a", 1), ("b", 1)]


@alone
def test_what_one_raises_is_raised_and_the_others_end() -> None:
    pids: list[int] = []

    def wrong(_tell: Tell) -> int:
        message = "this one"
        raise ValueError(message)

    def waits(tell: Tell) -> int:
        tell(os.getpid())
        signal.pause()
        return 0

    def heard(pid: int) -> None:
        pids.append(pid)

    with pytest.raises(ValueError, match="this one"):
        list(at_once([waits, wrong], heard, most=2))
    assert not any(is_there(pid) for pid in pids)


@alone
def test_a_process_that_is_killed_is_told_of() -> None:
    def dies(_tell: Tell) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    with pytest.raises(EndedWithoutResultError):
        list(at_once([dies, dies], most=2))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_who_waits_for_them(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS_FOR_EVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            pids = [int(process.stdout.readline()) for _ in range(2)]
            process.send_signal(how)
            process.wait(60)
        finally:
            process.kill()
        assert len({*pids, process.pid}) == 3
        # The pipe is at its end once nobody writes there any more: all of them have ended.
        assert process.stdout.read() == ""


def is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not waited for yet does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Terminal(StringIO):
    """A standard error on which a bar is shown."""

    def isatty(self) -> bool:
        return True


def test_the_bar_is_as_far_as_all_runs_together(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, noon, days = Terminal(), MONDAY + 12 * HOUR, timedelta(days=1)
    monkeypatch.setattr(sys, "stderr", shown)
    named = NamedDocument("one.yaml", document(""))
    beside = (policy_of("static"), policy_of("fcfs"))
    question = Question(named, cards(1), (), MONDAY, MONDAY + days, beside=beside)
    with told_progress(question) as passed:
        passed("static", noon)
        assert " 16%" in shown.getvalue()
        passed("one.yaml", noon)
        assert " 33%" in shown.getvalue()
        passed("static", noon)
        passed("fcfs", MONDAY + days)
        assert " 66%" in shown.getvalue()
    assert "100%" in shown.getvalue()
