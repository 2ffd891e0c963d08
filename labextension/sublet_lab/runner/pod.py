"""A job in a pod of its own: the request comes as a file, the progress goes into the log.

A pod's log is all that leaves it, so each line of progress stands there behind a record separator
(as RFC 7464 has it), and whoever reads the log tells the two apart. The last line is also written
to the file that the kubelet reads when the container has ended; what is too long there is cut.
"""

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from sublet_lab.runner.exit_codes import BAD_REQUEST
from sublet_lab.runner.job import RunRequest, run_job
from sublet_lab.runner.progress import JobError, ProgressWriter
from sublet_lab.runner.taking_along import Budget, TakingError, copy_at_most_once

SEPARATOR: Final = b"\x1e"
_MOST_ENDING: Final = 4096
"""The number of bytes that a kubelet reads of the last line."""
_CUT: Final = (("traceback", 2000), ("traceback", 0), ("message", 1000), ("message", 200))


class TakeRequest(BaseModel):
    """The notebook and what its job takes along: the first attempt copies what nobody has."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    notebook: Path
    to: Path
    paths: tuple[str, ...]


class PodRequest(BaseModel):
    """The request that a pod was made for."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    run: RunRequest
    take: TakeRequest | None = None


def run_in_pod(request_file: Path, ending_file: Path | None) -> int:
    """Run the job of this pod; return the exit code."""
    reading, writing = os.pipe()
    last = _LastLine(ending_file)
    forwarding = threading.Thread(target=_forward, args=(reading, last), daemon=True)
    forwarding.start()
    try:
        code = _run(request_file, writing)
    finally:
        os.close(writing)
        forwarding.join()
    return code


def _run(request_file: Path, progress: int) -> int:
    try:
        request = PodRequest.model_validate_json(request_file.read_bytes())
        _take(request.take)
    except (OSError, ValidationError, TakingError) as error:
        words = f"the job cannot begin: {error}"
        print(words, flush=True)  # noqa: T201 (the log)
        ProgressWriter(progress).end(JobError(0, "NotebookError", words), Path())
        return BAD_REQUEST
    run = request.run
    rank = os.environ.get("RANK", "0")
    if rank != "0":
        # One of several processes, started by torchrun: the result is the first one's.
        output = run.output.with_name(f"{run.output.stem}-rank-{rank}{run.output.suffix}")
        run = run.model_copy(update={"output": output})
    descriptor = os.memfd_create("request")
    os.write(descriptor, run.model_dump_json().encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return run_job(descriptor, progress)


def _take(take: TakeRequest | None) -> None:
    if take is not None:
        copy_at_most_once(take.notebook, take.paths, take.to, Budget())


def _forward(reading: int, last: "_LastLine") -> None:
    with os.fdopen(reading, "rb") as lines:
        for line in lines:
            # One write for each: nothing of the kernel's output comes in between.
            os.write(1, SEPARATOR + line)
            last.keep(line)


class _LastLine:
    """A stream that keeps the line that ends the job where the kubelet finds it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def keep(self, line: bytes) -> None:
        said: Mapping[str, Any] = json.loads(line)
        if self._path is not None and said.get("ended"):
            self._path.write_bytes(shorten(said))


def shorten(said: Mapping[str, Any]) -> bytes:
    """Return the last line in so many bytes as a kubelet reads."""
    for part, length in (("traceback", 20_000), *_CUT):
        text = json.dumps(said).encode()
        if len(text) <= _MOST_ENDING:
            return text
        error = dict(said["error"] or {})
        error[part] = str(error.get(part, ""))[-length:] if length else ""
        said = {**said, "error": error}
    return json.dumps({"ended": True, "ok": said["ok"], "error": None}).encode()
