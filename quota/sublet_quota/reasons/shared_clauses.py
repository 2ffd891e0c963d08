"""The clauses that refusals and the reasons of jobs have in common, as templates."""

from typing import Final

START_A_SERVER_ONCE: Final = "start a notebook server once, then submit the job again"
PARAMETERS_TOO_LARGE: Final = (
    "its parameters are larger than {limit_kib} KiB: put them into a file that the notebook reads"
)
