"""Sees beforehand whether a process shares GPU memory with another by CUDA IPC.

As soon as CUDA IPC is used, both sides map a file ``/dev/shm/cuda.shm.*``; checkpointing such a
process succeeds, and restoring it then fails for ever. Simulated processes map one too.
"""

from pathlib import Path
from typing import Final

_MARK: Final = "/cuda.shm."


def why_not_suspendable(pid: int) -> str | None:
    """Return why the process must not be suspended, as its memory maps tell, or ``None``.

    What cannot be read counts as a reason: a mistake here loses a notebook.
    """
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return f"process {pid} is gone"
    except OSError as error:
        return f"the memory maps of process {pid} cannot be read: {error.strerror}"
    if _MARK in maps:
        return "it shares GPU memory with another process (CUDA IPC)"
    return None
