"""The probe answers question by question, also where a call hangs, and asks nothing twice."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode

from tests.gpu.probe import questions  # noqa: F401 - enters them
from tests.gpu.probe.__main__ import ask_and_put_back, ask_apart
from tests.gpu.probe.answers import QUESTIONS, Verdict
from tests.gpu.probe.facts import facts_of_card
from tests.gpu.probe.lab import threads_of
from tests.gpu.probe.questions.callers import have_open
from tests.gpu.probe.questions.standing_still import CannotStandStillError, ptraced
from tests.support.ended_processes import lives
from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn
from tests.support.simulated_gpus import SimulatedGpus, simulated_gpus

ROOT = Path(__file__).parents[2]
BEGINS_THREADS = """
import threading, time
for _ in range(4):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print("ready", flush=True)
while True:
    threading.Thread(target=time.sleep, args=(0.001,)).start()
"""


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedGpus]:
    with simulated_gpus("--scale", "16384") as running:
        monkeypatch.setenv("SUBLET_SIMULATED_SOCKET", str(running.socket))
        yield running


def ask(name: str, **other: Any) -> dict[str, Any]:
    options = argparse.Namespace(driver="simulated", change_settings=False)
    return ask_apart(options, replace(QUESTIONS[name], **other))


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NvidiaStandIn]:
    """The driver's libraries, for the processes that are started."""
    with NvidiaStandIn.running(tmp_path, mib_per_gib=256) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def ask_with_settings(name: str, **other: Any) -> dict[str, Any]:
    options = argparse.Namespace(driver="cuda", change_settings=True)
    return ask_and_put_back(options, replace(QUESTIONS[name], **other))


@contextmanager
def python(program: str) -> Iterator[int]:
    """Run a program that says that it is ready, and never ends."""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.mark.usefixtures("gpus")
def test_a_small_process_is_suspended_and_comes_back_whole() -> None:
    answer = ask("canary")
    assert answer["verdict"] == Verdict.WORKS
    assert answer["seen"]["bytes"] == "intact"
    assert answer["seen"]["left behind"] == []


@pytest.mark.usefixtures("gpus")
def test_a_question_that_takes_longer_than_its_time_hung_and_leaves_nothing() -> None:
    answer = ask("waiting-locked", limit_s=2.0)
    assert answer["verdict"] == Verdict.HUNG
    assert answer["seen"]["left behind"] == []
    assert answer["seconds"] < 10


@pytest.mark.usefixtures("gpus")
def test_a_call_that_comes_back_only_when_its_target_may_run_hung_and_nothing_is_lost() -> None:
    answer = ask("stopped.unlock")
    assert answer["verdict"] == Verdict.HUNG
    seen = answer["seen"]
    assert seen["while it stands still"] == "no answer"
    assert seen["threads of the caller"]
    assert seen["once it may run"]["code"] == 0
    assert seen["back"]["bytes"] == "intact"


@pytest.mark.usefixtures("gpus")
def test_a_call_that_fails_is_refused_with_its_number() -> None:
    answer = ask("lock-timeout")
    assert answer["verdict"] == Verdict.REFUSED
    assert answer["seen"]["lock"]["code"] == CudaCode.NOT_READY


def test_a_question_that_is_not_reached_is_told_as_broken(gpus: SimulatedGpus) -> None:
    gpus.administration.fail(OperationKind.CHECKPOINT, CudaCode.NOT_SUPPORTED)
    answer = ask("nvml-figure")
    assert answer["verdict"] == Verdict.BROKEN
    assert "checkpoint before the question" in answer["seen"]["error"]


@pytest.mark.usefixtures("gpus")
def test_what_loses_a_process_is_told_as_damaged() -> None:
    assert ask("restore-without-room")["verdict"] == Verdict.DAMAGED


@pytest.mark.usefixtures("gpus")
def test_what_is_answered_is_not_asked_again(tmp_path: Path) -> None:
    answers = tmp_path / "probe.json"
    earlier = [{"question": name, "verdict": "works", "seen": {}} for name in QUESTIONS]
    missing = earlier.pop(0)["question"]
    answers.write_text(json.dumps({"answers": earlier}))
    command = [sys.executable, "-m", "tests.gpu.probe", "--driver", "simulated"]
    done = subprocess.run(
        [*command, "--answers", str(answers)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    told = json.loads(answers.read_text())
    assert [each["question"] for each in told["answers"]] == [*[*QUESTIONS][1:], missing]
    assert told["answers"][-1]["driver"] == "SIMULATED"
    assert done.stdout.count("...") == 1


@pytest.mark.usefixtures("gpus")
def test_a_probe_that_is_told_to_end_says_so_in_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.gpu.probe", "--driver", "simulated"]
    command += ["--answers", str(tmp_path / "probe.json"), "--only", "waiting-locked"]
    # Where the tests run in a shell's background, all that is started would be deaf to it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        probe = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with probe:
        assert probe.stdout is not None
        assert probe.stdout.readline().startswith("waiting-locked: ")
        probe.send_signal(signal.SIGINT)
        _, said = probe.communicate(timeout=60)
    assert said == "Told to end: what was answered is kept, and it goes on from there.\n"
    assert probe.returncode == 130


class InterruptedAsItStarts(subprocess.Popen[str]):
    """A process whose parent is told to end before the process is what it shall be."""

    pids: ClassVar[list[int]] = []

    def __init__(self, *arguments: Any, **options: Any) -> None:
        read, write = os.pipe()

        def interrupt() -> None:
            os.write(write, str(os.getpid()).encode())
            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(0.5)

        try:
            super().__init__(*arguments, preexec_fn=interrupt, **options)
        finally:
            self.pids.append(int(os.read(read, 100)))
            os.close(read)
            os.close(write)


@pytest.mark.usefixtures("gpus")
def test_a_question_that_is_just_being_started_is_ended_with_the_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.gpu.probe.__main__.subprocess.Popen", InterruptedAsItStarts)
    with pytest.raises(KeyboardInterrupt):
        ask("waiting-locked")
    assert not lives(InterruptedAsItStarts.pids.pop())


@pytest.mark.usefixtures("stand_in")
def test_over_the_drivers_own_calls_a_stopped_process_does_not_answer(tmp_path: Path) -> None:
    """The driver by ctypes, with a stand-in for its libraries."""
    answers = tmp_path / "probe.json"
    command = [sys.executable, "-m", "tests.gpu.probe", "--answers", str(answers)]
    command += ["--only", "canary", "--only", "stopped.get-state"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    told = {each["question"]: each for each in json.loads(answers.read_text())["answers"]}
    assert told["canary"]["verdict"] == Verdict.WORKS
    stopped = told["stopped.get-state"]
    assert stopped["verdict"] == Verdict.HUNG
    assert stopped["seen"]["once it may run"]["word"] == "running"
    assert stopped["seen"]["back"]["bytes"] == "intact"


def test_without_a_driver_it_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-S", "-m", "tests.gpu.probe", "--answers", str(tmp_path / "a.json")]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "No card can be asked here" not in done.stderr:
        pytest.skip("this machine has a card")
    assert done.returncode == 1
    assert "libnvidia-ml" in done.stderr


def test_questions_go_from_harmless_to_harmful() -> None:
    names = list(QUESTIONS)
    assert names[0] == "canary"
    assert names[-1] == "restore-without-room"
    assert names.index("stopped.lock") < names.index("caller-killed.checkpoint")


def test_the_probe_itself_never_has_nvml_open(stand_in: NvidiaStandIn, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.gpu.probe", "--answers", str(tmp_path / "a.json")]
    command += ["--only", "new-states"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as probe:
        assert probe.wait() == 0
    assert stand_in.calls("nvmlInit")
    assert stand_in.calls(pid=probe.pid) == []


def test_who_has_a_file_open_is_seen(tmp_path: Path) -> None:
    held = tmp_path / "nvidia0"
    held.touch()
    program = (
        f"held = open({str(held)!r}); print('ready', flush=True); import time; time.sleep(600)"
    )
    with python(program) as pid, held.open():
        found, _ = have_open(re.compile(re.escape(str(held))))
        assert set(found) == {pid, os.getpid()}
    assert have_open(re.compile(re.escape(str(held))))[0] == {}


@pytest.mark.usefixtures("stand_in")
def test_each_cycle_tells_who_has_a_card_open() -> None:
    options = argparse.Namespace(driver="cuda", change_settings=False)
    seen = ask_apart(options, QUESTIONS["restore-callers"])["seen"]
    for words in ("neither", "cuInit", "NVML open", "both"):
        assert "the probe" not in seen[words]["before restore"]["have a card open"]


def test_a_traced_process_stands_still_with_all_its_threads() -> None:
    with python(BEGINS_THREADS) as pid:
        try:
            with ptraced(pid):
                held = threads_of(pid)
        except CannotStandStillError as error:
            pytest.skip(f"no process can be traced here: {error}")
        assert len(held) > 4
        assert {each[0] for each in held} == {"t"}
        assert "t" not in {each[0] for each in threads_of(pid)}


@pytest.mark.skipif(os.getuid() != 0, reason="settings of a card are root's")
class TestSettings:
    """What questions change where they may."""

    def test_are_put_back_after_a_question_that_took_longer_than_its_time(
        self, stand_in: NvidiaStandIn
    ) -> None:
        stand_in.hold("cuCheckpointProcessCheckpoint")
        for limit_s in (4.0, 20.0, 60.0):
            answer = ask_with_settings("restore-without-persistence", limit_s=limit_s)
            # On a busy machine it may not even have changed the setting by the first.
            if stand_in.calls("nvmlDeviceSetPersistenceMode"):
                break
        assert answer["verdict"] == Verdict.HUNG
        assert len(stand_in.calls("nvmlDeviceSetPersistenceMode")) == 2
        assert answer["seen"]["settings put back"] == {"persistence_mode": 0}
        assert facts_of_card("cuda")["persistence_mode"] == 1

    @pytest.mark.usefixtures("stand_in")
    def test_are_put_back_after_a_question_that_was_answered(self) -> None:
        answer = ask_with_settings("exclusive-mode")
        assert answer["verdict"] == Verdict.MEASURED
        assert answer["seen"]["settings put back"] == {"compute_mode": 0}
        assert facts_of_card("cuda")["compute_mode"] == 0

    def test_are_left_alone_where_they_are_not_told(self, stand_in: NvidiaStandIn) -> None:
        stand_in.answer("nvmlDeviceGetComputeMode", 3)
        answer = ask_with_settings("exclusive-mode")
        assert answer["verdict"] == Verdict.NOT_HERE
        assert "not told" in answer["seen"]["why"]
        assert answer["seen"]["settings put back"] == {}
        assert stand_in.calls("nvmlDeviceSetComputeMode") == []
