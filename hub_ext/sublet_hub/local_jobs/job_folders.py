"""Where a job's notebook and its result lie, below its owner's notebook folder."""

from pathlib import PurePosixPath

from sublet_quota.taking_along import RESULTS_FOLDER
from sublet_quota.wire.api import AccountTemplate

from sublet_hub.ledger import JobRecord


def output_of(job: JobRecord, account: AccountTemplate) -> str:
    """The executed notebook."""
    return str(_folder_of(job, account) / PurePosixPath(job.notebook).name)


def copy_of(job: JobRecord, account: AccountTemplate) -> str:
    """The folder with the notebook and the files that the job takes along."""
    return str(_folder_of(job, account) / "files")


def notebook_of(job: JobRecord, account: AccountTemplate) -> PurePosixPath:
    """The notebook that is run: the copy, where files are taken along; else the owner's own."""
    if job.take_along:
        return PurePosixPath(copy_of(job, account)) / PurePosixPath(job.notebook).name
    return PurePosixPath(account.notebook_dir) / job.notebook


def _folder_of(job: JobRecord, account: AccountTemplate) -> PurePosixPath:
    return PurePosixPath(account.notebook_dir) / RESULTS_FOLDER / f"{job.name}-{job.job_id}"
