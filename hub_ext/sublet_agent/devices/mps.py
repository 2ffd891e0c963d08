"""Whether MPS runs on this machine for everybody, as its processes tell.

A program that finds MPS' control daemon becomes a client of its server, and can be neither paused
nor moved from then on. NVML lists the clients; that a daemon waits for some, only ``/proc`` shows.
Root's daemon serves all accounts, and the agent's own serves the agent's. A daemon of anybody else
serves that account alone, and NVML's list is enough for its clients: or whoever gives a process
such a name would stop the lending of all cards.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

_BEGINNING: Final = "nvidia-cuda-mps"
"""The beginning of the names of control daemon and servers: ``/proc`` has no more of them."""


def mps_process(proc: Path = Path("/proc"), uids: Collection[int] | None = None) -> str | None:
    """Return MPS' first process in words; ``None`` where none runs, or none can be seen.

    Only processes of these accounts count: by default root's and the caller's own.
    """
    counted = {0, os.geteuid()} if uids is None else uids
    for folder in sorted(proc.glob("[0-9]*"), key=lambda each: int(each.name)):
        try:
            name = (folder / "comm").read_text().strip()
            if name.startswith(_BEGINNING) and _uid(folder) in counted and _is_program(folder):
                return f"process {folder.name}, {name}"
        except OSError:
            # It has ended.
            continue
    return None


def _uid(folder: Path) -> int | None:
    """Return the account that started the process, also where it runs a program of root's."""
    for line in (folder / "status").read_text().splitlines():
        if line.startswith("Uid:"):
            return int(line.split()[1])
    return None


def _is_program(folder: Path) -> bool:
    """Whether the process runs such a program: a link to ``sudo`` may have any name."""
    try:
        return (folder / "exe").readlink().name.startswith(_BEGINNING)
    except PermissionError:
        # Another account's, and the agent is not root: its name must do.
        return True
