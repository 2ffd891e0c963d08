"""The files of a job, copied when it is submitted where the service cannot reach its owner's.

On a cluster they are in a volume of the owner's. So whoever submits from a notebook server (its
extension, or the command in a terminal of it) copies first, and gives the copy its name when the
job has one; should the job begin sooner, its first attempt copies the same.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sublet_quota.jobs.take_along import RESULTS_FOLDER, copy_folder
from sublet_quota.wire.environment import JOB_FILES_BELOW
from sublet_quota.wire.jobs import JobInfo, JobRequest

from sublet_lab.notebooks.inspection import InspectionError, locate
from sublet_lab.runner.taking_along import (
    Budget,
    TakingError,
    copy_at_most_once,
    copy_beside,
    discard,
    settle,
)


@dataclass(frozen=True, slots=True)
class JobCopies:
    """The notebook folder of a server that copies what its jobs run."""

    root: Path

    @classmethod
    def of_this_server(cls) -> Self | None:
        """Return the folder; ``None`` where the service can copy its users' files itself."""
        root = os.environ.get(JOB_FILES_BELOW)
        return cls(Path(root)) if root else None

    def locate(self, request: JobRequest) -> Path:
        """Return the notebook that is asked for. ``TakingError`` where it is not there."""
        try:
            return locate(self.root, request.notebook)
        except InspectionError as error:
            raise TakingError(str(error)) from error

    def copy(self, request: JobRequest) -> Path:
        """Copy the notebook as it is, and what it takes along; return where. ``TakingError``."""
        notebook = self.locate(request)
        # Its name comes when it is known which job's it is.
        nameless = self.root / RESULTS_FOLDER / "files"
        return copy_beside(notebook, request.take_along, nameless, Budget())

    def settle(self, copy: Path, job: JobInfo) -> None:
        """Give the copy to its job. ``TakingError``."""
        settle(copy, self._of(job))

    def copy_for(self, job: JobInfo) -> None:
        """Copy for a job that asks for the same as one before. ``TakingError``."""
        copy_at_most_once(self.root / job.notebook, job.take_along, self._of(job), Budget())

    @contextmanager
    def copied(self, request: JobRequest) -> Iterator[Path]:
        """Yield a copy, and leave nothing of it where no job got it. ``TakingError``."""
        copy = self.copy(request)
        try:
            yield copy
        finally:
            discard(copy)

    def _of(self, job: JobInfo) -> Path:
        return self.root / copy_folder(job.name, job.job_id)
