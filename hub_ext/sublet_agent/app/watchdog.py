"""The agent's parent process: when the agent dies, owners compute on within two seconds.

The watchdog unpauses the processes of resident owners that the dead agent had paused, and whoever
was paused for a turn of computing; then it starts the agent again, which picks up the rest. A
suspended process is never touched, nobody is resumed, and other jobs stay paused: an owner may be
at work beside them.
"""

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Final

from sublet_quota.names.ids import GpuId
from sublet_quota.residency.snapshot import Holder

from sublet_agent.devices.interface import Device, DeviceError, ProcessState
from sublet_agent.moves.recovery import MOVING, RUNS_ON
from sublet_agent.moves.thawing import AT_THE_LATEST_S
from sublet_agent.moves.watches import state_after_move
from sublet_agent.processes.process_table import ProcessTable
from sublet_agent.state_files.journal import JournalEntry, read_journal

SETTINGS_EXIT: Final = 78
"""The exit status (EX_CONFIG) of an agent that cannot work as it is set up: starting it again would
not help.
"""
_LONG_ENOUGH_S: Final = 30.0
_LONGEST_WAIT_S: Final = 10.0
STOP_WITHIN_S: Final = 60.0
"""How long an agent that was told to end may take to finish or undo what it is doing."""
_LOOK_EVERY_S: Final = 0.5
_TRIES: Final = 3

log = logging.getLogger(__name__)


def let_owners_run(journal: Path, device: Device, table: ProcessTable) -> list[int]:
    """Unpause what the dead agent had paused of resident owners; returns the pids."""
    by_gpu: defaultdict[GpuId, list[JournalEntry]] = defaultdict(list)
    for entry in read_journal(journal):
        if table.is_alive(entry.target.identity):
            by_gpu[entry.target.gpu_id].append(entry)
    if not by_gpu:
        return []
    # Side by side: a card whose driver is slow to answer keeps no other card's owners waiting.
    with ThreadPoolExecutor(len(by_gpu), "rescue") as cards:
        on_each = cards.map(
            lambda entries: _let_run_on_one(entries, device, table), by_gpu.values()
        )
        return [pid for unpaused in on_each for pid in unpaused]


def _let_run_on_one(
    entries: Sequence[JournalEntry], device: Device, table: ProcessTable
) -> list[int]:
    # A move that is still under way ends first (its process's state is told only then): whoever ran
    # on before could take the room that a slice on its way back needs.
    ordered = sorted(entries, key=lambda e: e.step not in MOVING)
    deadline = time.monotonic() + AT_THE_LATEST_S
    states = {e.target.identity: _state(e, device, table, deadline) for e in ordered}
    away = {
        e.target.slice_id for e in entries if states[e.target.identity] is ProcessState.SUSPENDED
    }
    return [
        entry.target.identity.pid
        for entry in entries
        if (entry.target.holder is Holder.NOTEBOOK or entry.step in RUNS_ON)
        and entry.target.slice_id not in away
        and states[entry.target.identity] is ProcessState.PAUSED
        and _unpause(device, entry.target.identity.pid)
    ]


def _state(
    entry: JournalEntry, device: Device, table: ProcessTable, deadline: float
) -> ProcessState | None:
    identity = entry.target.identity
    with contextlib.suppress(DeviceError):
        if entry.step in MOVING:
            return state_after_move(device, table, identity, deadline)
        return device.state(identity.pid)
    return None


def _unpause(device: Device, pid: int) -> bool:
    for _ in range(_TRIES):
        try:
            device.unpause(pid)
        except DeviceError as error:
            log.warning("process %s is not unpaused: %s", pid, error)
        else:
            return True
    return False


class Watchdog:
    """The parent of one agent process, which keeps it running."""

    def __init__(self, command: Sequence[str], after_death: Callable[[], None]) -> None:
        self._command = list(command)
        self._after_death = after_death
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self) -> int:
        """Run until told to stop, or until the agent cannot work; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        wait_s, several = 0.0, False
        while not self._stopping:
            began = time.monotonic()
            self._child = subprocess.Popen(self._command)
            status = self._wait(self._child)
            if status == SETTINGS_EXIT:
                if several:
                    # Nobody comes any more for what those before this one have left.
                    self._rescue()
                return status
            if self._stopping and status == 0:
                return status
            several = True
            if self._stopping:
                self._rescue()
                return 0 if status == -signal.SIGTERM else status
            log.error("the agent (process %s) ended with %s", self._child.pid, status)
            self._rescue()
            lived_long = time.monotonic() - began > _LONG_ENOUGH_S
            wait_s = 0.0 if lived_long else min(_LONGEST_WAIT_S, max(0.1, wait_s * 2))
            self._pause_before_start(wait_s)
        return 0

    def _rescue(self) -> None:
        try:
            self._after_death()
        except Exception:
            # Whatever is wrong with devices or journal, a new agent must be tried.
            log.exception("the owners' processes could not all be looked after")

    def _pause_before_start(self, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        while not self._stopping and time.monotonic() < deadline:
            time.sleep(0.05)

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        """Wait for the agent's end, but not for ever once told to stop; return its exit status."""
        deadline: float | None = None
        ended = os.pidfd_open(child.pid)
        try:
            while not select.select([ended], [], [], _LOOK_EVERY_S)[0]:
                if self._stopping and deadline is None:
                    deadline = time.monotonic() + STOP_WITHIN_S
                    # The word to stop may have come before this child was known.
                    child.send_signal(signal.SIGTERM)
                elif deadline is not None and time.monotonic() >= deadline:
                    log.error("the agent (process %s) does not stop, and is killed", child.pid)
                    child.kill()
        finally:
            os.close(ended)
        return child.wait()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)


def agent_command(arguments: Sequence[str]) -> list[str]:
    """Return the command line of the agent process itself."""
    return [sys.executable, "-P", "-m", "sublet_agent.app.serving", *arguments]
