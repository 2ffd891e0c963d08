"""No core dumps: what a program's memory holds of people's work must not lie on a disk."""

import logging
import resource
from pathlib import Path
from typing import Final

_FILTER: Final = Path("/proc/self/coredump_filter")

log = logging.getLogger(__name__)


def leave_no_core_dump() -> None:
    """Let neither this process nor those that it starts ever write their memory to disk.

    The limit alone does not bind a program that the kernel hands dumps to (``core_pattern``), so
    that gets a dump without any memory in it.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _FILTER.write_text("0")
    except OSError as error:
        log.warning("a core dump of this process may be written: %s", error)
