"""Which cards have reported an error, kept for the next agent: a driver tells of it only once.

An error outlives the agent and ends with the machine's boot. A card that merely did not answer is
not kept here: it is taken again when it answers.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from sublet_quota.names.ids import GpuId

from sublet_agent.durable_writes import replace_file

log = logging.getLogger(__name__)


class ClosedGpus:
    """The cards of this boot that take nothing new, and why, in a file."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._path = path
        self._boot_id = boot_id
        self._reasons = self._read()

    @property
    def reasons(self) -> Mapping[GpuId, str]:
        """Why a card is closed, of those that are."""
        return self._reasons

    def close(self, gpu_id: GpuId, reason: str) -> None:
        """Keep a card closed until the machine is booted again, or the file is removed."""
        self._reasons[gpu_id] = reason
        text = json.dumps({"boot": self._boot_id, "gpus": self._reasons})
        try:
            replace_file(self._path, text.encode())
        except OSError as error:
            log.warning("cannot keep in %s that GPU %s failed: %s", self._path, gpu_id, error)

    def _read(self) -> dict[GpuId, str]:
        try:
            kept = json.loads(self._path.read_bytes())
            if kept["boot"] != self._boot_id:
                return {}
            return {GpuId(str(gpu)): str(reason) for gpu, reason in kept["gpus"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            log.warning("the closed GPUs in %s cannot be read: %s", self._path, error)
            return {}
