"""Whether MPS runs on this machine, as its processes tell.

A program that finds MPS' control daemon becomes a client of its server, and can be neither paused
nor moved from then on. NVML lists the clients; that a daemon waits for some, only ``/proc`` shows.
"""

from pathlib import Path
from typing import Final

_BEGINNING: Final = "nvidia-cuda-mps"
"""The beginning of the names of control daemon and servers: ``/proc`` has no more of them."""


def mps_process(proc: Path = Path("/proc")) -> str | None:
    """Return MPS' first process in words; ``None`` where none runs, or none can be seen."""
    for folder in sorted(proc.glob("[0-9]*"), key=lambda each: int(each.name)):
        try:
            name = (folder / "comm").read_text().strip()
        except OSError:
            # It has ended.
            continue
        if name.startswith(_BEGINNING):
            return f"process {folder.name}, {name}"
    return None
