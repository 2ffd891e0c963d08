"""The runner as the hub service starts it: real papermill, real kernels, real descriptors."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sublet_lab.runner.__main__ import main
from sublet_lab.runner.job import RunRequest, run_job
from sublet_lab.runner.notebook import (
    NotebookError,
    Parameter,
    as_declared,
    declared_parameters,
    describe_notebook,
    python_parameters,
    read_notebook,
)

RUNNER = ("-m", "sublet_lab.runner")
TOLD_WHEN_ALL_HAS_RUN = """
import os, signal
import papermill.execute
from sublet_lab.runner.__main__ import main
write = papermill.execute.write_ipynb
def write_once_told(*arguments):
    os.kill(os.getpid(), signal.SIGTERM)
    write(*arguments)
papermill.execute.write_ipynb = write_once_told
main()
"""
ITS_PORT_IS_TAKEN = """
import json, os, pathlib, socket, sys
starts = pathlib.Path(sys.argv[2])
starts.write_text(starts.read_text() + "x")
if len(starts.read_text()) <= int(sys.argv[3]):
    port = json.loads(pathlib.Path(sys.argv[1]).read_text())["shell_port"]
    taken = socket.create_server(("127.0.0.1", port))
    os.set_inheritable(taken.fileno(), True)
os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", "-f", sys.argv[1]])
"""
KERNELSPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}


def write_notebook(
    path: Path, cells: Sequence[str | tuple[str, str]], kernelspec: dict[str, str] | None = None
) -> Path:
    notebook = new_notebook(metadata={"kernelspec": kernelspec or KERNELSPEC})
    notebook.cells.append(new_markdown_cell("# A notebook"))
    for cell in cells:
        source, tags = (cell, []) if isinstance(cell, str) else (cell[0], [cell[1]])
        notebook.cells.append(new_code_cell(source, metadata={"tags": tags}))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    """A file that gets a letter by each start of a kernel."""
    (tmp_path / "starts").touch()
    return tmp_path / "starts"


def robbed_kernel(starts: Path, times: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A kernelspec: its first kernels find one of their ports taken when they begin."""
    program = [sys.executable, "-c", ITS_PORT_IS_TAKEN, "{connection_file}", str(starts)]
    spec = {"argv": [*program, str(times)], "display_name": "Robbed", "language": "python"}
    file = starts.parent / "jupyter" / "kernels" / "robbed" / "kernel.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(starts.parent / "jupyter"))
    return {**KERNELSPEC, "name": "robbed"}


class Run:
    """One started run, with its log and progress as files."""

    def __init__(
        self, folder: Path, request: dict[str, Any], program: Sequence[str] = RUNNER
    ) -> None:
        self.log_path, self.progress_path = folder / "log", folder / "progress.jsonl"
        request_read, request_write = os.pipe()
        os.write(request_write, json.dumps(request).encode())
        os.close(request_write)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        progress = os.open(self.progress_path, flags)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, *program, "run"),
                    *("--request-fd", str(request_read), "--progress-fd", str(progress)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(request_read, progress),
                start_new_session=True,
                env={k: v for k, v in os.environ.items() if not k.startswith("SUBLET_")},
            )
        os.close(request_read)
        os.close(progress)

    def wait(self) -> int:
        try:
            return self.process.wait(180)
        finally:
            self.process.kill()
            self.process.wait()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.progress_path.read_text().splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1]

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def until_logged(self, text: str) -> None:
        deadline = time.monotonic() + 120
        while text not in self.log:
            assert time.monotonic() < deadline, self.log
            assert self.process.poll() is None, self.log
            time.sleep(0.02)


def run(folder: Path, notebook: Path, **request: Any) -> Run:
    output = folder / "sublet-jobs" / "job-1" / notebook.name
    return Run(folder, {"notebook": str(notebook), "output": str(output), **request})


def outputs(path: Path | str) -> str:
    notebook = nbformat.read(path, as_version=4)
    texts = [o.get("text", "") for c in notebook.cells for o in c.get("outputs", ())]
    return "".join(texts)


def test_a_notebook_runs_with_its_parameters_and_tells_each_cell(tmp_path: Path):
    notebook = write_notebook(
        tmp_path / "train {x}.ipynb",
        [
            ("epochs = 1", "parameters"),
            "import os; print(f'{epochs} epochs in', os.getcwd())",
            ("input('never')", "interactive"),
            ("1 / 0", "skip"),
            "print('end')",
        ],
    )
    job = run(tmp_path, notebook, parameters={"epochs": 3})
    assert job.wait() == 0, job.log
    assert job.last["ended"] is True
    assert (job.last["ok"], job.last["error"]) == (True, None)
    assert outputs(job.last["output"]) == f"3 epochs in {tmp_path}\nend\n"
    assert "3 epochs in" in job.log
    steps = [(x["cell"], x["total"], x["state"]) for x in job.lines[:-1]]
    running = [(n, 4, state) for n in (1, 2, 3, 4) for state in ("running", "done")]
    assert steps == [(0, 4, "starting"), *running]


def test_a_failed_cell_ends_the_job_with_its_traceback_and_keeps_the_notebook(tmp_path: Path):
    notebook = write_notebook(tmp_path / "bad.ipynb", ["print('one')", "1 / 0", "print('never')"])
    job = run(tmp_path, notebook)
    assert job.wait() == 1
    error = job.last["error"]
    assert (error["cell"], error["name"]) == (2, "ZeroDivisionError")
    assert error["message"] == "division by zero"
    assert "1 / 0" in error["traceback"]
    assert "\x1b" not in error["traceback"]
    assert "ZeroDivisionError" in job.log
    assert "one" in outputs(job.last["output"])
    assert "never" not in outputs(job.last["output"])


def test_sigterm_interrupts_the_cell_and_still_writes_notebook_and_last_line(tmp_path: Path):
    # It may be told to stop as soon as it is heard. An interrupt right before a sleep begins is
    # taken when that is over.
    code = (
        "import time\ntry:\n    print('go', flush=True)\n"
        "    for _ in range(6000):\n        time.sleep(0.01)\n"
        "finally:\n    print('saved', flush=True)"
    )
    job = run(tmp_path, write_notebook(tmp_path / "long.ipynb", [code, "print('never')"]))
    job.until_logged("go")
    job.process.send_signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.last["error"]["name"] == "Terminated"
    assert "saved" in outputs(job.last["output"])
    assert "never" not in job.log


def test_sigterm_before_the_kernel_runs_writes_the_last_line(tmp_path: Path):
    job = run(tmp_path, write_notebook(tmp_path / "a.ipynb", ["import time; time.sleep(60)"]))
    deadline = time.monotonic() + 120
    while not job.progress_path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    job.process.send_signal(signal.SIGTERM)
    assert job.wait() == 143
    assert job.last["error"]["name"] == "Terminated"


def test_sigterm_after_the_last_cell_keeps_neither_notebook_nor_last_line_from_being_written(
    tmp_path: Path,
):
    output = tmp_path / "sublet-jobs" / "job-1" / "a.ipynb"
    request = {
        "notebook": str(write_notebook(tmp_path / "a.ipynb", ["print('all')"])),
        "output": str(output),
    }
    job = Run(tmp_path, request, ("-c", TOLD_WHEN_ALL_HAS_RUN))
    assert job.wait() == 0, job.log
    assert job.last["ok"] is True
    assert outputs(output) == "all\n"


def test_a_kernel_that_dies_fails_the_job(tmp_path: Path):
    notebook = write_notebook(tmp_path / "dies.ipynb", ["import os; os.kill(os.getpid(), 9)"])
    job = run(tmp_path, notebook)
    assert job.wait() == 1
    assert job.last["error"]["name"] == "DeadKernelError"
    assert job.last["error"]["cell"] == 1


def test_a_kernel_whose_port_another_took_before_it_began_is_started_again(
    starts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kernel = robbed_kernel(starts, 2, monkeypatch)
    job = run(tmp_path, write_notebook(tmp_path / "a.ipynb", ["print('all')"], kernel))
    assert job.wait() == 0, job.log
    assert outputs(job.last["output"]) == "all\n"
    assert job.log.count("Address already in use") == 2
    assert "The kernel died as it started: start 3 of 3." in job.log
    assert len(starts.read_text()) == 3


def test_a_kernel_that_dies_whenever_it_starts_fails_the_job(
    starts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kernel = robbed_kernel(starts, 9, monkeypatch)
    job = run(tmp_path, write_notebook(tmp_path / "a.ipynb", ["print('never')"], kernel))
    assert job.wait() == 1
    assert "died before replying" in job.last["error"]["message"]
    assert len(starts.read_text()) == 3


BAD_REQUESTS = {
    "a parameter that is code": ({"parameters": {"x=1; import os": 1}}, "not an identifier"),
    "a parameter that is a keyword": ({"parameters": {"class": 1}}, "not an identifier"),
    "a notebook from elsewhere": ({"notebook": "https://x.org/a.ipynb"}, "not an absolute path"),
    "a notebook that is not there": ({"notebook": "/nowhere/a.ipynb"}, "No such file"),
    "a notebook that is a device": ({"notebook": "/dev/zero"}, "is not a file"),
    "a kernel that is not there": ({"kernel": "gone"}, "not installed here; installed: "),
    "an output without a folder": ({"output": "relative.ipynb"}, "not an absolute path"),
    "a folder that has gone": ({"folder": "/gone"}, "folder /gone is not there any more"),
}


@pytest.fixture
def sigterm_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("sigterm_as_before")
@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_ends_with_the_reason(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
):
    change, says = BAD_REQUESTS[name]
    notebook = write_notebook(tmp_path / "a.ipynb", ["1"])
    request = {"notebook": str(notebook), "output": str(tmp_path / "out" / "a.ipynb"), **change}
    request_read, request_write = os.pipe()
    os.write(request_write, json.dumps(request).encode())
    os.close(request_write)
    progress = tmp_path / "progress.jsonl"
    with progress.open("ab") as stream:
        assert run_job(request_read, stream.fileno()) == 3
    (last,) = [json.loads(line) for line in progress.read_text().splitlines()]
    assert (last["ended"], last["ok"]) == (True, False)
    assert says in last["error"]["message"]
    assert says in capfd.readouterr().out


def check(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sublet_lab.runner", "check", "--notebook", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_check_describes_a_notebook(tmp_path: Path):
    notebook = write_notebook(
        tmp_path / "a {b}.ipynb",
        [("epochs: int = 3\nname = 'digits'", "parameters"), "pass", ("1", "skip"), ""],
    )
    found = check(notebook)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == {
        "cells": 2,
        "kernel": "python3",
        "kernel_installed": True,
        "parameters": [
            {"name": "epochs", "type": "int", "default": "3", "help": ""},
            {"name": "name", "type": "None", "default": "'digits'", "help": ""},
        ],
    }


def test_a_missing_kernel_is_described_as_missing(tmp_path: Path):
    spec = {"name": "gone", "display_name": "Gone", "language": "python"}
    found = describe_notebook(write_notebook(tmp_path / "a.ipynb", ["1"], spec))
    assert (found.kernel, found.kernel_installed) == ("gone", False)


@pytest.mark.parametrize(
    ("line", "declared", "default", "about"),
    [
        ('x = "#ff0000"', "None", '"#ff0000"', ""),
        ('x = "#ff0000"  # a colour', "None", '"#ff0000"', "a colour"),
        ("x: int = 3  # how long", "int", "3", "how long"),
        ("x: 'int' = 3", "int", "3", ""),
        ("x: int | None = 3", "int | None", "3", ""),
        ("x = 3  # type: float how fast", "float", "3", "how fast"),
        ("x = dict(a=1)  # two signs", "None", "dict(a=1)", "two signs"),
        ("x = y == 3", "None", "y == 3", ""),
        ("x = [  # one\n  1,\n  2  # two\n]  # three", "None", "[1, 2]", "three"),
        ("x = 1_000\nprint(x)", "None", "1_000", ""),
        ("%matplotlib inline\nx = 1\n!ls", "None", "1", ""),
        ('x = """a\n%s"""', "None", "'a\\n%s'", ""),
        ("if quick:\n    x = 1", "None", "perhaps 1", ""),
        ("x = 100\nif quick:\n    x = 1", "None", "100", ""),
        ("with open(p):\n    x = 1", "None", "1", ""),
        ("x = 1\nx = 2", "None", "2", ""),
        ("x = 'é'; y = 1", "None", "'é'", ""),
    ],
)
def test_parameters_of_python_are_read_as_python(
    line: str, declared: str, default: str, about: str
):
    found = python_parameters(line)
    assert found is not None
    assert found[0] == Parameter("x", declared, default, about)
    assert [each.name for each in found if each.name == "x"] == ["x"]


def test_what_is_no_parameter_is_none():
    source = "def f(a=1):\n    b = 2\nx: int\nc, d = 1, 2\ne[0] = 3\nf(g=1)\nh += 1"
    assert python_parameters(source) == ()
    assert python_parameters("a = = 1") is None


def test_parameters_of_a_cell_that_is_no_python_are_as_papermill_reads_them(tmp_path: Path):
    path = write_notebook(tmp_path / "a.ipynb", [("a = 1  # one\nb = (", "parameters")])
    assert describe_notebook(path).parameters[0] == Parameter("a", "None", "1", "one")
    assert declared_parameters(read_notebook(path), "ir", "R") == ()


def test_a_language_that_papermill_does_not_know_needs_it_for_parameters_alone(tmp_path: Path):
    without = read_notebook(write_notebook(tmp_path / "a.ipynb", ["1"]))
    assert declared_parameters(without, "deno", "typescript") == ()
    with_some = read_notebook(write_notebook(tmp_path / "b.ipynb", [("x = 1", "parameters")]))
    with pytest.raises(NotebookError, match="deno"):
        declared_parameters(with_some, "deno", "typescript")


def test_a_value_that_nobody_can_write_down_again_is_left_to_papermill():
    source = "x = (" + "\n + ".join(["1"] * 3000) + ")"
    assert python_parameters(source) is None


@pytest.mark.parametrize("content", ["no json", "[]", '{"cells": 3}', '{"nbformat": 4}', ""])
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: str):
    path = tmp_path / "a.ipynb"
    path.write_text(content)
    with pytest.raises(NotebookError, match="is not a notebook"):
        describe_notebook(path)


def test_check_refuses_a_notebook_that_is_not_there(tmp_path: Path):
    found = CliRunner().invoke(main, ["check", "--notebook", str(tmp_path / "gone.ipynb")])
    assert found.exit_code == 3
    assert found.stdout == ""
    assert "No such file" in found.stderr
    assert found.stderr.count("\n") == 1


def test_a_whole_number_is_a_float_where_the_notebook_has_one():
    declared = [
        Parameter("rate", "None", "0.1", ""),
        Parameter("decay", "float", "reckoned()", ""),
        Parameter("steps", "None", "3", ""),
        Parameter("label", "None", "name()", ""),
    ]
    asked = {"rate": 2, "decay": 1, "steps": 4, "label": 5, "more": 6}
    taken = as_declared(asked, declared)
    assert taken == asked
    assert [type(value) for value in taken.values()] == [float, float, int, int, int]
    unchanged = {"rate": True, "decay": 10**400}
    assert as_declared(unchanged, declared) == unchanged


@pytest.mark.parametrize("copied", [True, False])
def test_a_copy_runs_where_the_original_lies_which_runs_where_there_is_no_copy(
    tmp_path: Path, *, copied: bool
):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "rows").write_text("seven")
    original = write_notebook(tmp_path / "work" / "a.ipynb", ["x = open('rows').read()", "'later'"])
    copy = tmp_path / "files" / "a.ipynb"
    if copied:
        write_notebook(copy, ["x = open('rows').read()"])
    request = {
        "notebook": str(copy),
        "original": str(original),
        "folder": str(original.parent),
        "output": str(tmp_path / "out" / "a.ipynb"),
    }
    run = Run(tmp_path, request)
    assert run.wait() == 0, run.log_path.read_text()
    assert run.lines[0]["total"] == (1 if copied else 2)


def test_a_request_of_a_later_service_may_say_more(tmp_path: Path):
    request = {"notebook": str(tmp_path / "a.ipynb"), "output": str(tmp_path / "out.ipynb")}
    assert RunRequest.model_validate({**request, "surprise": 1}) == RunRequest(**request)
