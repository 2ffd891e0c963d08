"""The thaw after an agent's death: what it left frozen runs on as soon as that is safe."""

import contextlib
import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sublet_agent.cgroups.groups_file import is_anything_frozen, thaw_left_over
from sublet_agent.devices.interface import Device, DeviceError
from sublet_agent.processes.process_table import ProcessTable
from sublet_agent.state_files.journal import JournalEntry, Step, Target

_AT_THE_LATEST_S: Final = 30.0

log = logging.getLogger(__name__)


def thaw_after_moves(
    groups: Path, entries: Iterable[JournalEntry], device: Device, table: ProcessTable
) -> list[str]:
    """Thaw the slices in the file ``groups`` that are frozen; return their ids.

    A restore that the driver still makes ends first (it answers only then): whoever is thawed
    before could take its room. That takes seconds; a driver that says nothing for long does not
    keep anybody frozen.
    """
    if not is_anything_frozen(groups):
        return []
    coming = [e.target for e in entries if e.step is Step.RESUMING]
    coming = [t for t in coming if table.is_alive(t.identity)]
    waiting = threading.Thread(target=_ask, args=(device, coming), daemon=True, name="driver")
    waiting.start()
    waiting.join(_AT_THE_LATEST_S)
    if waiting.is_alive():
        log.warning("the driver has not ended a restore for %s s; thawed", _AT_THE_LATEST_S)
    thawed = thaw_left_over(groups)
    log.warning("slices that were left frozen are thawed: %s", ", ".join(thawed) or "none")
    return thawed


def _ask(device: Device, targets: Iterable[Target]) -> None:
    for target in targets:
        with contextlib.suppress(DeviceError):
            device.state(target.identity.pid)
