"""Whether a process has ended, also where it goes away while one looks."""

import psutil


def has_ended(process: psutil.Process) -> bool:
    """Whether a process runs no more: it is gone, or nobody has asked yet how it ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def lives(pid: int) -> bool:
    """Whether there is a process of this number that runs."""
    try:
        return not has_ended(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False
