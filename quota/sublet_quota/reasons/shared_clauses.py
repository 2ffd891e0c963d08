"""The clauses that sentences of several tables have in common."""

from typing import Final

from sublet_quota.reasons.refusal import quoted

USERS_WITHOUT_GROUP: Final = "users without a group"
ANOTHER_GROUP: Final = "another group"
"""A group of the quota document whose name whoever asks may not see."""
START_A_SERVER_ONCE: Final = "start a notebook server once, then submit the job again"
PARAMETERS_TOO_LARGE: Final = (
    "its parameters are larger than {limit_kib} KiB: put them into a file that the notebook reads"
)


def server_clause(owner: str, server: str) -> str:
    """Return whose server it is, and which of theirs: ``server 'big' of ada``."""
    return f"server {quoted(server)} of {owner}" if server else f"the default server of {owner}"
