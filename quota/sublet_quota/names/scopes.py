"""JupyterHub scopes that the hub service enforces, by name.

Owners hold them filtered (``!user=ada`` or ``!server=ada/``), admins hold ``ADMIN``. A handler
asks for ``NAME!user=OWNER`` with the owner from the ledger, never from the request.
"""

from typing import Final

READ: Final = "custom:sublet:read"
ACTIVITY: Final = "custom:sublet:activity"
JOBS: Final = "custom:sublet:jobs"
ADMIN: Final = "custom:sublet:admin"

DESCRIPTIONS: Final = {
    READ: {"description": "See one's share of the GPUs"},
    ACTIVITY: {"description": "Wake one's slice, or keep it from being lent"},
    JOBS: {"description": "Submit, see and cancel one's training jobs"},
    ADMIN: {"description": "See every GPU, slice and job, and switch lending"},
}

SERVICE_NAME: Final = "sublet"
