"""Where a job's notebook and its result lie, below its owner's notebook folder."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sublet_quota.jobs.take_along import copy_folder, job_folder
from sublet_quota.wire.api import AccountTemplate

from sublet_hub.ledger.records import JobRecord


@dataclass(frozen=True, slots=True)
class JobPaths:
    """Absolute paths of one job's files."""

    original: PurePosixPath
    """The owner's notebook, who may write on in it at any time."""
    copy_folder: PurePosixPath
    """The notebook as it was submitted, and what the job takes along."""
    copy: PurePosixPath
    folder: PurePosixPath
    """Where the job runs: beside what it takes along, else where its owner has the notebook."""
    output: PurePosixPath
    """The executed notebook."""

    def run_request(self, job: JobRecord) -> dict[str, Any]:
        """Return what the runner of a job is asked for."""
        return {
            "notebook": str(self.copy),
            "original": str(self.original),
            "folder": str(self.folder),
            "output": str(self.output),
            "parameters": job.parameters.values(),
            "kernel": job.kernel,
        }


def paths_of(job: JobRecord, account: AccountTemplate) -> JobPaths:
    """Return where the job's files lie."""
    root = PurePosixPath(account.notebook_dir)
    original = root / job.notebook
    copies = root / copy_folder(job.name, job.job_id)
    return JobPaths(
        original=original,
        copy_folder=copies,
        copy=copies / original.name,
        folder=copies if job.take_along else original.parent,
        output=root / job_folder(job.name, job.job_id) / original.name,
    )
