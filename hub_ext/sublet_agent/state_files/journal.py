"""The journal of what the agent is about to do to a process, written down before it does it.

A file of JSON lines. A step is appended before the device call that it names, and noted again when
that call has come back. After a crash the device's own word about a process counts; the journal
says which processes to ask about, whose they are, and how much room a suspended one needs (NVML
does not list those). What was written outlives the agent however it dies. Nothing is forced to
disk: no process outlives the machine, an entry of another boot means nothing, and owners would wait
for it.
"""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.residency.snapshot import Holder

from sublet_agent.durable_writes import replace_open_file, write_all
from sublet_agent.errors import JournalError
from sublet_agent.processes.process_table import ProcessIdentity

_COMPACT_AT_LINES: Final = 2000

log = logging.getLogger(__name__)


class Step(StrEnum):
    """A step that is about to be done to a process, or has been."""

    PAUSING = "pausing"
    PAUSING_FOR_A_TURN = "pausing-for-a-turn"
    """Paused for a moment, while another slice has its turn of computing: whoever finds it lets it
    run, whosever it is. Written once for many turns: who has it may be running.
    """
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    RESUMING = "resuming"
    RESUMED = "resumed"
    UNPAUSING = "unpausing"
    RUNNING = "running"
    LOST = "lost"
    GONE = "gone"


_SETTLED: Final = frozenset({Step.RUNNING, Step.GONE})
_IS_AWAY: Final = frozenset({Step.SUSPENDED, Step.RESUMING})


@dataclass(frozen=True, slots=True)
class Target:
    """A process that the agent acts on, and whose it is."""

    identity: ProcessIdentity
    gpu_id: GpuId
    slice_id: SliceId
    holder: Holder
    image_mib: int = 0
    """The room that the process needs when it is resumed."""
    left_gpu_id: GpuId | None = None
    """The card that a suspended process left, where it is to come back on another: ``gpu_id``."""
    unwritten: bool = False
    """Whether nobody had written down how much room it needs, nor on which card it was."""

    @property
    def mapping(self) -> dict[GpuId, GpuId] | None:
        """Where the driver has to bring the process back; ``None``: where it was."""
        return None if self.left_gpu_id is None else {self.left_gpu_id: self.gpu_id}

    @property
    def on_its_card(self) -> "Target":
        """The process as one that is on the card, or leaves it."""
        if self.left_gpu_id is None and not self.unwritten:
            return self
        return replace(self, left_gpu_id=None, unwritten=False)

    def at_home(self, gpu_id: GpuId) -> "Target":
        """Return the suspended process as one that is to come back on this card."""
        left = self.left_gpu_id or self.gpu_id
        return replace(self, gpu_id=gpu_id, left_gpu_id=None if left == gpu_id else left)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """The last step of one process."""

    step: Step
    target: Target


class Journal:
    """The journal's file, and the last entry of each process in it. Safe from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._last: dict[ProcessIdentity, JournalEntry] = {
            e.target.identity: e for e in read_journal(path)
        }
        self._file = -1
        self._lines = 0
        self._torn = False
        self.compact()

    def entries(self) -> tuple[JournalEntry, ...]:
        """Return the last entry of every process that is not known to run or to be gone."""
        with self._lock:
            return tuple(e for e in self._last.values() if e.step not in _SETTLED)

    def last_step(self, identity: ProcessIdentity) -> Step | None:
        """Return what was written last of a process; ``None``: nothing that still matters."""
        with self._lock:
            entry = self._last.get(identity)
            return None if entry is None else entry.step

    def write(self, step: Step, targets: Iterable[Target]) -> None:
        """Write down what is about to be done, or has been; ``JournalError`` when that fails."""
        entries = [JournalEntry(step, t) for t in targets]
        if not entries:
            return
        with self._lock:
            for index, entry in enumerate(entries):
                before = self._last.get(entry.target.identity)
                if before is not None and not entry.target.image_mib:
                    # Who pauses a neighbour need not know how much it holds.
                    target = replace(entry.target, image_mib=before.target.image_mib)
                    entries[index] = replace(entry, target=target)
                if before is not None and {before.step, step} <= _IS_AWAY:
                    # What was not known when it was found is not known until it was back.
                    unwritten = entry.target.unwritten or before.target.unwritten
                    target = replace(entries[index].target, unwritten=unwritten)
                    entries[index] = replace(entry, target=target)
                self._last[entry.target.identity] = entries[index]
            text = "".join(map(_to_line, entries))
            try:
                # After a full disk the last line may be half written: begin a new one.
                write_all(self._file, (f"\n{text}" if self._torn else text).encode())
                self._torn = False
            except OSError as error:
                self._torn = True
                message = f"cannot write the journal {self._path}: {error}"
                raise JournalError(message) from error
            self._lines += len(entries)

    def compact_if_long(self) -> None:
        """Rewrite the journal when it has grown long."""
        if self._lines >= _COMPACT_AT_LINES:
            self.compact()

    def compact(self) -> None:
        """Write the file anew with what still matters."""
        with self._lock:
            self._last = {k: e for k, e in self._last.items() if e.step not in _SETTLED}
            text = "".join(_to_line(e) for e in self._last.values())
            try:
                opened = replace_open_file(self._path, text.encode())
            except OSError as error:
                message = f"cannot rewrite the journal {self._path}: {error}"
                raise JournalError(message) from error
            if self._file >= 0:
                os.close(self._file)
            self._file, self._lines = opened, len(self._last)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1


def read_journal(path: Path) -> tuple[JournalEntry, ...]:
    """Return the last entry of each process, also while another process writes the file."""
    last: dict[ProcessIdentity, JournalEntry] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_bytes().splitlines():
            if not line:
                continue
            try:
                entry = _from_line(json.loads(line))
            except (ValueError, KeyError, TypeError):
                # Killed in the middle of a line: that step was never begun.
                log.warning("the journal %s has a line that cannot be read; skipped", path)
                continue
            last[entry.target.identity] = entry
    return tuple(e for e in last.values() if e.step not in _SETTLED)


def fields_of(target: Target) -> dict[str, Any]:
    """Return a process as what JSON can say."""
    return {
        "boot": target.identity.boot_id,
        "pid": target.identity.pid,
        "start": target.identity.start_ticks,
        "gpu": target.gpu_id,
        "slice": target.slice_id,
        "holder": target.holder.value,
        "image_mib": target.image_mib,
        **({} if target.left_gpu_id is None else {"left_gpu": target.left_gpu_id}),
        **({"unwritten": True} if target.unwritten else {}),
    }


def target_of(fields: Mapping[str, Any]) -> Target:
    """Return the process of such fields; ``ValueError``, ``KeyError``, ``TypeError`` of others."""
    return Target(
        ProcessIdentity(str(fields["boot"]), int(fields["pid"]), int(fields["start"])),
        GpuId(str(fields["gpu"])),
        SliceId(str(fields["slice"])),
        Holder(fields["holder"]),
        int(fields["image_mib"]),
        GpuId(str(fields["left_gpu"])) if "left_gpu" in fields else None,
        bool(fields.get("unwritten", False)),
    )


def _to_line(entry: JournalEntry) -> str:
    fields = {"step": entry.step.value, **fields_of(entry.target)}
    return json.dumps(fields, separators=(",", ":")) + "\n"


def _from_line(fields: Mapping[str, Any]) -> JournalEntry:
    return JournalEntry(Step(fields["step"]), target_of(fields))
