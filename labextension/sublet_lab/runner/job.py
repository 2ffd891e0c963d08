"""A job from its request to its last line."""

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from nbclient.exceptions import DeadKernelError
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook
from pydantic import BaseModel, ConfigDict, ValidationError

from sublet_lab.runner.exit_codes import BAD_REQUEST, FAILED, TERMINATED
from sublet_lab.runner.job_client import JobClient, job_engine
from sublet_lab.runner.notebook import (
    NotebookError,
    as_declared,
    check_parameter_names,
    declared_parameters,
    kernel_of,
    language_of_kernel,
    papermill_path,
    read_notebook,
)
from sublet_lab.runner.progress import JobError, ProgressWriter, plain

_ENGINE = "sublet"


class RunRequest(BaseModel):
    """A request of the hub service, in JSON on a file descriptor."""

    # A service of a later version may say more than this knows.
    model_config = ConfigDict(extra="ignore", frozen=True)

    notebook: Path
    """The copy that was made when the job was submitted."""
    original: Path | None = None
    """The notebook to run in its place where there is no copy."""
    folder: Path | None = None
    """The folder where the notebook runs; else the one where it lies."""
    output: Path
    parameters: dict[str, Any] = {}
    kernel: str | None = None


class _TerminatedEarlyError(BaseException):
    """The signal SIGTERM came before the kernel ran."""


def run_job(request_descriptor: int, progress_descriptor: int) -> int:
    """Read the request, run it, write the last line; return the exit code."""
    for descriptor in (request_descriptor, progress_descriptor):
        os.set_inheritable(descriptor, False)
    progress = ProgressWriter(progress_descriptor)
    output = Path()
    try:
        signal.signal(signal.SIGTERM, _terminated_early)
        request = _read_request(request_descriptor)
        output = request.output
        error, code = _execute(request, progress)
    except NotebookError as refused:
        error, code = JobError(0, "NotebookError", str(refused)), BAD_REQUEST
    except _TerminatedEarlyError:
        error, code = _told_to_stop(progress), TERMINATED
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if error is not None:
        where = f" in cell {error.cell} of {progress.total}" if error.cell else ""
        print(f"The job failed{where}: {error.name}: {plain(error.message)}")  # noqa: T201
        print(plain(error.traceback), flush=True)  # noqa: T201
    progress.end(error, output)
    return code


def _read_request(descriptor: int) -> RunRequest:
    with os.fdopen(descriptor, "rb") as stream:
        text = stream.read()
    try:
        request = RunRequest.model_validate(json.loads(text))
    except (ValidationError, ValueError) as error:
        message = f"the request cannot be read: {error}"
        raise NotebookError(message) from error
    check_parameter_names(request.parameters)
    return request


def _execute(request: RunRequest, progress: ProgressWriter) -> tuple[JobError | None, int]:
    path = _notebook_to_run(request)
    notebook = read_notebook(path)
    folder = request.folder or path.parent
    if not folder.is_dir():
        message = f"the notebook's folder {folder} is not there any more"
        raise NotebookError(message)
    kernel = kernel_of(notebook, request.kernel)
    language = language_of_kernel(kernel)
    source, output = papermill_path(path), papermill_path(request.output)
    try:
        request.output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as failed:
        message = f"{request.output.parent} cannot be made: {failed.strerror or failed}"
        raise NotebookError(message) from failed
    clients: list[JobClient] = []
    papermill_engines.register(_ENGINE, job_engine(progress, clients))
    error: JobError | None = None
    try:
        execute_notebook(
            source,
            output,
            parameters=as_declared(
                request.parameters, declared_parameters(notebook, kernel, language)
            ),
            engine_name=_ENGINE,
            kernel_name=kernel,
            language=language,
            progress_bar=False,
            cwd=str(folder),
        )
    except PapermillExecutionError as failed:
        lines = failed.traceback or []
        text = "\n".join(lines if isinstance(lines, list) else [str(lines)])
        error = JobError(progress.cell, str(failed.ename), str(failed.evalue), text)
    except DeadKernelError:
        message = "the kernel died; often that is for want of memory"
        error = JobError(progress.cell, "DeadKernelError", message)
    except Exception as failed:  # noqa: BLE001 (whatever a notebook causes ends in its last line)
        text = traceback.format_exc()
        error = JobError(progress.cell, type(failed).__name__, str(failed), text)
    if clients and clients[-1].stopped:
        return _told_to_stop(progress), TERMINATED
    return error, FAILED if error is not None else 0


def _notebook_to_run(request: RunRequest) -> Path:
    if request.original is not None and not request.notebook.exists():
        return request.original
    return request.notebook


def _told_to_stop(progress: ProgressWriter) -> JobError:
    return JobError(progress.cell, "Terminated", "the job was told to stop")


def _terminated_early(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _TerminatedEarlyError


def log_line_by_line() -> None:
    """Let what is printed reach the log at once, also when it is a file."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True)
