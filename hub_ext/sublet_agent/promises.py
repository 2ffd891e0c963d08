"""Which gates are open, kept so that a new agent keeps the promises of the one before it.

A cell that was let through runs on while the agent is away, and may still fill its slice's cap;
also where its gate has closed since, and its slice was not suspended yet.
Written before the cell is told; not forced to disk, for no cell outlives the machine.
"""

import json
import logging
import os
from pathlib import Path

from sublet_quota.ids import GpuId, SliceId

log = logging.getLogger(__name__)


class Promises:
    """The open gates of all GPUs of the node, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: dict[GpuId, frozenset[SliceId]] = {}
        self._file = -1
        self._length = 0

    def load(self) -> frozenset[SliceId]:
        """Return the gates that an agent before this one left open."""
        try:
            names = json.loads(self._path.read_bytes())
            return frozenset(SliceId(str(name)) for name in names)
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, TypeError) as error:
            log.warning("the open gates in %s cannot be read: %s", self._path, error)
            return frozenset()

    def keep(self, gpu_id: GpuId, gates: frozenset[SliceId]) -> None:
        """These gates of the GPU are open now, and no others."""
        if self._open.get(gpu_id) == gates:
            return
        self._open[gpu_id] = gates
        text = json.dumps(sorted(frozenset().union(*self._open.values()))).encode()
        # One call, and never a shorter file: no death can leave half of it. This is between a
        # cell and its GPU, where making a new file each time would cost most of a millisecond.
        padded = text.ljust(self._length)
        try:
            if self._file < 0:
                self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
                self._length = os.fstat(self._file).st_size
                padded = text.ljust(self._length)
            os.pwrite(self._file, padded, 0)
            self._length = len(padded)
        except OSError as error:
            log.warning("cannot keep the open gates in %s: %s", self._path, error)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
