"""The look beforehand at whether a process shares GPU memory with another by CUDA IPC.

As soon as CUDA IPC is used, both sides map a file ``/dev/shm/cuda.shm.*``; checkpointing such a
process succeeds, and restoring it then fails for ever. Simulated processes map one too.
"""

from pathlib import Path
from typing import Final

from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable

_MARK: Final = "/cuda.shm."


def why_not_suspendable(pid: int) -> Unsuspendable | None:
    """Return why the process must not be suspended, as its memory maps tell, or ``None``.

    What cannot be read counts as a reason: a mistake here loses a notebook.
    """
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return Unsuspendable(Obstacle.UNREADABLE, f"process {pid} is gone")
    except OSError as error:
        detail = f"the memory maps of process {pid} cannot be read: {error.strerror}"
        return Unsuspendable(Obstacle.UNREADABLE, detail)
    if _MARK in maps:
        detail = "it shares GPU memory with another process (CUDA IPC)"
        return Unsuspendable(Obstacle.CUDA_IPC, detail)
    return None
