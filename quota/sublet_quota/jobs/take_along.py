"""The files beside a notebook that a job may take along, how many, and where they lie then."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.notebooks import NotebookRefusal
from sublet_quota.reasons.refusals.refuse import refuse

MOST_FILES: Final = 5000
MOST_BYTES: Final = 1024**3
MOST_DEPTH: Final = 32

RESULTS_FOLDER: Final = "sublet-jobs"
"""The folder below the notebook folder where jobs' copies and results lie. Never taken along
itself.
"""


def job_folder(name: str, job_id: str) -> PurePosixPath:
    """Return where a job's result lies, below its owner's notebook folder."""
    return PurePosixPath(RESULTS_FOLDER) / f"{name}-{job_id}"


def copy_folder(name: str, job_id: str) -> PurePosixPath:
    """Return where the notebook lies as it was submitted, with what its job takes along."""
    return job_folder(name, job_id) / "files"


def refuse_paths(paths: Iterable[str]) -> Refusal | None:
    """Return which of the paths is none below the notebook's folder, or ``None``."""
    for text in paths:
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts or "\0" in text or "\\" in text:
            return refuse(NotebookRefusal.FILE_NOT_BELOW_FOLDER, asked_path=text)
        if path.parts[:1] == (RESULTS_FOLDER,):
            return refuse(NotebookRefusal.FILE_OF_EARLIER_JOBS, asked_path=text)
    return None


def is_left_out(name: str) -> bool:
    """Whether a folder's entry stays where it is, unless it is named itself."""
    return name.startswith(".") or name in {RESULTS_FOLDER, "__pycache__"}
