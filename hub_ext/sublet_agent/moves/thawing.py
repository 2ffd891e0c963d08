"""The thaw after an agent's death: what it left frozen runs on as soon as that is safe."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from sublet_agent.cgroups.groups_file import is_anything_frozen, thaw_left_over
from sublet_agent.devices.interface import Device, DeviceError
from sublet_agent.errors import SubletAgentError
from sublet_agent.moves.watches import state_after_move
from sublet_agent.processes.process_table import ProcessTable
from sublet_agent.state_files.journal import JournalEntry, Step, Target

AT_THE_LATEST_S: Final = 30.0
"""How long somebody may stand still for a move of which the driver does not tell the end."""
_AGAIN_S: Final = 0.1

log = logging.getLogger(__name__)


def thaw_after_moves(
    groups: Path,
    entries: Iterable[JournalEntry],
    open_device: Callable[[], Device],
    table: ProcessTable,
) -> list[str]:
    """Thaw the slices in the file ``groups`` that are frozen; return their ids.

    A restore that the driver still makes ends first (it answers only then): whoever is thawed
    before could take its room. That takes seconds; a driver that says nothing for long, or cannot
    be had at all, does not keep anybody frozen.
    """
    if not is_anything_frozen(groups):
        return []
    coming = [e.target for e in entries if e.step is Step.RESUMING]
    coming = [t for t in coming if table.is_alive(t.identity)]
    deadline = time.monotonic() + AT_THE_LATEST_S
    waiting = threading.Thread(
        target=_wait, args=(coming, open_device, table, deadline), daemon=True, name="driver"
    )
    waiting.start()
    waiting.join(AT_THE_LATEST_S)
    if time.monotonic() >= deadline:
        log.warning("no end of a restore was told in %s s; thawed", AT_THE_LATEST_S)
    thawed = thaw_left_over(groups)
    log.warning("slices that were left frozen are thawed: %s", ", ".join(thawed) or "none")
    return thawed


def _wait(
    targets: Iterable[Target],
    open_device: Callable[[], Device],
    table: ProcessTable,
    deadline: float,
) -> None:
    for target in targets:
        while table.is_alive(target.identity):
            try:
                state_after_move(open_device(), table, target.identity, deadline)
                break
            except (DeviceError, SubletAgentError, OSError) as error:
                if time.monotonic() >= deadline:
                    log.warning("process %s may be moving: %s", target.identity.pid, error)
                    break
            time.sleep(_AGAIN_S)
