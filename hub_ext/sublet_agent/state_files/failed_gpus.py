"""The cards that have reported an error, kept for the next agent: a driver tells of it only once.

An error outlives the agent and ends with the machine's boot. A card that merely did not answer is
not kept here: it is taken again when it answers.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.closed_gpus import ClosedGpu, GpuFault

from sublet_agent.durable_writes import replace_file

log = logging.getLogger(__name__)


class FailedGpus:
    """The cards of this boot that take nothing new, and why, in a file."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._path = path
        self._boot_id = boot_id
        self._reasons = self._read()

    @property
    def reasons(self) -> Mapping[GpuId, ClosedGpu]:
        """The closed cards, and why each is."""
        return self._reasons

    def close(self, gpu_id: GpuId, reason: ClosedGpu) -> None:
        """Keep a card closed until the machine is booted again, or the file is removed."""
        self._reasons[gpu_id] = reason
        gpus = {gpu: asdict(why) for gpu, why in self._reasons.items()}
        text = json.dumps({"boot": self._boot_id, "gpus": gpus})
        try:
            replace_file(self._path, text.encode())
        except OSError as error:
            log.warning("cannot keep in %s that GPU %s failed: %s", self._path, gpu_id, error)

    def _read(self) -> dict[GpuId, ClosedGpu]:
        try:
            kept = json.loads(self._path.read_bytes())
            if kept["boot"] != self._boot_id:
                return {}
            return {GpuId(str(gpu)): _reason_in(why) for gpu, why in kept["gpus"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            log.warning("the closed GPUs in %s cannot be read: %s", self._path, error)
            return {}


def _reason_in(kept: Any) -> ClosedGpu:
    """Return a reason as it was written, also by an agent that kept its words alone."""
    if isinstance(kept, str):
        fault, _, detail = kept.partition(": ")
        return ClosedGpu(GpuFault(fault), detail)
    return ClosedGpu(GpuFault(kept["fault"]), str(kept["detail"]))
