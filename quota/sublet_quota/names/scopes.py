"""JupyterHub scopes that the hub service enforces, by name.

Owners hold them filtered (``!user=ada`` or ``!server=ada/``), admins hold ``ADMIN``. A handler
asks for ``NAME!user=OWNER`` with the owner from the ledger, never from the request. Who holds
``READ`` without a filter sees all that admins see. ``QUOTA!group=NAME`` makes somebody an admin of
the group of the quota document that is this group of the hub, and of what is below it;
``QUOTA!user=NAME`` lets the token act for who NAME is by the document (its key `admins`).
"""

from typing import Final

READ: Final = "custom:sublet:read"
ACTIVITY: Final = "custom:sublet:activity"
JOBS: Final = "custom:sublet:jobs"
QUOTA: Final = "custom:sublet:quota"
ADMIN: Final = "custom:sublet:admin"

DESCRIPTIONS: Final = {
    READ: {"description": "See one's share of the GPUs"},
    ACTIVITY: {"description": "Wake one's slice, or keep it from being lent"},
    JOBS: {"description": "Submit, see and cancel one's training jobs"},
    QUOTA: {"description": "See a group's quota and use, and set what is below it"},
    ADMIN: {"description": "See every GPU, slice and job, and switch lending"},
}

SERVICE_NAME: Final = "sublet"
