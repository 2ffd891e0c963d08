"""Answer what is open about a driver and a card, question by question, and write it as JSON.

Stands alone: Python, ``libcuda`` and NVML, no package (``python3 -m tests.gpu.probe`` in Sublet's
source). Each question is asked in a process of its own with its own time; that it hung is an answer
too, and the next is asked all the same. What is answered is not asked again.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.gpu.probe import questions  # noqa: F401 - enters them
from tests.gpu.probe.answers import QUESTIONS, Answer, Question, Verdict
from tests.gpu.probe.driver import ProbeError
from tests.gpu.probe.facts import facts_of_card, put_back
from tests.gpu.probe.lab import lab

_ROOT: Final = Path(__file__).parents[3]
_MARK: Final = "SUBLET_PROBE_RUN"
_GRACE_S: Final = 5.0


def ask_here(kind: str, name: str, *, may_change_settings: bool) -> Answer:
    """Ask a question in this process."""
    try:
        with lab(kind, may_change_settings=may_change_settings) as opened:
            return QUESTIONS[name].ask(opened)
    except Exception as error:  # noqa: BLE001 - told as the question's answer
        return Answer(Verdict.BROKEN, {"error": f"{type(error).__name__}: {error}"})


def ask_apart(options: argparse.Namespace, asked: Question) -> dict[str, Any]:
    """Ask a question in a process of its own, within its time."""
    command = [sys.executable, "-m", "tests.gpu.probe", "--driver", options.driver]
    command += ["--here", asked.name, *(["--change-settings"] if options.change_settings else [])]
    mark = f"{os.getpid()}.{time.monotonic_ns()}"
    began = time.monotonic()
    with (
        _interrupted_later() as from_now_on,
        subprocess.Popen(
            command,
            cwd=_ROOT,
            env={**os.environ, _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            from_now_on()
            said, _ = process.communicate(timeout=asked.limit_s)
            answer = json.loads(said.splitlines()[-1])
        except subprocess.TimeoutExpired:
            answer = {"verdict": Verdict.HUNG, "seen": {"no answer after s": asked.limit_s}}
        except (ValueError, IndexError):
            said = f"its process ended with {process.returncode}"
            answer = {"verdict": Verdict.BROKEN, "seen": {"error": said}}
        finally:
            left = _end_all(f"{_MARK}={mark}".encode())
    answer["seen"]["left behind"] = left
    seconds = round(time.monotonic() - began, 3)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return {"question": asked.name, "done": asked.done, **answer, "seconds": seconds, "at": at}


@contextlib.contextmanager
def _interrupted_later() -> Iterator[Callable[[], None]]:
    """Keep back an interrupt until what is yielded is called: raises it then.

    Who is just being started has no mark yet, and would be left behind.
    """
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))

    def from_now_on() -> None:
        signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt

    try:
        yield from_now_on
    finally:
        signal.signal(signal.SIGINT, before)


def ask_and_put_back(options: argparse.Namespace, asked: Question) -> dict[str, Any]:
    """Ask a question apart, and put back what it may have changed, however it ended."""
    if not (options.change_settings and asked.changes_settings):
        return ask_apart(options, asked)
    before = facts_of_card(options.driver)
    try:
        answer = ask_apart(options, asked)
    finally:
        results = put_back(options.driver, before)
        if any(results.values()):
            print(f"{asked.name}: settings are not put back: {results}", file=sys.stderr)
    answer["seen"]["settings put back"] = results
    return answer


def _end_all(mark: bytes) -> list[str]:
    """End what a question has left; returns those that do not end."""
    ends = time.monotonic() + _GRACE_S
    while left := list(_marked(mark)):
        for pid, _ in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > ends:
            return [f"process {pid} in state {state}" for pid, state in left]
        time.sleep(0.05)
    return []


def _marked(mark: bytes) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name), (folder / "stat").read_text().rpartition(")")[2].split()[0]


@contextlib.contextmanager
def device_of(kind: str) -> Iterator[None]:
    """Have simulated GPUs running where they are asked, unless somebody has."""
    if kind == "cuda" or "SUBLET_SIMULATED_SOCKET" in os.environ:
        yield
        return
    from tests.support.simulated_gpus import simulated_gpus  # noqa: PLC0415 - not on a bare machine

    with simulated_gpus("--speed", "40", "--scale", "16384", instant=False) as gpus:
        os.environ["SUBLET_SIMULATED_SOCKET"] = str(gpus.socket)
        try:
            yield
        finally:
            del os.environ["SUBLET_SIMULATED_SOCKET"]


def probe(options: argparse.Namespace) -> int:
    """Ask all questions that have no answer yet; returns the exit code."""
    answers: Path = options.answers
    told = json.loads(answers.read_text()) if answers.exists() else {"answers": []}
    answered = {each["question"] for each in told["answers"]}
    with device_of(options.driver):
        told["facts"] = facts_of_card(options.driver)
        for name in options.only or QUESTIONS:
            if name in answered and not options.only:
                continue
            print(f"{name}: {QUESTIONS[name].done} ...", flush=True)
            answer = ask_and_put_back(options, QUESTIONS[name])
            answer["driver"] = told["facts"]["driver"]
            told["answers"] = [each for each in told["answers"] if each["question"] != name]
            told["answers"].append(answer)
            answers.parent.mkdir(parents=True, exist_ok=True)
            new = answers.with_suffix(".new")
            new.write_text(json.dumps(told, indent=1))
            new.replace(answers)
            print(f"{name}: {answer['verdict']} ({answer['seconds']:.1f} s)", flush=True)
    broken = [each["question"] for each in told["answers"] if each["verdict"] == Verdict.BROKEN]
    if broken:
        print(f"The probe did not get to its question: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.gpu.probe", description=__doc__)
    parser.add_argument("--driver", choices=["cuda", "simulated"], default="cuda")
    parser.add_argument("--answers", type=Path, default=Path("probe.json"))
    parser.add_argument("--only", action="append", choices=list(QUESTIONS), metavar="QUESTION")
    parser.add_argument("--list", action="store_true", help="say the questions")
    parser.add_argument(
        "--change-settings",
        action="store_true",
        help="persistence and compute mode may be changed for a question, and are put back",
    )
    parser.add_argument("--here", choices=list(QUESTIONS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list:
        for each in QUESTIONS.values():
            print(f"{each.name:28} {each.done}")
        return 0
    if options.here:
        answer = ask_here(options.driver, options.here, may_change_settings=options.change_settings)
        try:
            print(json.dumps(asdict(answer)), flush=True)
        except BrokenPipeError:
            # Who asked was told to end. Nothing may be written to it at this one's own end either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    try:
        return probe(options)
    except ProbeError as error:
        print(f"No card can be asked here: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Told to end: what was answered is kept, and it goes on from there.", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
