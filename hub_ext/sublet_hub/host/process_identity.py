"""Whether exactly this process is alive: a pid alone may be another process tomorrow."""

import psutil

from sublet_hub.ledger.records import StartedProcess

_SAME_START_S = 0.02


def is_alive(identity: StartedProcess, boot_id: str) -> bool:
    """Whether this very process lives (a zombie does not)."""
    if identity.boot_id != boot_id:
        return False
    try:
        process = psutil.Process(identity.pid)
        same = abs(started_at(process) - identity.start_time) < _SAME_START_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def started_at(process: psutil.Process) -> float:
    """Return when a process began, in seconds since the boot.

    psutil reckons from the clock, which can be set at any time.
    """
    booted = psutil.boot_time()
    return float(process.create_time() - booted)
