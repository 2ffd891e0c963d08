"""Why nobody does anything for a job where training jobs are switched off: codes and words."""

from enum import StrEnum
from typing import assert_never


class JobsOff(StrEnum):
    """Why nobody does anything for a job of a hub whose training jobs are switched off."""

    WAITS = "jobs-off"
    """The job waits, and is placed by nobody."""
    UNATTENDED = "jobs-off-unattended"
    """The job's pod runs on, and nobody may look after it."""


def jobs_off_clause(why: JobsOff) -> str:
    """Return why nobody does anything for a job, for its owner."""
    match why:
        case JobsOff.WAITS:
            return "waits until an administrator switches training jobs on again"
        case JobsOff.UNATTENDED:
            return (
                "training jobs are switched off: its pod is left to itself, and whether it ends is "
                "seen when an administrator switches them on again"
            )
        case _:
            assert_never(why)
