"""The cards that have reported an error, kept for the next agent: a driver tells of it only once.

An error outlives the agent and ends with the machine's boot. A card that merely did not answer is
not kept here: it is taken again when it answers.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.closed_gpus import ClosedGpu, GpuFault

from sublet_agent.state_files.gpus_of_this_boot import GpusOfThisBoot

log = logging.getLogger(__name__)


class FailedGpus:
    """The cards of this boot that take nothing new, and why, in a file."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._file = GpusOfThisBoot(path, boot_id)
        self._reasons = self._file.read("the closed GPUs", _reason_in)

    @property
    def reasons(self) -> Mapping[GpuId, ClosedGpu]:
        """The closed cards, and why each is."""
        return self._reasons

    def close(self, gpu_id: GpuId, reason: ClosedGpu) -> None:
        """Keep a card closed until the machine is booted again, or the file is removed."""
        self._reasons[gpu_id] = reason
        try:
            self._file.write({gpu: asdict(why) for gpu, why in self._reasons.items()})
        except OSError as error:
            log.warning("cannot keep in %s that GPU %s failed: %s", self._file.path, gpu_id, error)


def _reason_in(kept: Any) -> ClosedGpu:
    """Return a reason as it was written, also by an agent that kept its words alone."""
    if isinstance(kept, str):
        fault, _, detail = kept.partition(": ")
        return ClosedGpu(GpuFault(fault), detail)
    return ClosedGpu(GpuFault(kept["fault"]), str(kept["detail"]))
