"""What root's rights this process has, one by one, where it does not run as root.

A service under an account of its own is given the few that it needs. What it starts would inherit
them (they are *ambient*): so they are taken from children before any is started.
"""

import ctypes
import os
from pathlib import Path
from typing import Final

from sublet_hub.errors import ConfigurationError

_SETGID: Final = 1 << 6
_SETUID: Final = 1 << 7
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_STATUS: Final = Path("/proc/self/status")


def may_change_accounts() -> bool:
    """Whether this process can start others under any account."""
    wanted = _SETGID | _SETUID
    return _mask("CapEff") & wanted == wanted


def keep_from_children() -> None:
    """Let no process that is started from now on inherit rights of root's.

    ``ConfigurationError`` where the kernel refuses: a tenant's job would have them.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0:
        why = os.strerror(ctypes.get_errno())
        if _mask("CapAmb") == 0:
            return
        message = f"the service's capabilities cannot be kept from what it starts: {why}"
        raise ConfigurationError(message)


def _mask(name: str) -> int:
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value, 16)
    return 0
