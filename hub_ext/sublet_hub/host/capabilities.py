"""What root's rights this process has, one by one, where it does not run as root.

A service under an account of its own is given the few that it needs. What it starts would inherit
them: so they are taken from children before any is started.
"""

import ctypes
import os
from pathlib import Path
from typing import Final

from sublet_hub.errors import ConfigurationError

_SETGID: Final = 1 << 6
_SETUID: Final = 1 << 7
_SYS_ADMIN: Final = 1 << 21
_VERSION_3: Final = 0x20080522
_STATUS: Final = Path("/proc/self/status")


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Half(ctypes.Structure):
    """Half of the kernel's sets: of 64 rights, 32."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def may_change_accounts() -> bool:
    """Whether this process can start others under any account."""
    wanted = _SETGID | _SETUID
    return _mask("CapEff") & wanted == wanted


def may_mount() -> bool:
    """Whether this process can have mounts of its own, as root can outside of containers."""
    return _mask("CapEff") & _SYS_ADMIN != 0


def keep_from_children() -> None:
    """Let no process that is started from now on inherit rights of root's.

    ``ConfigurationError`` where the kernel refuses: a tenant's job would have them.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header, halves = _Header(_VERSION_3, 0), (_Half * 2)()
    refused = libc.capget(ctypes.byref(header), halves) != 0
    if not refused:
        for half in halves:
            # The kernel takes what is no more inheritable from the ambient rights as well.
            half.inheritable = 0
        refused = libc.capset(ctypes.byref(header), halves) != 0
    if refused or _mask("CapInh") or _mask("CapAmb"):
        why = os.strerror(ctypes.get_errno())
        message = f"the service's capabilities cannot be kept from what it starts: {why}"
        raise ConfigurationError(message)


def _mask(name: str) -> int:
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value, 16)
    return 0
