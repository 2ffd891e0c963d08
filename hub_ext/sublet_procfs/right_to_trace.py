"""The right to trace other accounts' processes (CAP_SYS_PTRACE), handed on to readers alone.

A service under an account of its own has a few of root's rights, and lets nothing that it starts
inherit them: tenants' jobs. A reader needs this one, or the kernel shows it no tenant's memory.
What a child inherits is a matter of the thread that starts it: so that thread may hand the right on
for this moment, and no other thread's children get it.
"""

import contextlib
import ctypes
import logging
import os
from collections.abc import Iterator
from typing import Final

_SYS_PTRACE: Final = 19
_TRACE: Final = 1 << _SYS_PTRACE
_VERSION_3: Final = 0x20080522
_AMBIENT, _AMBIENT_RAISE = 47, 2

log = logging.getLogger(__name__)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Half(ctypes.Structure):
    """Half of the kernel's sets: of 64 rights, 32; this one is in the first."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextlib.contextmanager
def handed_on() -> Iterator[None]:
    """Let what this thread starts meanwhile have the right, where this process has it.

    Root's children have it anyway. Nothing else may be started in this thread meanwhile.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = (_Half * 2)()
    _check(libc.capget(ctypes.byref(_Header(_VERSION_3, 0)), before))
    if os.geteuid() == 0 or not before[0].permitted & _TRACE or before[0].inheritable & _TRACE:
        yield
        return
    now = (_Half * 2)(*(_Half(h.effective, h.permitted, h.inheritable) for h in before))
    now[0].inheritable |= _TRACE
    try:
        try:
            _check(libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), now))
            raised = (ctypes.c_ulong(each) for each in (_AMBIENT_RAISE, _SYS_PTRACE, 0, 0))
            _check(libc.prctl(_AMBIENT, *raised))
        except OSError as error:
            log.warning("what reads tenants' memory gets no right to: %s", error)
        yield
    finally:
        # The kernel takes what is no more inheritable from the ambient rights as well.
        _check(libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), before))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
