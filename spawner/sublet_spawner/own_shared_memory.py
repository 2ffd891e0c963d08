"""A ``/dev/shm`` of its own for a server that is no systemd unit, gone with its last process."""

import ctypes
from collections.abc import Callable
from typing import Final

_FOLDER: Final = b"/dev/shm"
_OPTIONS: Final = b"mode=1777,size=10%,nr_inodes=400k"
"""As systemd bounds ``TemporaryFileSystem=``, which servers that are units have."""
_NEW_MOUNTS: Final = 0x0002_0000
_NOSUID, _NODEV, _ALL_BELOW, _SLAVE = 1 << 1, 1 << 2, 1 << 14, 1 << 19


def with_own_shared_memory(then: Callable[[], None]) -> Callable[[], None]:
    """Return what a new process calls before its program: it makes the folder, then does ``then``.

    Where it may not mount, the server has the machine's. Mounts that the machine gets later (homes,
    say) are seen as before.
    """
    # Found here: between fork and exec as little as can be is done.
    libc = ctypes.CDLL(None)
    unshare, mount = libc.unshare, libc.mount

    def make_and_go_on() -> None:
        apart = unshare(_NEW_MOUNTS) == 0
        # Else the machine would see what is mounted here.
        if apart and mount(None, b"/", None, _ALL_BELOW | _SLAVE, None) == 0:
            mount(b"tmpfs", _FOLDER, b"tmpfs", _NOSUID | _NODEV, _OPTIONS)
        then()

    return make_and_go_on
