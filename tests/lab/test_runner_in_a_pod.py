"""The runner as a pod starts it: a file comes in, the log and the ending file come out."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from sublet_lab.runner.pod import run_in_pod, shorten


def write_notebook(path: Path, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, path)
    return path


class Pod:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ending = folder / "termination-log"
        self.output = folder / "sublet-jobs" / "one" / "train.ipynb"
        self.log = b""

    def run(self, notebook: Path, take: Any = None, **environment: str) -> int:
        request = {"run": {"notebook": str(notebook), "output": str(self.output)}, "take": take}
        file = self.folder / "request.json"
        file.write_text(json.dumps(request))
        command = [sys.executable, "-m", "sublet_lab.runner", "pod", "--request-file", str(file)]
        answer = subprocess.run(
            [*command, "--ending-file", str(self.ending)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            check=False,
            timeout=300,
        )
        self.log = answer.stdout
        return answer.returncode

    def progress(self) -> list[dict[str, Any]]:
        lines = self.log.split(b"\n")
        return [json.loads(line.split(b"\x1e", 1)[1]) for line in lines if b"\x1e" in line]

    def last_word(self) -> dict[str, Any]:
        return dict(json.loads(self.ending.read_bytes()))


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def test_a_job_tells_its_progress_in_its_log_and_its_end_in_the_ending_file(
    pod: Pod, tmp_path: Path
) -> None:
    notebook = write_notebook(tmp_path / "train.ipynb", "print('no newline', end='')", "x = 1")
    assert pod.run(notebook) == 0, pod.log.decode()
    told = pod.progress()
    assert [line.get("state") for line in told[:-1]] == [
        "starting",
        "running",
        "done",
        "running",
        "done",
    ]
    assert told[-1]["ok"] is True
    assert pod.last_word()["ok"] is True
    assert b"no newline" in pod.log
    assert pod.output.exists()


def test_a_failed_cell_is_named_in_the_ending_file_however_long_its_traceback(
    pod: Pod, tmp_path: Path
) -> None:
    notebook = write_notebook(tmp_path / "train.ipynb", "raise ValueError('x' * 100_000)")
    assert pod.run(notebook) == 1
    said = pod.last_word()
    assert said["error"]["cell"] == 1
    assert said["error"]["name"] == "ValueError"
    assert pod.ending.stat().st_size <= 4096


def test_files_are_taken_along_once_and_the_copy_is_what_runs(pod: Pod, tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "train.ipynb", "print(open('data.txt').read())")
    (tmp_path / "data.txt").write_text("as it was")
    copy = tmp_path / "sublet-jobs" / "one" / "files"
    take = {"notebook": str(notebook), "to": str(copy), "paths": ["data.txt"]}
    assert pod.run(copy / "train.ipynb", take) == 0, pod.log.decode()
    assert b"as it was" in pod.log
    (tmp_path / "data.txt").write_text("changed since")
    assert pod.run(copy / "train.ipynb", take) == 0
    assert b"as it was" in pod.log


@pytest.mark.parametrize("text", ["{", "{}", '{"run": {"notebook": "/a"}}'])
def test_a_request_that_cannot_be_read_ends_with_words(
    pod: Pod, tmp_path: Path, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "request.json"
    file.write_text(text)
    assert run_in_pod(file, pod.ending) == 3
    assert "cannot begin" in pod.last_word()["error"]["message"]
    assert "cannot begin" in capfd.readouterr().out


def test_only_the_first_of_several_processes_writes_the_result(pod: Pod, tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "train.ipynb", "import os; print(os.environ['RANK'])")
    assert pod.run(notebook, RANK="1") == 0, pod.log.decode()
    assert not pod.output.exists()
    assert pod.output.with_name("train-rank-1.ipynb").exists()


def test_whatever_is_said_last_fits_into_what_a_kubelet_reads() -> None:
    error = {"cell": 1, "name": "É" * 255, "message": "é" * 2000, "traceback": "é" * 20_000}
    assert len(shorten({"ended": True, "ok": False, "error": error})) <= 4096
