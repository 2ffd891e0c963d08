"""Whether a process lives, asked while it may end."""

import psutil


def lives(pid: int) -> bool:
    """Return whether it does; one that has ended counts as gone, whoever has yet to see its end."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
