"""The look into ``/proc`` at which of NVIDIA's cards a process sees: all, or some.

The driver takes a mapping only where it names every card that a process sees, and breaks where
``CUDA_VISIBLE_DEVICES`` chose them. So who was started with that variable, whatever it says, or has
not opened every card's device file, does not see them all. What cannot be read counts as hidden: a
mistake here loses a notebook.
"""

import re
from pathlib import Path
from typing import Final

from sublet_procfs.tenant_memory import TenantMemory, tenant_memory
from sublet_quota.reasons.staying import Staying, Stays

_CHOOSES: Final = "CUDA_VISIBLE_DEVICES"
_CARD: Final = re.compile(r"/dev/nvidia\d+")


def why_not_all(
    pid: int,
    count: int,
    whose: str | None = None,
    proc: Path = Path("/proc"),
    memory: TenantMemory | None = None,
) -> Stays | None:
    """Return why a process is not known to see all of ``count`` cards, or ``None``.

    Blocks, for seconds at the worst.
    """
    memory = tenant_memory() if memory is None else memory
    try:
        if memory.variables(pid, _CHOOSES, proc, whose=whose):
            return Stays(Staying.SEES_SOME_CARDS, f"process {pid} was started with {_CHOOSES}")
        opened = {
            str(each.readlink()) for each in (proc / str(pid) / "fd").iterdir() if each.is_symlink()
        }
    except OSError as error:
        return Stays(Staying.UNREADABLE, f"process {pid}: {error.strerror or error}")
    seen = sum(1 for path in opened if _CARD.fullmatch(path))
    if seen < count:
        return Stays(Staying.SEES_SOME_CARDS, f"process {pid} has opened {seen} of {count}")
    return None
