"""The slices that are on another card than their server was started for, kept for the next agent.

The journal says where each suspended process is to come back, and counts for more: it is written
first. This file says it of slices of which nothing is suspended; and once more of each process that
is to come back on another card than it left, for a journal that is lost: whoever brought it back as
if it had been on the one that it is bound for would look for room on the wrong card, and lose it.
It ends with the machine's boot.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sublet_quota.names.ids import GpuId, SliceId

from sublet_agent.boot_file import BootFile
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.state_files.journal import JournalEntry, Target, fields_of, target_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MovedSlice:
    """The card that a slice is on, and the one that it was on before."""

    gpu_id: GpuId
    came_from: GpuId


class MovedSlices:
    """Such slices of this boot, in a file."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._file = BootFile(path, boot_id)
        kept = self._file.read("the moved slices", _kept_in)
        self._slices: dict[SliceId, MovedSlice] = {} if kept is None else kept[0]
        self._bound: dict[ProcessIdentity, Target] = {} if kept is None else _bound_of(kept[1])

    def find(self, slice_id: SliceId) -> MovedSlice | None:
        """Return where a slice is; ``None``: it was never moved."""
        return self._slices.get(slice_id)

    def believe(self, entries: Iterable[JournalEntry]) -> None:
        """Take over what the journal says of slices with suspended processes.

        Where it was written in half, nothing has come back on the other card yet.
        """
        before = dict(self._slices)
        told: dict[SliceId, set[tuple[GpuId, GpuId | None]]] = {}
        for each in entries:
            target = each.target
            told.setdefault(target.slice_id, set()).add((target.gpu_id, target.left_gpu_id))
        for slice_id, cards in told.items():
            known = self._slices.get(slice_id)
            bound = sorted((gpu, came) for gpu, came in cards if came is not None)
            left = [MovedSlice(gpu, came_from) for gpu, came_from in bound]
            # Two cards: its way to another was changed, which was written in half.
            there = known if known in left else next(iter(left), None)
            stayed = sorted(gpu for gpu, came_from in cards if came_from is None)
            if there is not None and (not stayed or stayed == [there.gpu_id]):
                self._slices[slice_id] = there
            elif known is not None and stayed and known.gpu_id not in stayed:
                self._slices[slice_id] = MovedSlice(stayed[0], known.gpu_id)
        if self._slices != before:
            self._write()

    def missing_in(self, entries: Iterable[JournalEntry]) -> tuple[Target, ...]:
        """Return who was to come back on another card, and is in no entry of the journal."""
        known = {entry.target.identity for entry in entries}
        return tuple(t for identity, t in self._bound.items() if identity not in known)

    def keep(self, slice_id: SliceId, moved: MovedSlice, targets: Iterable[Target]) -> None:
        """Write down where a slice is now, and at once who is bound for another card than it left.

        ``targets``: as of ``keep_bound``.
        """
        self._slices = {**self._slices, slice_id: moved}
        self._bound = _bound_of(targets)
        self._write()

    def keep_bound(self, targets: Iterable[Target]) -> None:
        """Write down who is to come back on another card than it left: these, and nobody else."""
        bound = _bound_of(targets)
        if bound != self._bound:
            self._bound = bound
            self._write()

    def forget_all_but(self, served: Collection[SliceId]) -> None:
        """Forget slices that are not served any more."""
        left = {slice_id: moved for slice_id, moved in self._slices.items() if slice_id in served}
        if len(left) < len(self._slices):
            self._slices = left
            self._write()

    def _write(self) -> None:
        slices = {s: {"gpu": m.gpu_id, "from": m.came_from} for s, m in self._slices.items()}
        bound = [fields_of(target) for target in self._bound.values()]
        try:
            self._file.write(slices=slices, bound=bound)
        except OSError as error:
            log.warning("cannot keep in %s where slices are: %s", self._file.path, error)


def _kept_in(kept: Any) -> tuple[dict[SliceId, MovedSlice], list[Target]]:
    slices: Mapping[str, Mapping[str, str]] = kept["slices"]
    moved = {
        SliceId(name): MovedSlice(GpuId(each["gpu"]), GpuId(each["from"]))
        for name, each in slices.items()
    }
    return moved, [target_of(fields) for fields in kept.get("bound", ())]


def _bound_of(targets: Iterable[Target]) -> dict[ProcessIdentity, Target]:
    return {t.identity: t for t in targets if t.left_gpu_id is not None}
