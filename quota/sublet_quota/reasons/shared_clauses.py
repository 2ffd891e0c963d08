"""The clauses that sentences of several tables have in common, as templates."""

from typing import Final

USERS_WITHOUT_GROUP: Final = "users without a group"
START_A_SERVER_ONCE: Final = "start a notebook server once, then submit the job again"
PARAMETERS_TOO_LARGE: Final = (
    "its parameters are larger than {limit_kib} KiB: put them into a file that the notebook reads"
)
