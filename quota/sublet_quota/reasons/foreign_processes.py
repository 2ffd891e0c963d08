"""Why a GPU is pause-only: the processes of no slice that use it, as numbers and as a clause."""

from collections.abc import Sequence

from sublet_quota.amounts.gpu_amounts import format_held


def foreign_clause(
    count: int,
    pids: Sequence[int],
    held_mib: int,
    *,
    memory_told: bool = True,
    utilisation_percent: int | None = None,
) -> str:
    """Return who else uses a GPU and what follows from that, to stand behind a colon.

    ``pids`` may name fewer processes than the ``count`` that hold ``held_mib`` together; without
    ``memory_told`` that is only the least. ``utilisation_percent``: how much of the GPU's time they
    use together, where that is told.
    """
    shown = ", ".join(str(pid) for pid in pids)
    unnamed = f" and {count - len(pids)} more" if count > len(pids) else ""
    is_one = count == 1
    held = format_held(held_mib, told=memory_told)
    uses = ""
    if utilisation_percent:
        uses = f" and {'uses' if is_one else 'use'} {utilisation_percent} % of its time"
    return (
        f"{'process' if is_one else 'processes'} {shown}{unnamed} of no slice "
        f"{'holds' if is_one else 'hold'} {held}{uses}: nothing is suspended or "
        f"resumed on this GPU until {'it ends' if is_one else 'they end'}"
    )
