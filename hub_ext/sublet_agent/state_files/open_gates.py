"""The gates that are open, kept so that a new agent keeps the promises of the one before it.

A cell that was let through runs on while the agent is away, and may still fill its slice's cap;
also where its gate has closed since, and its slice was not suspended yet. Only an open gate is
opened again: others may have been promised the room of a slice whose gate has closed. Written
before the cell is told; not forced to disk, for no cell outlives the machine.
"""

import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sublet_quota.names.ids import GpuId, SliceId

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenGates:
    """The slices of a GPU whose cells were let through."""

    open: frozenset[SliceId] = frozenset()
    """The slices whose gates are open."""
    past: frozenset[SliceId] = frozenset()
    """The slices whose gates have closed since, while a cell may run on."""


class OpenGatesFile:
    """The promises on all GPUs of the node, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._promised: dict[GpuId, OpenGates] = {}
        self._file = -1
        self._length = 0

    def load(self, gpus: Iterable[GpuId]) -> Mapping[GpuId, OpenGates]:
        """Return what an agent before this one left promised on these GPUs.

        A promise stands until something else is kept for the GPU.
        """
        try:
            kept = json.loads(self._path.read_bytes())
            if isinstance(kept, list):
                # Of an agent of an earlier version, which told neither GPUs nor gates apart.
                before = OpenGates(past=_ids(kept))
                self._promised = dict.fromkeys(gpus, before)
            else:
                found = {GpuId(name): _promised(value) for name, value in kept.items()}
                self._promised = {gpu: found[gpu] for gpu in gpus if gpu in found}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            log.warning("the open gates in %s cannot be read: %s", self._path, error)
        return dict(self._promised)

    def keep(self, gpu_id: GpuId, promised: OpenGates) -> None:
        """Replace what is promised on the GPU."""
        if self._promised.get(gpu_id) == promised:
            return
        everywhere = {**self._promised, gpu_id: promised}
        kept = {
            name: {"open": sorted(p.open), "past": sorted(p.past)}
            for name, p in everywhere.items()
            if p.open or p.past
        }
        text = json.dumps(kept).encode()
        # One call, and never a shorter file: no death can leave half of it. This is between a
        # cell and its GPU, where making a new file each time would cost most of a millisecond.
        try:
            if self._file < 0:
                self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
                self._length = os.fstat(self._file).st_size
            padded = text.ljust(self._length)
            written = os.pwrite(self._file, padded, 0)
        except OSError as error:
            log.warning("cannot keep the open gates in %s: %s", self._path, error)
            return
        self._length = max(self._length, written)
        if written < len(padded):
            log.warning("cannot keep the open gates in %s: the disk is full", self._path)
            return
        self._promised = everywhere

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _promised(kept: dict[str, list[str]]) -> OpenGates:
    return OpenGates(_ids(kept["open"]), _ids(kept["past"]))


def _ids(names: list[str]) -> frozenset[SliceId]:
    return frozenset(SliceId(str(name)) for name in names)
