"""Whether what is suspended may be written to disk: by a machine that swaps."""

from pathlib import Path
from typing import Final

_SWAPS: Final = Path("/proc/swaps")
_IN_MEMORY: Final = "/dev/zram"


def swap_areas(swaps: Path = _SWAPS) -> tuple[str, ...]:
    """Return the files and partitions that memory may be written to, but for those in memory."""
    try:
        lines = swaps.read_text().splitlines()[1:]
    except OSError:
        return ()
    areas = (line.split()[0] for line in lines if line.strip())
    return tuple(area for area in areas if not area.startswith(_IN_MEMORY))


def swap_warning(areas: tuple[str, ...]) -> str:
    """Return what follows where memory may be written to these, and what helps; else ``""``."""
    if not areas:
        return ""
    return (
        f"This machine swaps (to {', '.join(areas)}), so what is suspended may be written to disk: "
        "switch that off (`swapoff -a`), encrypt it, or keep servers from it (MemorySwapMax=0)."
    )
